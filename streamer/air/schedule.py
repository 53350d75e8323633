"""What shall be broadcast when: entries of the schedule and their occurrences (pure).

Source: issue C, rule 7. An entry is a programme at a wall time in a time zone, once
or by a recurrence rule (RFC 5545), with days on which it is left out. An occurrence
is one start of it, and is known by the entry's id and the instant (UTC): what was
done about it is recorded under that key, so it is done once.

Entries that overlap each other are no error: the arbiter decides, zone by zone, as
between any two broadcasts. An entry that overlaps itself is refused
(`entrycheck.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

from streamer.air.expansion import last_local, walk
from streamer.air.priority import Comeback, Conflict, Origin
from streamer.air.recurrence import Recurrence
from streamer.air.walltime import DEFAULT_TIME_ZONE, instant, local_time, time_zone
from streamer.wire.control import ProgrammeClass

DEFAULT_GRACE_S = 300

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FileItem:
    """An uploaded file, from its beginning to its end."""

    file_id: str


@dataclass(frozen=True, slots=True)
class RecordingItem:
    """The recording of an earlier broadcast."""

    broadcast_id: str


@dataclass(frozen=True, slots=True)
class RelayItem:
    """Another station, live, for so long."""

    url: str
    duration_s: int
    fallback_file_id: str | None = None
    "Heard while the station is silent or cannot be reached."


@dataclass(frozen=True, slots=True)
class ToneItem:
    """A generated signal."""

    pattern: str
    duration_s: int


Item: TypeAlias = FileItem | RecordingItem | RelayItem | ToneItem


class Fill(StrEnum):
    """What becomes of an item that is longer than what is left of the slot."""

    NONE = "none"
    "The slot's end is not enforced: each item plays to its own."
    FADE = "fade"
    "It fades out when the slot ends."
    SKIP = "skip"
    "It is left out, and the next is tried."


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEntry:
    """A programme that shall be broadcast, once or again and again.

    Make sure with `entrycheck.check_entry` that it can be.
    """

    id: str
    uid: str
    "Its name in iCalendar (RFC 5545, section 3.8.4.7); no two entries share one."
    title: str
    zone_ids: tuple[str, ...]
    programme_class: ProgrammeClass
    items: tuple[Item, ...]
    "Played one after the other."
    starts_local: datetime
    "The first start, as the clock on the wall shows it: no time zone."
    duration_s: int
    "Length of the slot, from the planned start."
    time_zone: str = DEFAULT_TIME_ZONE
    recurrence: Recurrence | None = None
    except_dates: tuple[date, ...] = ()
    "Days, there, on which it does not start: holidays, and what was cancelled."
    except_starts: tuple[datetime, ...] = ()
    "Single starts that are left out, as the clock on the wall shows them."
    fill: Fill = Fill.FADE
    filler_file_id: str | None = None
    "Repeated to the end of the slot when the items are over too early."
    grace_s: int = DEFAULT_GRACE_S
    "A start that was missed is made up for no later than this."
    chime: bool = False
    conflict: Conflict = Conflict.WAIT
    comeback: Comeback = Comeback.REJOIN
    skip_after_s: int | None = None
    "It is over once it has waited unheard for longer than this."
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Owner:
    """Who planned a broadcast: it is aired in their name and by their right."""

    token_id: str
    name: str
    role: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Planned:
    """An entry as it stands in the schedule."""

    entry: ScheduleEntry
    owner: Owner
    armed_utc: datetime
    "When it was made or changed last; starts before it are none of this entry's."
    settled_utc: datetime
    "Each of its starts from `armed_utc` up to here has its outcome in the store."


@dataclass(frozen=True, slots=True, order=True)
class Occurrence:
    """One start of an entry; the order is that of time."""

    start_utc: datetime
    entry_id: str


def occurrences(
    entry: ScheduleEntry, from_utc: datetime, to_utc: datetime
) -> Iterator[Occurrence]:
    """Yield the starts in [from_utc, to_utc], upwards, each instant once.

    The work is in proportion to the window and done as the starts are asked for; a
    rule without an end is no problem. Disabled entries have none.
    """
    if not entry.enabled or from_utc > to_utc:
        return
    zone = time_zone(entry.time_zone)
    before = None
    for local in _locals(entry, zone, from_utc, to_utc):
        if local.date() in entry.except_dates or local in entry.except_starts:
            continue
        start_utc = instant(local, zone)
        # Two wall times within one gap between clocks are one start.
        if from_utc <= start_utc <= to_utc and start_utc != before:
            before = start_utc
            yield Occurrence(start_utc, entry.id)


def grace(entry: ScheduleEntry) -> timedelta:
    """Return how late *entry* may still be started.

    Never as late as its slot's end, nor when only relays are left that are over.
    """
    whole_s = entry.duration_s
    if entry.fill is Fill.NONE:
        relays_s = [i.duration_s for i in entry.items if isinstance(i, RelayItem)]
        if len(relays_s) < len(entry.items):
            return timedelta(seconds=entry.grace_s)
        whole_s = sum(relays_s)
    return timedelta(seconds=min(entry.grace_s, whole_s - 1))


def joined_late(items: tuple[Item, ...], late_s: int) -> tuple[Item, ...]:
    """Return what is left to play of a start that comes *late_s* too late.

    Another station did not wait: its relay ends when it was planned to, so the
    first relays lose what is over, or are left out. Files, recordings and tones
    begin at their beginning, later.
    """
    left: list[Item] = []
    for item in items:
        if isinstance(item, RelayItem):
            lost_s = min(late_s, item.duration_s)
            late_s -= lost_s
            if lost_s == item.duration_s:
                continue
            item = replace(item, duration_s=item.duration_s - lost_s)
        left.append(item)
    return tuple(left)


def played(
    items: tuple[Item, ...], lengths_s: Sequence[float | None], played_s: float
) -> tuple[tuple[Item, ...], float]:
    """Return what is left of *items*, and how much of the first is played already.

    Args:
        items: Of a play list.
        lengths_s: Of each; one of unknown length counts as played to its end.
        played_s: How much of the list was played.
    """
    for number, length_s in enumerate(lengths_s):
        if length_s is None:
            return items[number + 1 :], 0.0
        if played_s < length_s:
            return items[number:], played_s
        played_s -= length_s
    return (), 0.0


def _locals(
    entry: ScheduleEntry, zone: ZoneInfo, from_utc: datetime, to_utc: datetime
) -> Iterator[datetime]:
    """Yield the wall times of which some may be in the window."""
    start = entry.starts_local
    if entry.recurrence is None:
        yield start
        return
    last = _last_local(entry.recurrence, start, zone)
    # A day more on each side, and then exactly: wall time may stand still or jump.
    low = _local(from_utc, zone, -_A_DAY)
    high = _local(to_utc, zone, _A_DAY)
    yield from walk(entry.recurrence, start, low, min(high, last or high))


@lru_cache(maxsize=4096)
def _last_local(rule: Recurrence, start: datetime, zone: ZoneInfo) -> datetime | None:
    return last_local(rule, start, zone)


def _local(at_utc: datetime, zone: ZoneInfo, shift: timedelta) -> datetime:
    """Return wall time near *at_utc*, within what the calendar has."""
    low, high = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
    return local_time(min(max(at_utc, low), high), zone) + shift
