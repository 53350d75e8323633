"""Whether an entry of the schedule can be carried out at all (pure)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice, pairwise
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from streamer.air.expansion import horizon, last_local
from streamer.air.schedule import (
    Item,
    Occurrence,
    RelayItem,
    ScheduleEntry,
    ToneItem,
    occurrences,
)
from streamer.air.walltime import UnknownTimeZoneError, instant, time_zone

MAX_TITLE_CHARACTERS = 200
MAX_ZONES = 1000
MAX_ITEMS = 100
MAX_EXCEPTIONS = 1000
MAX_DURATION_S = 24 * 3600
MAX_GRACE_S = 3600
MAX_URL_CHARACTERS = 2000
PROBE_STARTS = 500
"So many starts are looked at for overlaps; more than a year of a daily one."

RELAY_SCHEMES = frozenset({"http", "https", "rtsp", "rtsps"})
"Nothing that reads this machine's own files or devices."


class ScheduleError(ValueError):
    """An entry that cannot be carried out.

    Attributes:
        member: Which part of it is at fault.
        problem: What is wrong, for a person.
    """

    def __init__(self, member: str, problem: str) -> None:
        super().__init__(f"{member}: {problem}")
        self.member = member
        self.problem = problem


def check_entry(entry: ScheduleEntry) -> None:
    """Return when *entry* can be carried out.

    Its zones and files are not looked for: they may go, and come, until it starts.

    Raises:
        ScheduleError: It cannot, or it never starts, or one start of it would
            come before the slot of the one before has ended.
    """
    for member, is_good, problem in _conditions(entry):
        if not is_good:
            raise ScheduleError(member, problem)
    for item in (item for item in entry.items if isinstance(item, RelayItem)):
        _check_url(item.url)
    _check_starts(entry, _zone(entry))


def normal(entry: ScheduleEntry) -> ScheduleEntry:
    """Return *entry* as it is kept: exceptions in order, its rule's end in UTC.

    iCalendar wants an UNTIL in UTC where the start has a time zone (RFC 5545,
    section 3.3.10); people give a day, which is meant to be included.

    Raises:
        ScheduleError: There is no such time zone.
    """
    rule = entry.recurrence
    if rule is not None and rule.until is not None:
        zone = _zone(entry)
        last = last_local(rule, entry.starts_local, zone)
        assert last is not None  # because there is an UNTIL
        until_utc = instant(last.replace(microsecond=0), zone)
        rule = replace(rule, until=until_utc)
    return replace(
        entry,
        recurrence=rule,
        except_dates=tuple(sorted(set(entry.except_dates))),
        except_starts=tuple(sorted(set(entry.except_starts))),
    )


def _zone(entry: ScheduleEntry) -> ZoneInfo:
    try:
        return time_zone(entry.time_zone)
    except UnknownTimeZoneError as error:
        raise ScheduleError("time_zone", str(error)) from error


def _conditions(entry: ScheduleEntry) -> Iterator[tuple[str, bool, str]]:
    """Yield (member, whether it is as it should be, what is wrong if not)."""
    local = [entry.starts_local, *entry.except_starts]
    exceptions = len(entry.except_dates) + len(entry.except_starts)
    yield "title", _is_title(entry.title), "must be 1 to 200 printable characters"
    yield "uid", _is_title(entry.uid), "must be 1 to 200 printable characters"
    yield "zone_ids", 1 <= len(entry.zone_ids) <= MAX_ZONES, f"must be 1 to {MAX_ZONES}"
    yield "items", 1 <= len(entry.items) <= MAX_ITEMS, f"must be 1 to {MAX_ITEMS}"
    yield "items", all(map(_has_length, entry.items)), "must last at least a second"
    yield (
        "duration_s",
        1 <= entry.duration_s <= MAX_DURATION_S,
        f"must be 1 to {MAX_DURATION_S}",
    )
    yield "grace_s", 0 <= entry.grace_s <= MAX_GRACE_S, f"must be 0 to {MAX_GRACE_S}"
    yield "skip_after_s", (entry.skip_after_s or 0) >= 0, "must not be negative"
    yield (
        "starts_local",
        all(each.tzinfo is None and not each.microsecond for each in local),
        "must be whole seconds, without a time zone (that is `time_zone`)",
    )
    yield (
        "starts_local",
        all(1970 <= each.year < 2200 for each in local),
        "must be in this century or the next",
    )
    yield "except_dates", exceptions <= MAX_EXCEPTIONS, "are too many"


def _is_title(text: str) -> bool:
    # Not Cc, line and paragraph separators, lone surrogates (Unicode, table 4-4).
    bad = {"Cc", "Zl", "Zp", "Cs"}
    is_printable = not any(unicodedata.category(each) in bad for each in text)
    return 1 <= len(text) <= MAX_TITLE_CHARACTERS and is_printable


def _has_length(item: Item) -> bool:
    if isinstance(item, RelayItem | ToneItem):
        return 1 <= item.duration_s <= MAX_DURATION_S
    return True


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in RELAY_SCHEMES and bool(parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or len(url) > MAX_URL_CHARACTERS:
        allowed = ", ".join(sorted(RELAY_SCHEMES))
        raise ScheduleError("items", f"a relay's URL must be one of {allowed}")


def _check_starts(entry: ScheduleEntry, zone: ZoneInfo) -> None:
    starts = list(islice(_all(entry, zone), PROBE_STARTS))
    if not starts:
        raise ScheduleError("recurrence", "it never starts")
    slot = timedelta(seconds=entry.duration_s)
    for first, second in pairwise(starts):
        if second.start_utc - first.start_utc < slot:
            raise ScheduleError(
                "recurrence",
                f"it overlaps itself: the slot from {_text(first)} lasts"
                f" {entry.duration_s} s, and the next begins at {_text(second)}",
            )


def _all(entry: ScheduleEntry, zone: ZoneInfo) -> Iterator[Occurrence]:
    """Yield the starts as they would be if the entry were enabled, from the first."""
    first_utc = instant(entry.starts_local, zone)
    last_utc = instant(horizon(entry.starts_local), zone)
    return occurrences(replace(entry, enabled=True), first_utc, last_utc)


def _text(occurrence: Occurrence) -> str:
    return occurrence.start_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
