"""The schedule, tied to the studio."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from streamer.air.schedule import RelayItem
from streamer.air.timetable import OutcomeKind
from streamer.api.plans import owner_now
from streamer.api.tokens import TokenRegistry
from streamer.store.asrunevents import AsRunFilter
from streamer.store.columns import us_of_utc
from streamer.store.errors import NotFoundError, StoreUnavailableError
from streamer.store.identifiers import planned_id
from streamer.store.outcomes import Outcome
from streamer.store.store import Store
from streamer.studio.admission import rule_of
from streamer.studio.broadcast import BroadcastRequest, Reason
from streamer.studio.cutoff import CutOff
from streamer.studio.errors import OwnerRefusedError
from streamer.studio.journal import StoreJournal
from streamer.studio.owed import Left, ran_s
from streamer.studio.planning import Planning
from streamer.studio.scheduled import ScheduledStart
from streamer.studio.studio import Studio
from streamer.studio.timetable import ScheduleKeeper

_log = logging.getLogger(__name__)

MAX_EVENTS = 5_000
"Of one broadcast; beyond it a little is heard twice."


async def keep_schedule(
    stack: AsyncExitStack,
    store: Store,
    studio: Studio,
    journal: StoreJournal,
    tokens: TokenRegistry,
) -> Planning:
    """Begin to keep the schedule, until *stack* is left.

    Each start is made by the right that its owner has by then. Where that is too
    little it is refused: `OutcomeKind.REFUSED`, and `refused` in the as-run log by
    the rule `owner`.
    """

    async def start(wanted: ScheduledStart) -> str:
        try:
            owner = await owner_now(wanted.owner, wanted.entry, tokens, studio.tree)
        except OwnerRefusedError as error:
            journal.refused(request_of(wanted), rule_of(error), str(error))
            raise
        request = request_of(replace(wanted, owner=owner))
        unused = await unused_id(store, request.broadcast_id)
        return (await studio.start(replace(request, broadcast_id=unused))).id

    def tell(outcome: Outcome) -> None:
        # What a rule forbade, the studio has refused, and so it is in the log.
        if outcome.kind in (OutcomeKind.MISSED, OutcomeKind.FAILED):
            journal.missed(outcome, keeper.timetable.find(outcome.entry_id))

    keeper = ScheduleKeeper(
        store.timetable,
        store.outcomes,
        start=start,
        on_outcome=tell,
        find_cut_off=partial(find_cut_off, store),
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
            **_going_on(wanted),
        },
        # What goes on is another broadcast than the one that was cut off.
        broadcast_id=None
        if wanted.goes_on
        else planned_id(entry.id, us_of_utc(wanted.start_utc)),
    )


async def unused_id(store: Store, broadcast_id: str | None) -> str | None:
    """Return *broadcast_id*, or None where a broadcast has it already.

    A server that died between going on air and noting so begins the same start again.
    Without the database nobody knows; what is to be heard does not wait for it.
    """
    if broadcast_id is None:
        return None
    try:
        await store.broadcasts.get(broadcast_id)
    except NotFoundError:
        return broadcast_id
    except StoreUnavailableError:
        _log.warning("whether %s was on air before is not known", broadcast_id)
        return broadcast_id
    return None


def _going_on(wanted: ScheduledStart) -> dict[str, Any]:
    if wanted.goes_on is None:
        return {}
    return {
        "continues": wanted.goes_on,
        "first_late_s": wanted.first_late_s,
        "played_s": wanted.played_s,
    }


async def find_cut_off(store: Store, broadcast_id: str) -> CutOff | None:
    """Return how far a broadcast of the schedule had come, if a server's end cut it.

    Raises:
        StoreUnavailableError: It cannot be read.
    """
    events = await store.asrun.read(
        AsRunFilter(broadcast_id=broadcast_id), limit=MAX_EVENTS
    )
    left = Left(events)
    accepted, ended = left.accepted, left.ended
    if accepted is None or ended is None or ended.cause != Reason.INTERRUPTED:
        return None
    detail = accepted.detail
    late_s, played_s = detail.get("late_s"), detail.get("played_s")
    first_late_s = detail.get("first_late_s", late_s)
    return CutOff(
        ended.at_utc,
        first_late_s if isinstance(first_late_s, int) else 0,
        (played_s if isinstance(played_s, int) else 0)
        + int(ran_s(events, ended.at_utc)),
    )
