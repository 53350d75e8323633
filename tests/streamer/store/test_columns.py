"""Tests of streamer.store.columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.store.columns import Utc

UTC_COLUMN = Utc()
HANOI = timezone(timedelta(hours=7))
TIMES = st.datetimes(timezones=st.sampled_from([UTC, HANOI]))


@given(TIMES)
def test_law_a_time_is_kept_to_the_microsecond(time: datetime) -> None:
    kept = UTC_COLUMN.process_bind_param(time, None)
    back = UTC_COLUMN.process_result_value(kept, None)
    assert back == time
    assert back is not None
    assert back.tzinfo is UTC


@given(TIMES, TIMES)
def test_law_stored_times_are_in_order(one: datetime, two: datetime) -> None:
    first, second = (UTC_COLUMN.process_bind_param(each, None) for each in (one, two))
    assert first is not None
    assert second is not None
    assert (first < second) == (one < two)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UTC_COLUMN.process_bind_param(datetime(2026, 1, 1), None)
