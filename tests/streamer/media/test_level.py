"""Tests of streamer.media.level: the meter's scale and the limiter's laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.frame import Pcm, silence
from streamer.media.level import (
    FLOOR_DBFS,
    Level,
    LevelMeter,
    Limiter,
    decaying_maximum,
    to_dbfs,
    windowed_maximum,
)

CEILING = np.float32(10 ** (-1 / 20))
LOOKAHEAD = 240


@st.composite
def signals(draw: st.DrawFn, *, loudest: float) -> Pcm:
    """Noise of any level with spikes at any place; *loudest* bounds both."""
    samples = draw(st.integers(1, 3_000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pcm = rng.uniform(-1, 1, samples) * draw(st.floats(0, loudest))
    for _ in range(draw(st.integers(0, 3))):
        pcm[draw(st.integers(0, samples - 1))] = draw(st.floats(-loudest, loudest))
    return pcm.astype(np.float32)


def limit(pcm: Pcm, cuts: list[int] | None = None) -> Pcm:
    """Return the limiter's output, its tail flushed and its latency removed."""
    limiter = Limiter(lookahead_samples=LOOKAHEAD)
    padded = np.concatenate((pcm, silence(limiter.latency_samples)))
    pieces = np.split(padded, sorted(cuts or []))
    whole = np.concatenate([limiter.process(piece) for piece in pieces])
    return whole[limiter.latency_samples :]


class TestLimiter:
    """The laws that make it safe to leave it in the way of every sample."""

    @given(pcm=signals(loudest=1e30))
    def test_law_nothing_leaves_above_the_ceiling(self, pcm: Pcm) -> None:
        limited = limit(pcm)
        assert limited.dtype == np.float32
        assert limited.shape == pcm.shape
        assert np.max(np.abs(limited)) <= CEILING

    @given(pcm=signals(loudest=float(CEILING)))
    def test_law_what_is_below_the_ceiling_passes_bit_by_bit(self, pcm: Pcm) -> None:
        assert np.array_equal(limit(pcm), pcm)

    @given(pcm=signals(loudest=8.0), cuts=st.lists(st.integers(0, 3_000), max_size=5))
    def test_law_how_it_is_cut_does_not_matter(self, pcm: Pcm, cuts: list[int]) -> None:
        inside = [cut for cut in cuts if cut <= len(pcm)]
        assert np.allclose(limit(pcm, inside), limit(pcm), atol=1e-6)

    @given(pcm=signals(loudest=8.0))
    def test_law_it_only_turns_down(self, pcm: Pcm) -> None:
        limited = limit(pcm)
        assert np.all(np.abs(limited) <= np.abs(pcm))
        assert np.all(limited * pcm >= 0)

    def test_a_peak_is_turned_down_smoothly_and_only_around_it(self) -> None:
        pcm, peak = np.full(96_000, 0.5, dtype=np.float32), 20_000
        pcm[peak] = 4.0
        gain = limit(pcm) / pcm
        assert gain[peak] == pytest.approx(CEILING / 4, rel=1e-5)
        assert np.all(gain[: peak - LOOKAHEAD] == 1)
        assert np.all(gain[peak + 60_000 :] == 1)
        assert np.max(np.abs(np.diff(gain))) < 1.5 / LOOKAHEAD
        # One time constant after the hold, 1/e of the reduction is left.
        later = peak + LOOKAHEAD // 2 + 4_800
        assert 1 - gain[later] == pytest.approx((1 - gain[peak]) / np.e, rel=0.05)

    def test_alignment_is_exact_while_it_limits(self) -> None:
        rng = np.random.default_rng(5)
        pcm = (3 * rng.standard_normal(20_000)).astype(np.float32)
        limited = limit(pcm)
        lags = range(-3, 4)
        inner = slice(100, -100)
        scores = [float(np.dot(np.roll(limited, -k)[inner], pcm[inner])) for k in lags]
        assert lags[int(np.argmax(scores))] == 0

    @pytest.mark.parametrize("bad", [{"lookahead_samples": 0}, {"release_samples": 0}])
    def test_impossible_settings_are_refused(self, bad: dict[str, int]) -> None:
        with pytest.raises(ValueError, match=next(iter(bad))):
            Limiter(**bad)


class TestLevelMeter:
    """Known signals read known levels."""

    def test_silence_reads_the_floor(self) -> None:
        meter = LevelMeter()
        assert meter.level == Level(FLOOR_DBFS, FLOOR_DBFS)
        meter.add(silence(960))
        assert meter.level == Level(FLOOR_DBFS, FLOOR_DBFS)

    def test_a_full_scale_sine_is_three_decibels_down_in_rms(self) -> None:
        meter = LevelMeter()
        meter.add(np.sin(2 * np.pi * np.arange(960) / 96).astype(np.float32))
        assert meter.level.peak_dbfs == pytest.approx(0, abs=0.01)
        assert meter.level.rms_dbfs == pytest.approx(-3.01, abs=0.01)

    def test_it_forgets_after_its_window(self) -> None:
        meter = LevelMeter(window_frames=3)
        meter.add(np.full(960, -0.5, dtype=np.float32))
        meter.add(silence(960))
        meter.add(silence(960))
        assert meter.level.peak_dbfs == pytest.approx(-6.02, abs=0.01)
        assert meter.level.rms_dbfs == pytest.approx(-6.02 - 4.77, abs=0.01)
        meter.add(silence(960))
        assert meter.level.peak_dbfs == FLOOR_DBFS

    @pytest.mark.parametrize(("amplitude", "dbfs"), [(1, 0), (0.1, -20), (0, -120)])
    def test_amplitudes_in_decibels(self, amplitude: float, dbfs: float) -> None:
        assert to_dbfs(amplitude) == pytest.approx(dbfs)


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=60), window=st.integers(1, 60)
)
def test_law_windowed_maximum_is_the_plain_one(
    values: list[float], window: int
) -> None:
    plain = [max(values[k : k + window]) for k in range(len(values) - window + 1)]
    assert windowed_maximum(np.array(values), window).tolist() == plain


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_law_decaying_maximum_is_the_plain_recursion(values: list[float]) -> None:
    held, plain = 0.0, []
    for value in values:
        held = max(value, held * np.exp(-1 / 50))
        plain.append(held)
    assert np.allclose(decaying_maximum(np.array(values), 50), plain, atol=1.1e-5)
