"""Laws of the delay estimator and of the pace that follows it."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.delay import BUCKET_SAMPLES, DelayEstimator
from streamer.media.pace import (
    SPACING_SAMPLES,
    STEP_SAMPLES,
    Lengthen,
    Pace,
    Shorten,
    Step,
    Straight,
)
from streamer.media.timestretch import MAX_LAG_SAMPLES

MS = 48
FRAME = 20 * MS


def taught(*transits: int, seconds: int = 10, offset: int = 0) -> DelayEstimator:
    """An estimator after packets with these transits, over and over."""
    estimator = DelayEstimator()
    for index in range(seconds * 50):
        transit = transits[index % len(transits)] + offset
        estimator.add(transit, index * FRAME)
    return estimator


def test_a_steady_path_needs_one_bucket() -> None:
    estimator = taught(40 * MS)
    assert (estimator.base, estimator.target) == (40 * MS, BUCKET_SAMPLES)


def test_what_counts_is_how_much_slower_than_the_fastest() -> None:
    assert taught(40 * MS, 52 * MS).target == 15 * MS


@given(offset=st.integers(-(2**50), 2**50))
def test_law_where_the_clocks_start_does_not_matter(offset: int) -> None:
    plain, moved = taught(0, 33 * MS), taught(0, 33 * MS, offset=offset)
    assert plain.target == moved.target
    assert moved.base == offset


@given(
    arrivals=st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 2**40))),
    least=st.integers(0, 100 * MS),
    more=st.integers(0, 900 * MS),
)
def test_law_the_target_keeps_its_bounds(
    arrivals: list[tuple[int, int]], least: int, more: int
) -> None:
    estimator = DelayEstimator(min_samples=least, max_samples=least + more)
    for transit, at in arrivals:
        estimator.add(transit, at)
        assert least <= estimator.target <= least + more


def test_the_backlog_at_joining_teaches_nothing() -> None:
    estimator = DelayEstimator()
    for index in range(20):  # 400 ms, sent at once
        estimator.add((20 - index) * FRAME, 0)
    for index in range(1, 500):
        estimator.add(0, index * FRAME)
    assert estimator.target == BUCKET_SAMPLES


def test_one_slow_packet_changes_nothing_many_do_and_are_forgotten() -> None:
    estimator = DelayEstimator()

    def hear(seconds: int, *, slow_each: int, start: int) -> int:
        for index in range(start, start + seconds * 50):
            slow = index % slow_each == slow_each - 1
            estimator.add(200 * MS if slow else 0, index * FRAME)
        return start + seconds * 50

    at = hear(60, slow_each=10**9, start=0)
    estimator.add(200 * MS, at * FRAME)
    at = hear(10, slow_each=10**9, start=at + 1)
    assert estimator.target == BUCKET_SAMPLES
    at = hear(5, slow_each=25, start=at)
    assert estimator.target == 205 * MS
    hear(120, slow_each=10**9, start=at)
    assert estimator.target == BUCKET_SAMPLES


def test_rejects_impossible_bounds() -> None:
    with pytest.raises(ValueError, match="max_samples=1"):
        DelayEstimator(min_samples=2, max_samples=1)


class TestPace:
    """What is decided, from what is too long or too short."""

    def make(self, *, excess_ms: float, jitter_ms: int = 0) -> Pace:
        estimator = taught(0, jitter_ms * MS)
        delay = estimator.target + round(excess_ms * MS)
        return Pace(estimator, delay=delay)

    @pytest.mark.parametrize(
        ("excess_ms", "quiet", "decision"),
        [
            (0, False, Straight()),
            (14, False, Straight()),
            (16, False, Shorten(MAX_LAG_SAMPLES)),
            (-2, False, Straight()),
            (-5, False, Lengthen(MAX_LAG_SAMPLES)),
            (5, True, Shorten(5 * MS)),
            (-5, True, Lengthen(5 * MS)),
            (251, False, Step(BUCKET_SAMPLES)),
            (-251, True, Step(BUCKET_SAMPLES)),
        ],
    )
    def test_of_speech(self, excess_ms: float, quiet: bool, decision: object) -> None:
        pace = self.make(excess_ms=excess_ms)
        assert pace.pull(480, reach=0, speech=True, quiet=quiet) == decision

    def test_sounding_speech_is_stretched_each_60_ms_at_most(self) -> None:
        pace, at = self.make(excess_ms=200), []
        for index in range(100):
            decision = pace.pull(480, reach=0, speech=True, quiet=False)
            if isinstance(decision, Shorten):
                at.append(index * 480)
                pace.stretched(-100)
        gaps = {b - a for a, b in itertools.pairwise(at)}
        assert gaps == {SPACING_SAMPLES}

    def test_music_glides_by_400_ppm_and_is_never_stretched(self) -> None:
        pace = self.make(excess_ms=100)
        before = pace.delay
        for _ in range(1_000):
            decision = pace.pull(480, reach=0, speech=False, quiet=False)
            assert decision == Straight()
        assert before - pace.delay == 480_000 // 2_500

    def test_before_anything_is_heard_the_delay_just_changes(self) -> None:
        pace = self.make(excess_ms=10_000)
        pace.pull(480, reach=7, speech=True, quiet=False, heard=False)
        assert pace.delay == BUCKET_SAMPLES + 7

    @given(seed=st.integers(0, 2**32))
    def test_law_inserted_minus_removed_is_the_change_of_delay(self, seed: int) -> None:
        dice = random.Random(seed)
        pace = Pace(DelayEstimator(), delay=50 * MS)
        stepped = 0
        for index in range(300):
            pace.arrived(index * 480, 480, index * 480 + dice.randrange(400 * MS))
            match pace.pull(480, reach=0, speech=True, quiet=dice.random() < 0.3):
                case Shorten(most):
                    pace.stretched(-dice.randint(0, most))
                case Lengthen(most):
                    pace.stretched(dice.randint(0, most))
                case Step(delay):
                    stepped += delay - pace.delay
                    pace.stepped(delay)
        counters = pace.counters
        moved = counters.inserted_samples_for_deceleration
        moved -= counters.removed_samples_for_acceleration
        assert pace.delay == 50 * MS + stepped + moved
        assert abs(pace.delay - (pace.wanted(0) or 0)) < 10 * STEP_SAMPLES
