"""Which wall times a recurrence rule means, with a bound on the work.

`dateutil` knows what a rule means, but not when to give up: asked for 30 February it
looks through eight thousand years (6 s), and it always begins at the rule's first
day. So it is asked about one month or year at a time (by an interval so large that
nothing comes after), or about days and weeks without the conditions that could leave
nothing of them, which are applied here. No question costs more than its window.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule

from streamer.air.recurrence import Recurrence
from streamer.air.walltime import local_time

HORIZON_DAYS = 40 * 366
"How far a rule with a COUNT is followed, and how long a first start is awaited."

_ONCE = {"MONTHLY": 12 * 10_000, "YEARLY": 10_000}
"Intervals that lead beyond the last year that there is."


def last_local(rule: Recurrence, start: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the last wall time that COUNT or UNTIL allow, or None without them.

    Costs as much as all that COUNT allows: keep it.
    """
    if rule.count is not None:
        last = start
        for number, each in enumerate(walk(rule, start, start, horizon(start)), 1):
            last = each
            if number == rule.count:
                break
        return last
    if isinstance(rule.until, datetime):
        return local_time(rule.until, zone) if rule.until.tzinfo else rule.until
    return datetime.combine(rule.until, time.max) if rule.until else None


def walk(
    rule: Recurrence, start: datetime, low: datetime, high: datetime
) -> Iterator[datetime]:
    """Yield the rule's wall times in [low, high], upwards; see also `last_local`.

    Args:
        rule: Its COUNT and UNTIL are not regarded.
        start: DTSTART; nothing is before it. It counts itself only if the rule says
            so: RFC 5545, section 3.8.5.3, leaves the other case undefined.
        low: The window's first wall time.
        high: Its last one.
    """
    low = max(start, low)
    if low > high:
        return
    periods = _periods if rule.frequency in _ONCE else _days
    for each in periods(rule, start, low, high):
        if each > high:
            return
        if each >= low:
            yield each


def horizon(start: datetime) -> datetime:
    """Return how far after *start* is looked."""
    try:
        return start + timedelta(days=HORIZON_DAYS)
    except OverflowError:
        return datetime.max


def _days(
    rule: Recurrence, start: datetime, low: datetime, high: datetime
) -> Iterator[datetime]:
    """DAILY and WEEKLY: every BY… part that may leave nothing is applied here."""
    weekly = rule.frequency == "WEEKLY"
    step = timedelta(days=rule.interval * (7 if weekly else 1))
    # One step back, because a week that began before the window reaches into it.
    steps = max(0, (low - start) // step - 1)
    options: dict[str, Any] = {}
    if weekly:
        weekdays = [day for day, _ in rule.days] or [start.weekday()]
        options = {"byweekday": weekdays, "wkst": rule.week_start or 0}
    found = rrule.rrule(
        rrule.WEEKLY if weekly else rrule.DAILY,
        dtstart=start + steps * step,
        until=high,
        interval=rule.interval,
        **_time_of_day(rule, start),
        **options,
    )
    months, month_days = rule.by("BYMONTH"), rule.by("BYMONTHDAY")
    allowed_days = {day for day, _ in rule.days}
    for each in found:
        if months and each.month not in months:
            continue
        if month_days and not _is_month_day(each, month_days):
            continue
        if allowed_days and each.weekday() not in allowed_days:
            continue
        yield each


def _periods(
    rule: Recurrence, start: datetime, low: datetime, high: datetime
) -> Iterator[datetime]:
    """MONTHLY and YEARLY: one question for each month or year."""
    options = _options(rule, start)
    monthly = rule.frequency == "MONTHLY"
    unit = 1 if monthly else 12
    first = start.year * 12 + (start.month - 1 if monthly else 0)
    step = rule.interval * unit
    passed = low.year * 12 + low.month - 1 - first
    number = first + max(0, passed // step) * step
    while number // 12 <= 9999:
        begin = datetime(number // 12, number % 12 + 1, 1)
        if begin > high:
            return
        yield from rrule.rrule(
            rrule.MONTHLY if monthly else rrule.YEARLY,
            dtstart=begin,
            interval=_ONCE[rule.frequency],
            **options,
        )
        number += step


def _options(rule: Recurrence, start: datetime) -> dict[str, Any]:
    """Return the BY… parts; what is left out comes from the start (RFC 5545)."""
    options = _time_of_day(rule, start)
    months, month_days = rule.by("BYMONTH"), rule.by("BYMONTHDAY")
    if not month_days and not rule.days:
        month_days = (start.day,)
        if rule.frequency == "YEARLY":
            months = months or (start.month,)
    if months:
        options["bymonth"] = months
    if month_days:
        options["bymonthday"] = month_days
    if rule.days:
        options["byweekday"] = [
            rrule.weekday(day, nth or None) for day, nth in rule.days
        ]
    if rule.by("BYSETPOS"):
        options["bysetpos"] = rule.by("BYSETPOS")
    if rule.week_start is not None:
        options["wkst"] = rule.week_start
    return options


def _time_of_day(rule: Recurrence, start: datetime) -> dict[str, Any]:
    return {
        "byhour": rule.by("BYHOUR") or (start.hour,),
        "byminute": rule.by("BYMINUTE") or (start.minute,),
        "bysecond": (start.second,),
    }


def _is_month_day(each: datetime, month_days: tuple[int, ...]) -> bool:
    following = (each.replace(day=28) + timedelta(days=4)).replace(day=1)
    length = (following - timedelta(days=1)).day
    return each.day in month_days or each.day - length - 1 in month_days
