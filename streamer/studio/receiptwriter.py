"""What speakers say they played, written in batches behind the air's back.

Thousands of speakers tell every ten seconds, and the database is asked once for all
of them. What is told meanwhile is merged in memory, so a database that is away costs
nothing but time; `CAPACITY` bounds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Self, TypeAlias

from streamer.store.errors import StoreError, StoreUnavailableError
from streamer.store.receipts import StoredReceipt, merged
from streamer.wire.control import Receipt

INTERVAL_S = 2.0
CAPACITY = 50_000
"Receipts that wait at most; one of a further speaker or broadcast is lost, counted."
UNKNOWN_TRIES = 30
"A broadcast is written behind the air, too: its receipts wait a minute for it."
FLUSH_S = 3.0
"How long the end of the server waits for what is not written yet."

Put: TypeAlias = Callable[[Iterable[StoredReceipt]], Awaitable[list[StoredReceipt]]]
_Key: TypeAlias = tuple[str, str, int]

logger = logging.getLogger(__name__)


class ReceiptWriter:
    """Collects receipts and the task that writes them; use as an async context.

    Args:
        put: `Receipts.put` of the store.
        utc_of: The wall time of a media instant (ns) of this process.
        interval_s: Between two batches.
        capacity: Receipts that wait at most.
    """

    def __init__(
        self,
        put: Put,
        *,
        utc_of: Callable[[int], datetime],
        interval_s: float = INTERVAL_S,
        capacity: int = CAPACITY,
    ) -> None:
        self._put = put
        self._utc_of = utc_of
        self._interval_s = interval_s
        self._capacity = capacity
        self._waiting: dict[_Key, StoredReceipt] = {}
        self._tries: dict[_Key, int] = {}
        self._flushing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0
        "Receipts given up: too many waited, or their broadcast never came."

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="receipt-writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self.flush()
        if self._waiting:
            logger.error("%d receipts were not written", len(self._waiting))

    def take(self, speaker_id: str, zone_id: str, receipt: Receipt) -> None:
        """Take what a speaker says; returns at once."""
        first_us, last_us = receipt.first_played_us, receipt.last_played_us
        stored = StoredReceipt(
            broadcast_id=receipt.broadcast,
            speaker_id=speaker_id,
            run_us=first_us or 0,
            zone_id=zone_id,
            packets_received=receipt.packets_received,
            total_samples_received=receipt.total_samples_received,
            played_samples=receipt.played_samples,
            concealed_samples=receipt.concealed_samples,
            first_played_utc=self._instant(first_us),
            last_played_utc=self._instant(last_us),
            complete=receipt.complete,
        )
        self._keep(stored)

    async def flush(self) -> None:
        """Write what waits now; what cannot be written yet waits on."""
        async with self._flushing:
            batch, self._waiting = self._waiting, {}
            if not batch:
                return
            try:
                unknown = await self._put(batch.values())
            except StoreUnavailableError as error:
                logger.warning("%d receipts wait: %s", len(batch), error)
                self._keep_all(batch.values())
            except StoreError:
                logger.exception("%d receipts could not be written", len(batch))
                self.lost += len(batch)
            except BaseException:
                self._keep_all(batch.values())
                raise
            else:
                self._try_again(unknown)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    def _instant(self, media_us: int | None) -> datetime | None:
        if media_us is None:
            return None
        try:
            return self._utc_of(media_us * 1000)
        except OverflowError:
            return None  # a speaker may say anything

    def _keep(self, receipt: StoredReceipt) -> None:
        former = self._waiting.get(receipt.key)
        if former is None and len(self._waiting) >= self._capacity:
            self.lost += 1
            return
        self._waiting[receipt.key] = merged(former, receipt) if former else receipt

    def _keep_all(self, receipts: Iterable[StoredReceipt]) -> None:
        for each in receipts:
            self._keep(each)

    def _try_again(self, unknown: list[StoredReceipt]) -> None:
        """Let what has no broadcast wait a little longer, or give it up."""
        tries = {each.key: self._tries.get(each.key, 0) + 1 for each in unknown}
        self._tries = {
            key: count for key, count in tries.items() if count < UNKNOWN_TRIES
        }
        for each in unknown:
            if each.key in self._tries:
                self._keep(each)
            else:
                self.lost += 1
