"""What time it is: the server's word, carried on; a clock that is wrong is none."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.speaker.trust import Trust
from clients.speaker.walltime import RELEASED_UTC_US, SETTLED_NS, WallTime

SECOND_NS, SECOND_US = 1_000_000_000, 1_000_000
NOW_US = RELEASED_UTC_US + 86_400 * SECOND_US
KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
OTHER = "A" * 43 + "="


def test_a_clock_before_the_release_or_before_the_past_is_none() -> None:
    assert WallTime().look(0, 0) is None
    assert WallTime().look(0, RELEASED_UTC_US - 1) is None
    time = WallTime(latest_utc_us=NOW_US)
    assert time.look(0, NOW_US - 1) is None
    assert time.doubt == "the clock is before the past: it was lost"
    assert WallTime(latest_utc_us=NOW_US).look(0, NOW_US + 1) == NOW_US + 1


def test_the_error_that_was_known_last_is_mended() -> None:
    assert WallTime(offset_us=5, latest_utc_us=NOW_US).look(0, NOW_US) == NOW_US + 5


def test_a_clock_that_has_just_been_set_is_not_believed_for_a_while() -> None:
    time = WallTime()
    assert time.look(0, NOW_US) == NOW_US
    set_us = NOW_US + 3_600 * SECOND_US
    assert time.look(SECOND_NS, set_us) is None
    assert time.doubt == "the clock has just been set"
    later_ns = SECOND_NS + SETTLED_NS
    later_us = set_us + SETTLED_NS // 1000
    assert time.look(later_ns, later_us) == later_us


@settings(max_examples=100)
@given(
    walls=st.lists(st.integers(0, 2 * NOW_US), min_size=1, max_size=20),
    told_at=st.integers(0, 10**12),
)
def test_law_once_told_nobody_can_set_the_clock(walls: list[int], told_at: int) -> None:
    time = WallTime()
    time.tell(told_at, NOW_US, walls[0])
    for number, wall_us in enumerate(walls):
        local_ns = told_at + number * SECOND_NS
        assert time.look(local_ns, wall_us) == NOW_US + number * SECOND_US


def test_a_server_that_lost_its_clock_is_no_witness() -> None:
    time = WallTime()
    time.tell(0, 1_000, NOW_US)
    assert time.look(0, NOW_US) == NOW_US


def test_the_first_server_is_trusted_and_no_other_after_it() -> None:
    trust = Trust()
    assert not trust.verify(bytes(64), b"x")
    trust.meet("no key")
    for shown, refused in ((None, None), (KEY, None), (OTHER, OTHER), (KEY, None)):
        trust.meet(shown)
        assert trust.refused == refused
    assert trust.key == KEY
