"""The schedule: what is planned, what is coming, what became of it; iCalendar.

Secrets in the addresses of relays are write only, for everybody: `EntryInfo`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, TypeAdapter

from streamer.air import calendar
from streamer.air.entrycheck import ScheduleError
from streamer.air.entrysecrets import completed, shown
from streamer.air.schedule import ScheduleEntry
from streamer.api.access import AirReader, Broadcaster, ServicesHere
from streamer.api.bulk import bulk
from streamer.api.fields import Id
from streamer.api.orders import demand_zones
from streamer.api.plans import (
    demand,
    entry_from,
    entry_info,
    occurrence_info,
    owner_of,
    planning_of,
    refused,
)
from streamer.api.problems import Problem
from streamer.api.schedules import (
    EntryInfo,
    ImportOptions,
    NewEntry,
    OccurrenceInfo,
    OutcomeInfo,
)
from streamer.studio.planning import fresh_id

router = APIRouter(tags=["schedule"])

LONGEST_WINDOW = timedelta(days=400)
DEFAULT_WINDOW = timedelta(days=7)
CALENDAR_TYPE = "text/calendar; charset=utf-8"

_ENTRIES = TypeAdapter(list[EntryInfo])
_OCCURRENCES = TypeAdapter(list[OccurrenceInfo])
_OUTCOMES = TypeAdapter(list[OutcomeInfo])

From = Annotated[AwareDatetime | None, Query(alias="from")]
To = Annotated[AwareDatetime | None, Query(alias="to")]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/schedule", response_model=list[EntryInfo])
async def list_entries(services: ServicesHere, _: AirReader) -> Response:
    """List what is planned."""
    planning = planning_of(services)
    planned, now_utc = planning.all(), planning.now_utc()
    return await bulk(_ENTRIES, lambda: [entry_info(each, now_utc) for each in planned])


@router.post("/schedule", status_code=201)
async def create_entry(
    new: NewEntry, services: ServicesHere, planner: Broadcaster, response: Response
) -> EntryInfo:
    """Plan a programme; it starts from now on."""
    planning = planning_of(services)
    entry_id = fresh_id()
    entry = await entry_from(entry_id, f"{entry_id}@loacast", new.document())
    demand(entry, planner, services)
    planned = await planning.create(entry, owner_of(planner, services))
    response.headers["Location"] = f"/api/v1/schedule/{entry_id}"
    return entry_info(planned, planning.now_utc())


@router.get("/schedule/occurrences", response_model=list[OccurrenceInfo])
async def list_occurrences(
    services: ServicesHere,
    _: AirReader,
    from_utc: From = None,
    to_utc: To = None,
    limit: Limit = 100,
) -> Response:
    """List planned starts, upwards; from now, for a week, unless asked otherwise."""
    planning = planning_of(services)
    low_utc = from_utc or planning.now_utc()
    window = _window(low_utc, to_utc or _shifted(low_utc, DEFAULT_WINDOW))
    coming = await planning.coming(*window, limit=limit)
    return await bulk(_OCCURRENCES, lambda: [occurrence_info(each) for each in coming])


@router.get("/schedule/outcomes", response_model=list[OutcomeInfo])
async def list_outcomes(
    services: ServicesHere,
    _: AirReader,
    from_utc: From = None,
    to_utc: To = None,
    entry_id: Annotated[Id | None, Query()] = None,
    limit: Limit = 100,
) -> Response:
    """List what became of starts, the latest first; of the last week unless asked."""
    planning = planning_of(services)
    high_utc = to_utc or planning.now_utc()
    window = _window(from_utc or _shifted(high_utc, -DEFAULT_WINDOW), high_utc)
    found = await planning.outcomes.between(*window, entry_id=entry_id, limit=limit)
    return await bulk(
        _OUTCOMES, lambda: [OutcomeInfo.model_validate(each) for each in found]
    )


@router.get("/schedule.ics", response_class=Response)
async def export_calendar(services: ServicesHere, _: AirReader) -> Response:
    """Return the schedule as an iCalendar file; relays without their secrets."""
    planned = [
        replace(each, entry=shown(each.entry)) for each in planning_of(services).all()
    ]
    content = await asyncio.to_thread(calendar.write, planned)
    return Response(content, media_type=CALENDAR_TYPE)


@router.post("/schedule/import", response_model=list[EntryInfo])
async def import_calendar(
    request: Request,
    services: ServicesHere,
    planner: Broadcaster,
    options: Annotated[ImportOptions, Query()],
) -> Response:
    """Take an iCalendar file: all of its events, or none.

    An event whose UID is known replaces that entry, and keeps its relays' secrets
    where it has their addresses as they were exported.
    """
    planning = planning_of(services)
    ids = {each.entry.uid: each.entry.id for each in planning.all()}
    content = await request.body()
    try:
        entries = await asyncio.to_thread(
            calendar.read,
            content,
            id_for=lambda uid: ids.get(uid) or fresh_id(),
            what=options.document(),
        )
    except calendar.CalendarError as error:
        raise _no_calendar(error) from error
    known = {each.entry.id: each.entry for each in planning.all()}
    for entry in entries:
        demand(entry, planner, services)
        if entry.id in known:
            demand_zones(planner, known[entry.id].zone_ids, services.studio.tree)
        await asyncio.sleep(0)  # each takes half a millisecond; audio has its turn
    entries = [_completed(each, known.get(each.id)) for each in entries]
    planned = await planning.take(entries, owner_of(planner, services))
    now_utc = planning.now_utc()
    return await bulk(_ENTRIES, lambda: [entry_info(each, now_utc) for each in planned])


@router.get("/schedule/{entry_id}")
async def get_entry(entry_id: str, services: ServicesHere, _: AirReader) -> EntryInfo:
    """Return what is planned by this id."""
    planning = planning_of(services)
    return entry_info(planning.get(entry_id), planning.now_utc())


@router.put("/schedule/{entry_id}")
async def replace_entry(
    entry_id: str, new: NewEntry, services: ServicesHere, planner: Broadcaster
) -> EntryInfo:
    """Plan something else in its place; starts until now are as they were."""
    planning = planning_of(services)
    old = planning.get(entry_id).entry
    demand_zones(planner, old.zone_ids, services.studio.tree)
    entry = await entry_from(entry_id, old.uid, new.document(), old)
    demand(entry, planner, services)
    planned = await planning.replace(entry, owner_of(planner, services))
    return entry_info(planned, planning.now_utc())


@router.delete("/schedule/{entry_id}", status_code=204)
async def delete_entry(
    entry_id: str, services: ServicesHere, planner: Broadcaster
) -> Response:
    """Plan it no more; what is on the air stays there."""
    planning = planning_of(services)
    old = planning.get(entry_id).entry
    demand_zones(planner, old.zone_ids, services.studio.tree)
    await planning.delete(entry_id)
    return Response(status_code=204)


@router.put("/schedule/{entry_id}/cancelled/{day}")
async def cancel_day(
    entry_id: str, day: date, services: ServicesHere, planner: Broadcaster
) -> EntryInfo:
    """Leave out its starts of one day, as it is called where the entry is."""
    planning = planning_of(services)
    old = planning.get(entry_id).entry
    demand_zones(planner, old.zone_ids, services.studio.tree)
    try:
        planned = await planning.cancel_day(entry_id, day)
    except ScheduleError as error:
        raise refused(error) from error
    return entry_info(planned, planning.now_utc())


@router.delete("/schedule/{entry_id}/cancelled/{day}")
async def restore_day(
    entry_id: str, day: date, services: ServicesHere, planner: Broadcaster
) -> EntryInfo:
    """Take a cancelled day back."""
    planning = planning_of(services)
    old = planning.get(entry_id).entry
    demand_zones(planner, old.zone_ids, services.studio.tree)
    planned = await planning.restore_day(entry_id, day)
    return entry_info(planned, planning.now_utc())


def _completed(entry: ScheduleEntry, stored: ScheduleEntry | None) -> ScheduleEntry:
    try:
        return completed(entry, stored)
    except ScheduleError as error:
        problem = f"{entry.title!r}: {error}"
        raise _no_calendar(calendar.CalendarError([problem])) from error


def _no_calendar(error: calendar.CalendarError) -> Problem:
    detail = f"Nothing was taken: {error}."
    return Problem(422, "invalid-calendar", detail, problems=error.problems[:100])


def _window(from_utc: datetime, to_utc: datetime) -> tuple[datetime, datetime]:
    if not from_utc <= to_utc <= _shifted(from_utc, LONGEST_WINDOW):
        raise Problem(
            422,
            "invalid-request",
            f"Ask for `from` to `to`, at most {LONGEST_WINDOW.days} days apart.",
        )
    return from_utc.astimezone(UTC), to_utc.astimezone(UTC)


def _shifted(at_utc: datetime, by: timedelta) -> datetime:
    try:
        return at_utc.astimezone(UTC) + by
    except OverflowError:
        raise Problem(422, "invalid-request", "There is no such time.") from None
