"""Times of the week: windows of wall time, and the instants they mean (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from streamer.air.walltime import instant

MINUTES_A_DAY = 24 * 60
DAYS_AHEAD = 9
"Windows repeat weekly: what nine days do not show never comes."

Span: TypeAlias = tuple[datetime, datetime]
"From an instant (included) to another (not)."


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of wall time on some days of the week.

    Raises:
        ValueError: It has no day, or its minutes are not those of a day.
    """

    weekdays: frozenset[int]
    "Of the days on which it begins; Monday is 0."
    from_minute: int
    "Since midnight, 0 to 1439."
    to_minute: int
    "1 to 1440; when it is not after `from_minute`, the window ends the next day."

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise ValueError("a window needs weekdays from 0 (Monday) to 6")
        if not 0 <= self.from_minute < MINUTES_A_DAY:
            raise ValueError("a window begins at a minute from 0 to 1439")
        if not 1 <= self.to_minute <= MINUTES_A_DAY:
            raise ValueError("a window ends at a minute from 1 to 1440")

    def spans(self, today: date, zone: ZoneInfo) -> Iterator[Span]:
        """Yield when it is open from the day before *today* to nine days after."""
        for days in range(-1, DAYS_AHEAD + 1):
            day = today + timedelta(days=days)
            if day.weekday() not in self.weekdays:
                continue
            midnight = datetime.combine(day, time())
            minutes = self.to_minute
            if minutes <= self.from_minute:
                minutes += MINUTES_A_DAY
            begin = instant(midnight + timedelta(minutes=self.from_minute), zone)
            end = instant(midnight + timedelta(minutes=minutes), zone)
            if begin < end:  # a gap between two clocks may swallow a window
                yield begin, end


def open_spans(windows: Iterable[Window], today: date, zone: ZoneInfo) -> list[Span]:
    """Return when any of *windows* is open, in order; what touches is one span."""
    found: list[Span] = []
    for begin, end in sorted(
        span for each in windows for span in each.spans(today, zone)
    ):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Return what is left of *spans*; both are in order and do not overlap."""
    left = list(spans)
    for begin, end in holes:
        left = [
            piece
            for low, high in left
            for piece in ((low, min(high, begin)), (max(low, end), high))
            if piece[0] < piece[1]
        ]
    return left
