"""Which lost packets are asked for, and when."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.missing import MAX_MISSING, OVERTAKING_NS, SPARE_NS, TRIES, Missing

MS = 1_000_000
ROUND_TRIP_NS = 60 * MS
USEFUL_NS = 400 * MS


def ask(missing: Missing, now_ns: int, *, useful_ns: int = USEFUL_NS) -> list[int]:
    return missing.ask(now_ns=now_ns, round_trip_ns=ROUND_TRIP_NS, useful_ns=useful_ns)


def test_a_hole_is_asked_for_after_a_little_patience() -> None:
    missing = Missing()
    missing.received(65_534, now_ns=0)
    missing.received(1, now_ns=0)
    assert ask(missing, OVERTAKING_NS - 1) == []
    assert ask(missing, OVERTAKING_NS) == [65_535, 0]


def test_what_was_only_overtaken_is_not_asked_for() -> None:
    missing = Missing()
    missing.received(5, now_ns=0)
    missing.received(7, now_ns=0)
    missing.received(6, now_ns=MS)
    assert ask(missing, 50 * MS) == []


def test_a_copy_makes_up_for_the_packet() -> None:
    missing = Missing()
    missing.received(5, copies=[1], now_ns=0)
    missing.received(8, copies=[1], now_ns=0)
    assert ask(missing, OVERTAKING_NS) == [6]


def test_a_copy_from_further_back_makes_up_for_that_packet_alone() -> None:
    missing = Missing()
    missing.received(5, copies=[1, 5], now_ns=0)
    missing.received(11, copies=[1, 5], now_ns=0)
    assert ask(missing, OVERTAKING_NS) == [7, 8, 9]


def test_it_is_asked_for_a_round_trip_apart_so_often_and_no_more() -> None:
    missing = Missing()
    missing.received(5, now_ns=0)
    missing.received(7, now_ns=0)
    useful_ns = 2_000 * MS
    asked_ns = [
        t * MS for t in range(2_000) if ask(missing, t * MS, useful_ns=useful_ns)
    ]
    period_ns = ROUND_TRIP_NS + SPARE_NS
    assert asked_ns == [OVERTAKING_NS + n * period_ns for n in range(TRIES)]
    assert TRIES == 4
    assert len(missing) == 0


def test_what_would_come_too_late_is_not_asked_for() -> None:
    missing = Missing()
    missing.received(5, now_ns=0)
    missing.received(7, now_ns=0)
    assert ask(missing, OVERTAKING_NS, useful_ns=ROUND_TRIP_NS) == []
    assert len(missing) == 0


def test_a_path_that_was_gone_for_long_is_not_made_good() -> None:
    missing = Missing()
    missing.received(0, now_ns=0)
    missing.received(MAX_MISSING + 2, now_ns=0)
    assert ask(missing, OVERTAKING_NS) == []


@given(
    lost=st.sets(st.integers(1, 298)),
    first=st.integers(0, 65_535),
    rng=st.randoms(use_true_random=False),
)
def test_law_just_what_did_not_come_is_asked_for(
    lost: set[int], first: int, rng: random.Random
) -> None:
    """Whatever is overtaken by less than the patience; the books stay small."""
    arrivals = sorted(
        (n * 20 * MS + rng.randrange(OVERTAKING_NS), n)
        for n in range(300)
        if n not in lost
    )
    missing, asked = Missing(), list[int]()
    for now_ns, number in arrivals:
        missing.received((first + number) % 2**16, now_ns=now_ns)
        asked += ask(missing, now_ns)
        assert len(missing) <= MAX_MISSING
    asked += ask(missing, arrivals[-1][0] + OVERTAKING_NS)
    in_time = {n for n in lost if n + 1 not in lost or not run_is_long(n, lost)}
    numbers = {(n - first) % 2**16 for n in asked}
    assert numbers <= lost
    assert in_time <= numbers
    assert all(asked.count(n) <= TRIES for n in asked)


def run_is_long(number: int, lost: set[int]) -> bool:
    """Whether more in a row were lost than are asked for."""
    first = last = number
    while first - 1 in lost:
        first -= 1
    while last + 1 in lost:
        last += 1
    return last - first + 1 > MAX_MISSING
