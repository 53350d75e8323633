"""Writing down what happened, behind the air's back.

The air never waits for the database: the studio puts each write here after it was
published. Writes are done in order, one at a time. While the database is away they
wait, at most `CAPACITY` of them; then the oldest are lost, counted and logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

CAPACITY = 10_000
RETRY_S = 1.0
FLUSH_S = 3.0
"How long the end of the server waits for what is not written yet."

Write: TypeAlias = Callable[[], Awaitable[object]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Record:
    what: str
    write: Write


class RecordWriter:
    """A bounded queue of writes and the task that does them.

    Args:
        unavailable: What a write raises while the database is away; it is tried
            again. Any other error is a fault of that write, logged and passed over.
        capacity: Writes that wait at most.
        retry_s: Pause before a failed write is tried again.
    """

    def __init__(
        self,
        *,
        unavailable: type[Exception],
        capacity: int = CAPACITY,
        retry_s: float = RETRY_S,
    ) -> None:
        self._unavailable = unavailable
        self._capacity = capacity
        self._retry_s = retry_s
        self._waiting: deque[_Record] = deque()
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0
        "Writes given up because too many waited."

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="record-writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self.written()
        if self._waiting:
            logger.error("%d records were not written", len(self._waiting))
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def is_half_full(self) -> bool:
        """Whether what matters less should be left out."""
        return len(self._waiting) * 2 >= self._capacity

    def put(self, what: str, write: Write) -> None:
        """Write later; *what* names it in the log."""
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            self.lost += 1
            logger.error("too many records wait: the oldest is lost (%d)", self.lost)
        self._waiting.append(_Record(what, write))
        self._written.clear()
        self._wake.set()

    async def written(self) -> None:
        """Wait until nothing waits."""
        await self._written.wait()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write(self._waiting[0])
            self._written.set()

    async def _write(self, record: _Record) -> None:
        """Do the first write and take it off; or pause, when the database is away."""
        try:
            await record.write()
        except self._unavailable as error:
            logger.warning("%s waits for the database: %s", record.what, error)
            await asyncio.sleep(self._retry_s)
            return
        except Exception:
            logger.exception("%s could not be written", record.what)
        # Being full may have dropped it meanwhile.
        if self._waiting and self._waiting[0] is record:
            self._waiting.popleft()
