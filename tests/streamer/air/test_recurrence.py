"""Tests of recurrence rules: what is read, what is refused, which times are meant."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.air.expansion import last_local, walk
from streamer.air.recurrence import Recurrence, RecurrenceError

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
MORNING = datetime(2026, 1, 5, 5, 30)  # a Monday
TEN_YEARS = timedelta(days=3653)


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    chosen = st.sets(
        st.integers(low, high).filter(bool) if low < 0 else st.integers(low, high),
        min_size=1,
        max_size=4,
    )
    return chosen.map(lambda found: ",".join(map(str, sorted(found))))


WEEKDAY = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])


def weekdays(*, nth: bool) -> st.SearchStrategy[str]:
    number = st.sampled_from(["", "1", "2", "-1", "-2", "4"] if nth else [""])
    named = st.tuples(number, WEEKDAY).map("".join)
    return st.sets(named, min_size=1, max_size=4).map(lambda s: ",".join(sorted(s)))


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules as people and programs write them, those that mean nothing included."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    monthly = frequency in ("MONTHLY", "YEARLY")
    parts = {
        "INTERVAL": st.integers(1, 14).map(str),
        "BYMONTH": numbers(1, 12),
        "BYMONTHDAY": numbers(-31, 31),
        "BYDAY": weekdays(nth=monthly),
        "BYHOUR": numbers(0, 23),
        "BYMINUTE": numbers(0, 59),
        "WKST": WEEKDAY,
    }
    if frequency == "WEEKLY":
        del parts["BYMONTHDAY"]
    if monthly:
        parts["BYSETPOS"] = numbers(-3, 3)
    wanted = draw(st.sets(st.sampled_from(sorted(parts)), max_size=4))
    if wanted <= {"BYSETPOS", "INTERVAL", "WKST"}:
        wanted -= {"BYSETPOS"}
    rest = [f"{name}={draw(parts[name])}" for name in sorted(wanted)]
    return ";".join([f"FREQ={frequency}", *rest])


STARTS = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(
    lambda at: at.replace(microsecond=0)
)


@settings(deadline=None)  # the oracle may look far
@given(rule=rules(), start=STARTS, days=st.integers(0, 900), window=st.integers(0, 60))
def test_law_a_window_shows_what_dateutil_finds_from_the_first_day_on(
    rule: str, start: datetime, days: int, window: int
) -> None:
    low, high = start + timedelta(days=days), start + timedelta(days=days + window)
    # UNTIL does not stop dateutil where nothing follows, so look no farther than
    # the first that does: the oracle is the slow way.
    expected = itertools.takewhile(
        lambda at: at <= high, iter(rrulestr(rule, dtstart=start))
    )
    found = list(walk(Recurrence.parse(rule), start, low, high))
    if not found and _may_be_empty(rule):
        return  # dateutil would look for it until the year 9999
    assert found == [each for each in expected if each >= low]


def _may_be_empty(rule: str) -> bool:
    return "BYMONTH" in rule or "INTERVAL" in rule or "BYSETPOS" in rule


@given(rule=rules())
def test_law_a_rule_survives_being_written_and_read(rule: str) -> None:
    parsed = Recurrence.parse(rule)
    assert Recurrence.parse(parsed.serialize()) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=DAILY;COUNT=5",
        "FREQ=DAILY;UNTIL=20260401",
        "FREQ=WEEKLY;UNTIL=20260401T053000;BYDAY=MO,WE",
        "FREQ=WEEKLY;UNTIL=20260401T053000Z;BYDAY=MO,WE",
        "FREQ=MONTHLY;BYDAY=-1FR;WKST=SU",
        "FREQ=YEARLY;UNTIL=09870101",
    ],
)
def test_a_rule_is_written_as_it_was_read(text: str) -> None:
    assert Recurrence.parse(text).serialize() == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not supported"),
        ("FREQ=SECONDLY", "use FREQ=DAILY with BYHOUR"),
        ("FREQ=MINUTELY;COUNT=2", "too often"),
        ("FREQ=HOURLY", "too often"),
        ("FREQ=SOMETIMES", "FREQ must be"),
        ("INTERVAL=2", "FREQ must be"),
        ("FREQ=DAILY;FREQ=WEEKLY", "once"),
        ("FREQ=DAILY;COUNT=10001", "COUNT"),
        ("FREQ=DAILY;COUNT=0", "COUNT"),
        ("FREQ=DAILY;COUNT=" + "9" * 400, "COUNT"),
        ("FREQ=DAILY;COUNT=²", "COUNT"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "exclude"),
        ("FREQ=DAILY;UNTIL=20260230", "no date"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL must be"),
        ("FREQ=DAILY;BYDAY=1MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY counts"),
        ("FREQ=MONTHLY;BYDAY=MOX", "BYDAY must be"),
        ("FREQ=MONTHLY;BYDAY=XX", "no weekday"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,,2", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "does not go"),
        ("FREQ=MONTHLY;BYSETPOS=1", "another"),
        ("FREQ=DAILY;BYSETPOS=1;BYHOUR=1", "BYSETPOS"),
        ("FREQ=DAILY;BYSECOND=0,30", "BYSECOND"),
        ("FREQ=DAILY;BYEASTER=1", "BYEASTER"),
        ("FREQ=DAILY\nRDATE:20260101T000000", "FREQ must be"),
        ("FREQ=DAILY;" * 100, "longer"),
    ],
)
def test_what_is_no_rule_for_a_programme_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RecurrenceError, match=reason):
        Recurrence.parse(text)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;BYMONTH=4",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=366",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYDAY=1MO;BYMONTHDAY=31;BYMONTH=6",
    ],
)
def test_a_rule_that_means_no_day_says_so_soon(text: str) -> None:
    """Alone, dateutil looks until the year 9999 for some of these."""
    rule = Recurrence.parse(text)
    assert list(walk(rule, MORNING, MORNING, MORNING + TEN_YEARS)) == []


def test_a_count_is_counted_from_the_start_and_an_end_is_included() -> None:
    def last(text: str) -> datetime | None:
        return last_local(Recurrence.parse(text), MORNING, HANOI)

    assert last("FREQ=DAILY") is None
    assert last("FREQ=DAILY;COUNT=3") == datetime(2026, 1, 7, 5, 30)
    assert last("FREQ=WEEKLY;BYDAY=MO,FR;COUNT=2") == datetime(2026, 1, 9, 5, 30)
    assert last("FREQ=DAILY;UNTIL=20260107T053000") == datetime(2026, 1, 7, 5, 30)
    # 22:30 of the day before in UTC is 05:30 in Hà Nội.
    assert last("FREQ=DAILY;UNTIL=20260106T223000Z") == datetime(2026, 1, 7, 5, 30)
    until = last("FREQ=DAILY;UNTIL=20260107")
    assert until is not None
    assert until.date() == datetime(2026, 1, 7).date()
    assert until > datetime(2026, 1, 7, 23, 59)


def test_an_end_with_a_time_zone_is_in_utc() -> None:
    until = Recurrence.parse("FREQ=DAILY;UNTIL=20260106T223000Z").until
    assert until == datetime(2026, 1, 6, 22, 30, tzinfo=UTC)
