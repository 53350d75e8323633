"""From what a client asks of the schedule to what is planned, if the client may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from streamer.air.entrycheck import ScheduleError
from streamer.air.entrydocument import entry_document, entry_of
from streamer.air.entrysecrets import completed, shown
from streamer.air.policy import Wish
from streamer.air.priority import Conflict
from streamer.air.schedule import (
    FileItem,
    Fill,
    Occurrence,
    Owner,
    Planned,
    RelayItem,
    ScheduleEntry,
    occurrences,
)
from streamer.air.timetable import LOOK_AHEAD
from streamer.air.walltime import local_time, time_zone
from streamer.air.zones import ZoneTree
from streamer.api.orders import demand_zones, origin_of
from streamer.api.principals import Principal, Right
from streamer.api.problems import Problem
from streamer.api.schedules import EntryInfo, OccurrenceInfo, OutcomeInfo
from streamer.api.services import Services
from streamer.api.tokens import TokenRegistry
from streamer.studio.errors import OwnerRefusedError
from streamer.studio.planning import Coming, Planning, checked


def planning_of(services: Services) -> Planning:
    """Return the schedule, or raise a 503 problem where there is none."""
    if services.planning is None:
        raise Problem(503, "no-schedule", "This server keeps no schedule.")
    return services.planning


async def owner_now(
    owner: Owner,
    entry: ScheduleEntry,
    tokens: TokenRegistry,
    tree: ZoneTree,
    *,
    at_utc: datetime | None = None,
) -> Owner:
    """Return by whose right *entry* starts now: as much as its owner has today.

    Args:
        owner: Who planned it, with the rights of then.
        entry: What shall start; its zones that are gone are the studio's to refuse.
        tokens: Everybody's.
        tree: The zones as they are.
        at_utc: When it starts, if that is not now: a token may expire before.

    Raises:
        OwnerRefusedError: The token was revoked or has expired, or may not do this
            any more. Whoever may can save the entry anew, and owns it then.
    """
    holder = await tokens.present_holder(owner.token_id, at_utc)
    try:
        if holder is None:
            raise OwnerRefusedError("the token was revoked, or has expired")
        _demand_rights(entry, holder)
        demand_zones(holder, [each for each in entry.zone_ids if each in tree], tree)
    except (Problem, OwnerRefusedError) as error:
        why = error.detail if isinstance(error, Problem) else str(error)
        raise OwnerRefusedError(
            f"The owner, {owner.name!r}, may no longer broadcast this: {why}"
        ) from error
    origin = origin_of(holder, tree)
    return Owner(holder.id, holder.name, holder.role, origin)


def owner_of(principal: Principal, services: Services) -> Owner:
    """Return in whose name, and by whose right, a plan is carried out."""
    origin = origin_of(principal, services.studio.tree)
    return Owner(principal.id, principal.name, principal.role, origin)


async def entry_from(
    entry_id: str,
    uid: str,
    document: Mapping[str, Any],
    stored: ScheduleEntry | None = None,
) -> ScheduleEntry:
    """Return the entry of a document, checked, or raise a 422 problem.

    Args:
        entry_id: Its id.
        uid: Its name in iCalendar.
        document: What was asked for.
        stored: The entry that it replaces; whoever asks may change that.
    """
    try:
        return await checked(completed(entry_of(entry_id, uid, document), stored))
    except ScheduleError as error:
        raise refused(error) from error


def refused(error: ScheduleError) -> Problem:
    """Return the problem of an entry that cannot be carried out."""
    detail = f"This cannot be carried out: {error}."
    return Problem(422, "invalid-schedule", detail, member=error.member)


def demand(entry: ScheduleEntry, principal: Principal, services: Services) -> None:
    """Return when *principal* may plan *entry* and its files are there.

    Policies are asked for its next start, so that nobody plans in vain; they are
    asked again when it starts.

    Raises:
        Problem: It may not, or a file is not there.
        PolicyRefusedError: A policy does not allow its next start.
    """
    demand_zones(principal, entry.zone_ids, services.studio.tree)
    _demand_rights(entry, principal)
    for file_id in _files(entry):
        if services.files.path(file_id) is None:
            raise Problem(422, "unknown-file", f"There is no file {file_id!r}.")
    first = next_start(entry, planning_of(services).now_utc())
    if services.policies is not None and first is not None:
        services.policies.demand(
            Wish(
                zone_ids=entry.zone_ids,
                programme_class=entry.programme_class,
                role=principal.role,
                at_utc=first.start_utc,
                duration_s=None if entry.fill is Fill.NONE else entry.duration_s,
            )
        )


def next_start(entry: ScheduleEntry, now_utc: datetime) -> Occurrence | None:
    """Return the first start after now."""
    return next(occurrences(entry, now_utc, now_utc + LOOK_AHEAD), None)


def entry_info(planned: Planned, now_utc: datetime) -> EntryInfo:
    """Return an entry as the API gives it."""
    entry = planned.entry
    coming = next_start(entry, max(now_utc, planned.armed_utc))
    return EntryInfo.model_validate(
        entry_document(shown(entry))
        | {
            "id": entry.id,
            "uid": entry.uid,
            "planned_by": planned.owner.name,
            "armed_utc": planned.armed_utc,
            "next_start_utc": coming and coming.start_utc,
        }
    )


def occurrence_info(coming: Coming) -> OccurrenceInfo:
    """Return a start as the API gives it."""
    entry, start_utc = coming.entry, coming.occurrence.start_utc
    local = local_time(start_utc, time_zone(entry.time_zone))
    outcome = coming.outcome
    return OccurrenceInfo(
        entry_id=entry.id,
        title=entry.title,
        zone_ids=list(entry.zone_ids),
        start_utc=start_utc,
        start_local=local.isoformat(),
        end_utc=start_utc + timedelta(seconds=entry.duration_s),
        outcome=OutcomeInfo.model_validate(outcome) if outcome else None,
    )


def _demand_rights(entry: ScheduleEntry, principal: Principal) -> None:
    principal.demand(Right.BROADCAST)
    if entry.conflict is Conflict.TAKE_OVER:
        principal.demand(Right.ORDER)


def _files(entry: ScheduleEntry) -> Iterable[str]:
    for item in entry.items:
        if isinstance(item, FileItem):
            yield item.file_id
        elif isinstance(item, RelayItem) and item.fallback_file_id is not None:
            yield item.fallback_file_id
    if entry.filler_file_id is not None:
        yield entry.filler_file_id
