"""The as-run log: what the studio does, written to the store after it was done."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from streamer.air.difference import AirStep
from streamer.store.broadcasts import Broadcasts
from streamer.store.errors import StoreError, StoreUnavailableError
from streamer.store.records import Broadcast, EndReason, SourceKind
from streamer.studio.live import Live
from streamer.studio.production import recording_name
from streamer.studio.records import RecordWriter, Write

logger = logging.getLogger(__name__)


class StoreJournal:
    """A `Journal` that writes to the store; use as an async context.

    On entry it ends what a server that died left on the air; while it is entered it
    writes heartbeats, which tell the next one when that was.

    Args:
        records: The store's.
        recordings_directory: Where the recordings are; None when none are made.
        heartbeat_s: Between two heartbeats.
    """

    def __init__(
        self,
        records: Broadcasts,
        *,
        recordings_directory: Path | None,
        heartbeat_s: float,
    ) -> None:
        self._records = records
        self._directory = recordings_directory
        self._heartbeat_s = heartbeat_s
        self._writer = RecordWriter(unavailable=StoreUnavailableError)
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        for broadcast in await self._records.close_interrupted(datetime.now(UTC)):
            logger.warning("broadcast %s was interrupted", broadcast.id)
            await self._keep_interrupted(broadcast.id)
        await self._records.beat(datetime.now(UTC))
        await self._writer.__aenter__()
        self._beating = asyncio.create_task(self._beat(), name="heartbeat")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._beating is not None
        self._beating.cancel()
        await asyncio.wait([self._beating])
        await self._writer.__aexit__()

    async def written(self) -> None:
        """Wait until everything told so far is in the store."""
        await self._writer.written()

    def started(self, live: Live) -> None:
        """Write that a broadcast is on the air."""
        request = live.request
        broadcast = Broadcast(
            id=live.id,
            title=request.title,
            programme_class=request.programme_class,
            origin=request.origin,
            source_kind=SourceKind(request.source_kind),
            source_detail=request.source_detail,
            zone_ids=request.zone_ids,
            started_by=request.token_id,
            accepted_utc=live.started_utc,
            started_utc=live.started_utc,
        )
        self._put("start", live, partial(self._records.create, broadcast))

    def stepped(self, step: AirStep) -> None:
        """Write who hears what from now on."""
        if step.events:
            write = partial(self._records.record, step.events, utc_of(step.at_ns))
            self._writer.put("a step of the air", write)

    def ended(self, live: Live) -> None:
        """Write how a broadcast ended."""
        if live.end is None or live.airing is None:
            raise ValueError(f"broadcast {live.id} has not just ended")
        write = partial(
            self._records.end,
            live.id,
            ended_utc=live.end.ended_utc,
            reason=EndReason(live.end.reason.value),
            detail=live.end.detail,
            frames=live.airing.frames,
        )
        self._put("end", live, write)

    def recorded(self, live: Live) -> None:
        """Write what was kept of a broadcast."""
        if live.recording is None or not live.recording.available:
            return
        write = partial(
            self._records.set_recording,
            live.id,
            path=recording_name(live.id),
            size_bytes=live.recording.bytes,
            complete=live.recording.complete,
        )
        self._put("recording", live, write)

    def _put(self, what: str, live: Live, write: Write) -> None:
        self._writer.put(f"the {what} of broadcast {live.id}", write)

    async def _keep_interrupted(self, broadcast_id: str) -> None:
        """What was recorded until the server died can be heard."""
        if self._directory is None:
            return
        path = self._directory / recording_name(broadcast_id)
        size_bytes = await asyncio.to_thread(_size, path)
        if size_bytes:
            await self._records.set_recording(
                broadcast_id, path=path.name, size_bytes=size_bytes, complete=False
            )

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                await self._records.beat(datetime.now(UTC))
            except StoreError as error:
                logger.warning("no heartbeat: %s", error)


def utc_of(instant_ns: int) -> datetime:
    """Return the wall time of a media instant that is not long ago."""
    ago_us = (time.monotonic_ns() - instant_ns) // 1000
    return datetime.now(UTC) - timedelta(microseconds=ago_us)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
