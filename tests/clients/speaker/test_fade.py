"""Laws of the fader."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.fade import Fader

moves = st.lists(
    st.tuples(st.floats(0, 1), st.integers(1, 500), st.integers(0, 700)), max_size=20
)
"Target, length of the way, samples taken before the next move."


def test_a_way_of_ten_milliseconds_is_a_raised_cosine() -> None:
    fader = Fader()
    fader.to(1.0, 480)
    gains = np.asarray(fader.take(480))
    expected = (1 - np.cos(np.pi * np.arange(1, 481) / 480)) / 2
    assert gains == pytest.approx(expected, abs=1e-6)
    assert fader.take(100) == 1.0


def test_is_silent_only_when_it_stays_at_zero() -> None:
    fader = Fader()
    assert fader.silent
    fader.to(1.0, 10)
    assert not fader.silent
    fader.set(0.0)
    assert fader.silent


@given(moves=moves, start=st.floats(0, 1))
def test_law_it_never_jumps_and_never_leaves_its_range(
    moves: list[tuple[float, int, int]], start: float
) -> None:
    fader, last = Fader(start), start
    for target, length, samples in moves:
        fader.to(target, length)
        gains = np.broadcast_to(fader.take(samples), samples)
        steps = np.abs(np.diff(np.concatenate(([last], gains))))
        # The steepest step of a raised cosine over the whole range; a way under way
        # that is told its own target again keeps its length.
        assert (gains >= 0).all()
        assert (gains <= 1 + 1e-6).all()
        shortest = min(n for _, n, _ in moves)
        assert (steps <= np.pi / 2 / shortest + 1e-6).all()
        last = float(gains[-1]) if samples else last


@given(length=st.integers(1, 300), cuts=st.lists(st.integers(0, 100), min_size=1))
def test_law_how_it_is_cut_into_calls_does_not_matter(
    length: int, cuts: list[int]
) -> None:
    whole, pieces = Fader(), Fader()
    whole.to(1.0, length)
    pieces.to(1.0, length)
    expected = np.broadcast_to(whole.take(sum(cuts)), sum(cuts))
    got = [np.broadcast_to(pieces.take(n), n) for n in cuts]
    assert np.array_equal(np.concatenate(got), expected)
