"""Recurrence rules (RFC 5545, section 3.3.10), read strictly.

What is no rule, or none that a programme can have, is refused with the part at fault;
`expansion` knows which days a rule means.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NoReturn, TypeVar

T = TypeVar("T")

MAX_TEXT_CHARACTERS = 500
MAX_COUNT = 10_000
MAX_INTERVAL = 1_000

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_TOO_OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")
_RANGES = {
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYSETPOS": (-366, 366),
}
_ORDER = (
    *("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY"),
    *("BYHOUR", "BYMINUTE", "BYSETPOS", "WKST"),
)
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_BY_DAY = re.compile(r"([+-]?\d{1,2})?([A-Z]{2})")


class RecurrenceError(ValueError):
    """A recurrence rule that is malformed, or not one that a programme can have."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule, checked; `parse` and `serialize` are inverse to each other."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: date | datetime | None = None
    "The last day, or instant (with a time zone), or wall time (without)."
    numbers: tuple[tuple[str, tuple[int, ...]], ...] = ()
    "BYMONTH, BYMONTHDAY, BYHOUR, BYMINUTE, BYSETPOS; those that are there, in order."
    days: tuple[tuple[int, int], ...] = ()
    "BYDAY: (weekday from Monday = 0, which one of them or 0 for each)."
    week_start: int | None = None

    @classmethod
    def parse(cls, text: str) -> Recurrence:
        """Read a rule without its ``RRULE:``.

        Raises:
            RecurrenceError: It is none, or starts more often than once an hour by
                its frequency (SECONDLY, MINUTELY, HOURLY: use DAILY and BYHOUR), or
                its numbers are absurd.
        """
        parts = _parts(text)
        frequency = parts.pop("FREQ", "")
        if frequency in _TOO_OFTEN:
            _fail(f"FREQ={frequency} is too often; use FREQ=DAILY with BYHOUR")
        if frequency not in FREQUENCIES:
            _fail("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")
        found = cls(
            frequency=frequency,
            interval=_number(parts.pop("INTERVAL", "1"), "INTERVAL", MAX_INTERVAL),
            count=_optional(
                parts.pop("COUNT", None), lambda v: _number(v, "COUNT", MAX_COUNT)
            ),
            until=_optional(parts.pop("UNTIL", None), _parse_until),
            days=_optional(parts.pop("BYDAY", None), _parse_days) or (),
            week_start=_optional(parts.pop("WKST", None), _parse_weekday),
            numbers=tuple(
                (name, _numbers(parts[name], name)) for name in _ORDER if name in parts
            ),
        )
        _check(found)
        return found

    def serialize(self) -> str:
        """Return the rule as text, its parts in one order."""
        parts = {"FREQ": self.frequency}
        if self.interval != 1:
            parts["INTERVAL"] = str(self.interval)
        if self.count is not None:
            parts["COUNT"] = str(self.count)
        if self.until is not None:
            parts["UNTIL"] = _until_text(self.until)
        for name, numbers in self.numbers:
            parts[name] = ",".join(map(str, numbers))
        if self.days:
            parts["BYDAY"] = ",".join(
                f"{nth or ''}{WEEKDAYS[day]}" for day, nth in self.days
            )
        if self.week_start is not None:
            parts["WKST"] = WEEKDAYS[self.week_start]
        return ";".join(f"{name}={parts[name]}" for name in _ORDER if name in parts)

    def by(self, name: str) -> tuple[int, ...]:
        """Return the numbers of a BY… part; none when it is not there."""
        return dict(self.numbers).get(name, ())


def _parts(text: str) -> dict[str, str]:
    """Return the values by name; a name that we do not know is refused."""
    if len(text) > MAX_TEXT_CHARACTERS:
        _fail(f"longer than {MAX_TEXT_CHARACTERS} characters")
    found: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, _, value = part.partition("=")
        if name not in _ORDER:
            _fail(f"{name[:20]!r} is not supported")
        if name in found or not value:
            _fail(f"{name} must be there once, with a value")
        found[name] = value
    return found


def _check(rule: Recurrence) -> None:
    """Refuse parts that contradict each other."""
    if rule.count is not None and rule.until is not None:
        _fail("COUNT and UNTIL exclude each other")  # RFC 5545, section 3.3.10
    if rule.frequency in ("DAILY", "WEEKLY"):
        if any(nth for _, nth in rule.days):
            _fail(f"BYDAY has no number with FREQ={rule.frequency}")
        if rule.by("BYSETPOS"):
            _fail(f"BYSETPOS is not supported with FREQ={rule.frequency}")
    if rule.frequency == "WEEKLY" and rule.by("BYMONTHDAY"):
        _fail("BYMONTHDAY does not go with FREQ=WEEKLY")
    others = {name for name, _ in rule.numbers} - {"BYSETPOS"}
    if rule.by("BYSETPOS") and not (others or rule.days):
        _fail("BYSETPOS needs another BY… part")


def _number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:10]) <= most):
        _fail(f"{name} must be a number from 1 to {most}")
    return int(text)


def _numbers(text: str, name: str) -> tuple[int, ...]:
    lowest, highest = _RANGES[name]
    found: set[int] = set()
    for each in text.split(","):
        digits = each.removeprefix("+").removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 3):
            _fail(f"{name} must be numbers")
        number = -int(digits) if each.startswith("-") else int(digits)
        if not lowest <= number <= highest or (number == 0 and lowest != 0):
            _fail(f"{name} must be from {lowest} to {highest}")
        found.add(number)
    return tuple(sorted(found))


def _parse_days(text: str) -> tuple[tuple[int, int], ...]:
    found: set[tuple[int, int]] = set()
    for each in text.split(","):
        match = _BY_DAY.fullmatch(each)
        if match is None:
            _fail("BYDAY must be weekdays such as MO or -1FR")
        number = int(match[1] or 0)
        if match[1] is not None and not 1 <= abs(number) <= 53:
            _fail("BYDAY counts from 1 to 53, or from -1 to -53")
        found.add((_parse_weekday(match[2]), number))
    return tuple(sorted(found))


def _parse_weekday(text: str) -> int:
    if text not in WEEKDAYS:
        _fail(f"{text[:20]!r} is no weekday")
    return WEEKDAYS.index(text)


def _parse_until(text: str) -> date | datetime:
    match = _UNTIL.fullmatch(text)
    if match is None:
        _fail("UNTIL must be a date or a time such as 20261231T170000Z")
    try:
        if match[2] is None:
            return datetime.strptime(match[1], "%Y%m%d").date()
        found = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S")
    except ValueError:
        _fail("UNTIL is no date of the calendar")
    return found.replace(tzinfo=UTC) if match[3] else found


def _until_text(until: date | datetime) -> str:
    # isoformat, unlike strftime, writes the year 987 with four digits.
    if not isinstance(until, datetime):
        return until.isoformat().replace("-", "")
    text = until.replace(tzinfo=None).isoformat(timespec="seconds")
    zulu = "Z" if until.tzinfo is not None else ""
    return text.replace("-", "").replace(":", "") + zulu


def _optional(text: str | None, parse: Callable[[str], T]) -> T | None:
    return None if text is None else parse(text)


def _fail(problem: str) -> NoReturn:
    raise RecurrenceError(f"recurrence: {problem}")
