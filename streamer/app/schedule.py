"""The schedule, tied to the studio."""

from __future__ import annotations

from contextlib import AsyncExitStack

from streamer.air.schedule import RelayItem
from streamer.air.timetable import OutcomeKind
from streamer.store.columns import us_of_utc
from streamer.store.identifiers import planned_id
from streamer.store.outcomes import Outcome
from streamer.store.store import Store
from streamer.studio.broadcast import BroadcastRequest
from streamer.studio.journal import StoreJournal
from streamer.studio.planning import Planning
from streamer.studio.scheduled import ScheduledStart
from streamer.studio.studio import Studio
from streamer.studio.timetable import ScheduleKeeper


async def keep_schedule(
    stack: AsyncExitStack, store: Store, studio: Studio, journal: StoreJournal
) -> Planning:
    """Begin to keep the schedule, until *stack* is left."""

    async def start(wanted: ScheduledStart) -> str:
        return (await studio.start(request_of(wanted))).id

    def tell(outcome: Outcome) -> None:
        # What a rule forbade, the studio has refused, and so it is in the log.
        if outcome.kind in (OutcomeKind.MISSED, OutcomeKind.FAILED):
            journal.missed(outcome, keeper.timetable.find(outcome.entry_id))

    keeper = ScheduleKeeper(
        store.timetable, store.outcomes, start=start, on_outcome=tell
    )
    await stack.enter_async_context(keeper)
    return Planning(keeper, store.timetable, store.outcomes)


def request_of(wanted: ScheduledStart) -> BroadcastRequest:
    """Return what the studio is asked for, in the name of who planned it."""
    entry, owner = wanted.entry, wanted.owner
    is_live = any(isinstance(each, RelayItem) for each in wanted.items)
    return BroadcastRequest(
        source=wanted,
        source_kind="playlist",
        source_detail=entry.id,
        zone_ids=entry.zone_ids,
        programme_class=entry.programme_class,
        origin=owner.origin,
        title=entry.title,
        chime=entry.chime,
        started_by=owner.name,
        token_id=owner.token_id,
        role=owner.role,
        conflict=entry.conflict,
        comeback=entry.comeback,
        can_hold=not is_live,
        skip_after_s=entry.skip_after_s,
        duration_s=wanted.slot_s,
        cause="schedule",
        more={
            "entry_id": entry.id,
            "planned_utc": wanted.start_utc.isoformat(),
            "late_s": wanted.late_s,
        },
        broadcast_id=planned_id(entry.id, us_of_utc(wanted.start_utc)),
    )
