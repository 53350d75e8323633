"""Wall time where people live, told as instants (pure; no clock is read).

Times of day are what people agree on: "05:30 in Bắc Ninh". Which instant that is, a
time zone says; twice a year, in some of them, it says none or two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

DEFAULT_TIME_ZONE = "Asia/Ho_Chi_Minh"

_SECOND = timedelta(seconds=1)


class UnknownTimeZoneError(ValueError):
    """No time zone of the IANA database has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no time zone {name[:64]!r}")


def time_zone(name: str) -> ZoneInfo:
    """Return the time zone called *name*, such as ``Asia/Ho_Chi_Minh``.

    Raises:
        UnknownTimeZoneError: There is none.
    """
    # What the machine calls its own would mean another thing on another machine.
    if name == "localtime":
        raise UnknownTimeZoneError(name)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownTimeZoneError(name) from error


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock on a wall in *zone* shows *local* (without a time zone).

    - Shown twice, when clocks are set back: the first time.
    - Never shown, when they are set forward: the first instant after the gap. (RFC
      5545, section 3.3.5, would go on counting by the old offset; but what shall
      start at half past two shall not wait until half past three.)

    The result never decreases as *local* grows.
    """
    early = local.replace(tzinfo=zone, fold=0)
    found = early.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    return _end_of_gap(early, zone)


def local_time(at_utc: datetime, zone: ZoneInfo) -> datetime:
    """Return what a clock on a wall in *zone* shows, without a time zone."""
    return at_utc.astimezone(zone).replace(tzinfo=None, fold=0)


def _end_of_gap(skipped: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which clocks were set forward past *skipped*."""
    # PEP 495: in a gap, fold 0 counts by the offset before it and so lands after
    # the change; fold 1 counts by the offset after it and lands before the change.
    after = skipped.astimezone(UTC)
    before = skipped.replace(fold=1).astimezone(UTC)
    old_offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle == before:
            break
        if middle.astimezone(zone).utcoffset() == old_offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
