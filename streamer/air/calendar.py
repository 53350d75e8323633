"""The schedule as an iCalendar file, and back (RFC 5545; pure).

Every calendar program reads when our broadcasts are; what they are, which iCalendar
has no words for, is JSON in one property of ours. So what was exported comes back
as it was. An event of another program tells only when: what shall be broadcast then
is given for the whole file.

What we cannot carry out is refused with its reason, never left out in silence:
RDATE, RECURRENCE-ID (an occurrence that was moved), whole days, several rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Calendar, Component, Event
from icalendar.prop import vRecur, vText

from streamer.air.entrycheck import ScheduleError, check_entry, normal
from streamer.air.entrydocument import (
    WHAT_MEMBERS,
    Document,
    entry_of,
    what_document,
)
from streamer.air.schedule import Planned, ScheduleEntry
from streamer.air.walltime import DEFAULT_TIME_ZONE, time_zone

OUR_PROPERTY = "X-LOACAST-BROADCAST"
PRODUCT = "-//Loacast//Schedule//EN"
MAX_EVENTS = 500
_UNSUPPORTED = ("RDATE", "EXRULE", "RECURRENCE-ID")


class CalendarError(ValueError):
    """A file that cannot be taken; nothing of it was.

    Attributes:
        problems: What is wrong, one text for each event at fault.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:5]))
        self.problems = problems


def write(planned: Iterable[Planned]) -> bytes:
    """Return *planned* as an iCalendar file."""
    calendar = Calendar()
    calendar.add("PRODID", PRODUCT)
    calendar.add("VERSION", "2.0")
    for each in planned:
        calendar.add_component(_event(each))
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def read(
    content: bytes,
    *,
    id_for: Callable[[str], str],
    what: Mapping[str, Any] | None = None,
) -> list[ScheduleEntry]:
    """Return the entries of an iCalendar file, each checked.

    Args:
        content: The file.
        id_for: Returns the entry's id for a UID.
        what: What to broadcast for events that do not say, as `what_document`
            makes it; None refuses them.

    Raises:
        CalendarError: It is no calendar, or an event cannot be carried out.
    """
    entries: list[ScheduleEntry] = []
    problems: list[str] = []
    for number, event in enumerate(_events(content), 1):
        uid = str(event.get("UID", ""))
        try:
            document = {**_when(event), **_what(event, what)}
            entry = normal(entry_of(id_for(uid), uid, document))
            check_entry(entry)
            entries.append(entry)
        except ScheduleError as error:
            problems.append(f"event {number} ({_short(event)}): {error}")
    uids = [each.uid for each in entries]
    problems += [
        f"two events have the UID {uid[:60]!r}"
        for uid in sorted({uid for uid in uids if uids.count(uid) > 1})
    ]
    if problems:
        raise CalendarError(problems)
    return entries


def _event(planned: Planned) -> Event:
    entry, event = planned.entry, Event()
    event.add("UID", entry.uid)
    event.add("DTSTAMP", planned.armed_utc)
    event.add("SUMMARY", entry.title)
    zone = time_zone(entry.time_zone)
    event.add("DTSTART", _zoned(entry.starts_local, entry.time_zone))
    event.add("DURATION", timedelta(seconds=entry.duration_s))
    if entry.recurrence is not None:
        event.add("RRULE", vRecur.from_ical(entry.recurrence.serialize()))
    if entry.except_dates:
        # RFC 5545, section 3.8.5.1: the value type can be set to DATE.
        event.add("EXDATE", list(entry.except_dates), parameters={"VALUE": "DATE"})
    if entry.except_starts:
        event.add("EXDATE", [each.replace(tzinfo=zone) for each in entry.except_starts])
    text = vText(json.dumps(what_document(entry), ensure_ascii=False))
    # Named, or readers that do not know the property would not unescape it.
    event.add(OUR_PROPERTY, text, parameters={"VALUE": "TEXT"})
    return event


def _zoned(local: datetime, name: str) -> datetime:
    return local.replace(tzinfo=UTC if name == "UTC" else time_zone(name))


def _events(content: bytes) -> Iterator[Component]:
    try:
        calendars = Calendar.from_ical(content, multiple=True)
        events = [each for one in calendars for each in one.walk("VEVENT")]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CalendarError([f"not an iCalendar file: {error}"[:200]]) from error
    if not events:
        raise CalendarError(["the file has no events"])
    if len(events) > MAX_EVENTS:
        raise CalendarError([f"more than {MAX_EVENTS} events"])
    yield from events


def _when(event: Component) -> Document:
    for name in _UNSUPPORTED:
        if name in event:
            raise ScheduleError(name, "is not supported")
    for error in event.errors:
        raise ScheduleError(str(error[0]), str(error[1])[:100])
    start = _instant(event, "DTSTART")
    zone_name = _zone_name(start)
    return {
        "title": " ".join(str(event.get("SUMMARY", "")).split()),
        "starts_local": start.replace(tzinfo=None).isoformat(),
        "duration_s": _duration_s(event, start),
        "time_zone": zone_name,
        "recurrence": _rule(event),
        **_exceptions(event, zone_name),
    }


def _instant(event: Component, name: str) -> datetime:
    """Return a time of *event*, as it stands there: with a time zone or without.

    Raises:
        ScheduleError: There is none, there are two, it is a day, or in a time zone
            that nobody knows.
    """
    found = event.get(name)
    if found is None or isinstance(found, list):
        raise ScheduleError(name, "must be there once")
    value, tzid = getattr(found, "dt", None), found.params.get("TZID")
    if not isinstance(value, datetime):
        raise ScheduleError(name, "must be a time, not a whole day")
    # A name that is not known, and a zone that the file describes itself.
    if tzid and getattr(value.tzinfo, "key", None) is None:
        raise ScheduleError(name, f"there is no time zone {str(tzid)[:60]!r}")
    return value


def _zone_name(start: datetime) -> str:
    if start.tzinfo is None:
        return DEFAULT_TIME_ZONE  # "floating" (RFC 5545, section 3.3.5)
    return str(getattr(start.tzinfo, "key", "UTC"))


def _duration_s(event: Component, start: datetime) -> int:
    if "DURATION" in event:
        found = event["DURATION"]
        length = getattr(found, "dt", None)  # a list, of several, has none
        if not isinstance(length, timedelta):
            raise ScheduleError("DURATION", "must be there once")
        return length // timedelta(seconds=1)
    end = _instant(event, "DTEND")
    if (end.tzinfo is None) is not (start.tzinfo is None):
        raise ScheduleError("DTEND", "must have a time zone where DTSTART has one")
    if end.tzinfo is not None:
        end, start = end.astimezone(UTC), start.astimezone(UTC)
    return (end - start) // timedelta(seconds=1)


def _rule(event: Component) -> str | None:
    found = event.get("RRULE")
    if isinstance(found, list):
        raise ScheduleError("RRULE", "several rules are not supported")
    return None if found is None else str(found.to_ical(), "utf-8")


def _exceptions(event: Component, zone_name: str) -> Document:
    zone = time_zone(zone_name)
    found: Any = event.get("EXDATE", [])
    lists = found if isinstance(found, list) else [found]
    dates: list[str] = []
    starts: list[str] = []
    for value in (each.dt for one in lists for each in one.dts):
        if isinstance(value, datetime):
            in_zone = value if value.tzinfo is None else value.astimezone(zone)
            starts.append(in_zone.replace(tzinfo=None).isoformat())
        elif isinstance(value, date):
            dates.append(value.isoformat())
        else:
            raise ScheduleError("EXDATE", "must be days or times")
    return {"except_dates": dates, "except_starts": starts}


def _what(event: Component, default: Mapping[str, Any] | None) -> Document:
    """Return what shall be broadcast: our own property's, else what is given."""
    text = event.get(OUR_PROPERTY)
    if text is None:
        if default is None:
            raise ScheduleError(OUR_PROPERTY, "is missing: say what to broadcast")
        is_off = event.get("STATUS") == "CANCELLED"
        return {**default, **({"enabled": False} if is_off else {})}
    try:
        document = json.loads(str(text))
    except (ValueError, RecursionError) as error:
        raise ScheduleError(OUR_PROPERTY, "is not JSON") from error
    if not isinstance(document, dict):
        raise ScheduleError(OUR_PROPERTY, "is not a JSON object")
    if not document.keys() <= WHAT_MEMBERS:
        raise ScheduleError(OUR_PROPERTY, "has members that nobody knows")
    return document


def _short(event: Component) -> str:
    return repr(str(event.get("SUMMARY", ""))[:40])
