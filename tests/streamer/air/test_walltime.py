"""Tests of wall time: gaps and folds of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.air.walltime import (
    UnknownTimeZoneError,
    instant,
    local_time,
    time_zone,
)

HANOI, BERLIN = time_zone("Asia/Ho_Chi_Minh"), time_zone("Europe/Berlin")
# Zones with changes by an hour, by half an hour, by a whole day, and at midnight.
NAMES = (
    *("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"),
    *("Pacific/Apia", "America/Havana", "UTC"),
)
LOCALS = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(
    lambda at: at.replace(microsecond=0)
)


def test_hanoi_is_seven_hours_ahead() -> None:
    morning = datetime(2026, 3, 29, 5, 30)
    assert instant(morning, HANOI) == datetime(2026, 3, 28, 22, 30, tzinfo=UTC)


def test_a_time_that_clocks_skip_is_the_first_instant_after_the_gap() -> None:
    """Berlin, 2026-03-29: 02:00 becomes 03:00, at 01:00 UTC."""
    gap_ends = datetime(2026, 3, 29, 1, tzinfo=UTC)
    for minute in (0, 1, 30, 59):
        assert instant(datetime(2026, 3, 29, 2, minute), BERLIN) == gap_ends
    assert instant(datetime(2026, 3, 29, 3), BERLIN) == gap_ends
    before = datetime(2026, 3, 29, 1, 59, 59)
    assert instant(before, BERLIN) == gap_ends - timedelta(seconds=1)


def test_a_time_that_clocks_show_twice_is_the_first() -> None:
    """Berlin, 2026-10-25: 03:00 becomes 02:00, at 01:00 UTC."""
    twice = datetime(2026, 10, 25, 2, 30)
    assert instant(twice, BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_day_that_a_country_left_out_is_over_when_the_next_begins() -> None:
    """Samoa had no 2011-12-30."""
    apia = time_zone("Pacific/Apia")
    skipped = instant(datetime(2011, 12, 30, 12), apia)
    assert local_time(skipped, apia) == datetime(2011, 12, 31)


@given(st.sampled_from(NAMES), LOCALS, st.integers(0, 200_000))
def test_law_instants_never_go_back(name: str, local: datetime, later_s: int) -> None:
    zone = time_zone(name)
    later = local + timedelta(seconds=later_s)
    assert instant(local, zone) <= instant(later, zone)


@given(st.sampled_from(NAMES), LOCALS)
def test_law_an_instant_shows_its_time_or_the_first_after_a_gap(
    name: str, local: datetime
) -> None:
    zone = time_zone(name)
    found = instant(local, zone)
    shown = local_time(found, zone)
    assert shown >= local
    if shown > local:
        just_before = local_time(found - timedelta(seconds=1), zone)
        assert just_before < local
        assert instant(shown, zone) == found


@pytest.mark.parametrize(
    "name", ["", "Asia", "Asia/Hanoi", "../../etc/passwd", "localtime", "\0", "a" * 999]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownTimeZoneError, match="there is no time zone"):
        time_zone(name)
