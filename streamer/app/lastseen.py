"""When speakers were last heard of, stored now and then."""

from __future__ import annotations

import asyncio
import logging

from streamer.api.enrolment import SpeakerRegistry
from streamer.store.errors import StoreError

INTERVAL_S = 30

logger = logging.getLogger(__name__)


class LastSeen:
    """Stores, in one write now and then, when speakers were last heard of."""

    def __init__(self, speakers: SpeakerRegistry) -> None:
        self._speakers = speakers
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run(), name="last seen")

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._write()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self._write()

    async def _write(self) -> None:
        try:
            await self._speakers.write_last_seen()
        except StoreError as error:
            logger.warning("when speakers were last seen is not stored: %s", error)
