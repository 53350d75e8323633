"""Outcomes of the schedule that are certain, until the database has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from streamer.air.schedule import Occurrence
from streamer.store.errors import InvalidValueError, StoreError
from streamer.store.outcomes import Outcome, Outcomes


class OutcomeWriter:
    """Writes outcomes of starts that were claimed, so they are few.

    Args:
        outcomes: Where they are written.
        on_written: Told whose outcomes were written: the ids of entries.
    """

    def __init__(
        self, outcomes: Outcomes, on_written: Callable[[set[str]], Awaitable[None]]
    ) -> None:
        self._outcomes = outcomes
        self._on_written = on_written
        self._waiting: dict[Occurrence, Outcome] = {}
        self._writing = asyncio.Lock()

    async def finish(self, outcome: Outcome) -> None:
        """Write *outcome* now, or else when `write` is called; never raises."""
        self._waiting[outcome.occurrence] = outcome
        with suppress(StoreError):
            await self.write()

    async def write(self) -> None:
        """Write all that wait for it.

        Raises:
            StoreError: Those that are not written go on waiting.
        """
        async with self._writing:
            written = list(self._waiting.values())
            for outcome in written:
                await self._write(outcome)
                del self._waiting[outcome.occurrence]
        await self._on_written({each.entry_id for each in written})

    async def _write(self, outcome: Outcome) -> None:
        try:
            await self._outcomes.finish(outcome)
        except InvalidValueError:
            # What others say of their errors may be no text. It must not keep back
            # all outcomes that follow.
            told = outcome.detail.encode("utf-8", "backslashreplace").decode()
            readable = told.replace("\0", "\\0")
            await self._outcomes.finish(replace(outcome, detail=readable))
