"""What speakers played while no server was there becomes a broadcast of the log.

A receipt for a broadcast that no server aired is looked up among the promises. If the
schedule has given that start up, or it was an order, the broadcast is entered as it was
promised: aimed at its zones, from its planned start to its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from streamer.air.difference import AirEvent, AirEventKind
from streamer.air.timetable import OutcomeKind
from streamer.air.zones import ZoneTree
from streamer.store.asrunevents import AsRunEvent, AsRunKind
from streamer.store.errors import ConflictError
from streamer.store.promises import Promise
from streamer.store.receipts import StoredReceipt
from streamer.store.records import Broadcast, EndReason
from streamer.store.store import Store

DETAIL = "Speakers played it by themselves; no server had it on the air."
# A speaker that was away cannot know of a refusal; what sounded is in the log.
_GIVEN_UP = (OutcomeKind.MISSED, OutcomeKind.FAILED, OutcomeKind.REFUSED)

logger = logging.getLogger(__name__)


class Adopting:
    """Writes receipts, and the broadcasts that only speakers know of.

    Args:
        store: Where all is.
        tree: The zones as they are now.
        log: Appends to the as-run log; must not wait.
    """

    def __init__(
        self,
        store: Store,
        tree: Callable[[], ZoneTree],
        log: Callable[[AsRunEvent], None],
    ) -> None:
        self._store = store
        self._tree = tree
        self._log = log

    async def put(self, receipts: Iterable[StoredReceipt]) -> list[StoredReceipt]:
        """Do as `Receipts.put`, and adopt what was promised."""
        unknown = await self._store.receipts.put(receipts)
        if not unknown:
            return []
        promises = await self._store.promises.find(
            {each.broadcast_id for each in unknown}
        )
        adopted = [each for each in promises if await self._adopt(each)]
        return await self._store.receipts.put(unknown) if adopted else unknown

    async def _adopt(self, promise: Promise) -> bool:
        """Enter a broadcast, unless the schedule may still start it."""
        if promise.entry_id is not None and not await self._is_given_up(promise):
            return False
        tree = self._tree()
        zone_ids = sorted(tree.covered(z for z in promise.zone_ids if z in tree))
        end_utc = promise.start_utc + timedelta(seconds=promise.samples / 48_000)
        try:
            await self._store.broadcasts.create(_broadcast(promise))
        except ConflictError:  # another server was quicker
            return True
        if zone_ids:
            event = AirEvent(0, AirEventKind.STARTED, promise.id, tuple(zone_ids))
            await self._store.broadcasts.record([event], promise.start_utc)
        await self._store.broadcasts.end(
            promise.id,
            ended_utc=end_utc,
            reason=EndReason.COMPLETED,
            detail=DETAIL,
            frames=promise.samples // 960,
        )
        self._log(_event(promise, end_utc))
        logger.info("speakers played %r by themselves", promise.title)
        return True

    async def _is_given_up(self, promise: Promise) -> bool:
        at_utc = promise.start_utc
        found = await self._store.outcomes.between(
            at_utc, at_utc, entry_id=promise.entry_id, limit=1
        )
        return bool(found) and found[0].kind in _GIVEN_UP


def _broadcast(promise: Promise) -> Broadcast:
    return Broadcast(
        id=promise.id,
        title=promise.title,
        programme_class=promise.programme_class,
        origin=promise.origin,
        source_kind=promise.source_kind,
        source_detail=promise.source_detail,
        zone_ids=promise.zone_ids,
        started_by=promise.started_by,
        accepted_utc=promise.start_utc,
        started_utc=promise.start_utc,
    )


def _event(promise: Promise, end_utc: datetime) -> AsRunEvent:
    return AsRunEvent(
        at_utc=promise.start_utc,
        kind=AsRunKind.CACHED,
        broadcast_id=promise.id,
        zone_ids=promise.zone_ids,
        actor=promise.started_by,
        cause="order" if promise.entry_id is None else "schedule",
        detail={
            "title": promise.title,
            "class": promise.programme_class.value,
            "sha256": promise.sha256,
            "until_utc": end_utc.isoformat(),
        },
    )
