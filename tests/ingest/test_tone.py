"""Tests of ingest.tone: the patterns are what the bench and the demo rely on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from ingest.tone import CODES, PEAK, Pattern, ToneSource, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

PATTERNS = st.sampled_from(list(Pattern))


def similarity(heard: Pcm, wanted: Pcm) -> tuple[int, float]:
    """Return where in *heard* *wanted* fits best, and how well (1: exactly)."""
    products = correlate(heard, wanted, mode="valid", method="fft")
    power = np.cumsum(np.concatenate([[0.0], heard.astype(np.float64) ** 2]))
    energy = power[len(wanted) :] - power[: -len(wanted)]
    scale = np.sqrt(np.maximum(energy, 1e-6) * float(wanted @ wanted))
    likeness = np.abs(products) / scale
    best = int(np.argmax(likeness))
    return best, float(likeness[best])


@given(
    pattern=PATTERNS,
    start=st.integers(0, 10**7),
    pieces=st.lists(st.integers(0, 3000), max_size=5),
    seed=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_law_a_signal_does_not_depend_on_how_it_is_cut(
    pattern: Pattern, start: int, pieces: list[int], seed: int
) -> None:
    ends = list(itertools.accumulate(pieces, initial=start))
    parts = [render(pattern, a, b - a, seed=seed) for a, b in itertools.pairwise(ends)]
    whole = render(pattern, start, ends[-1] - start, seed=seed)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(np.concatenate([whole[:0], *parts]), whole)


@pytest.mark.parametrize("pattern", Pattern)
def test_level_is_minus_12_dbfs_and_nothing_clicks(pattern: Pattern) -> None:
    pcm = render(pattern, 0, 10 * SAMPLE_RATE_HZ)
    assert 0.8 * PEAK < np.abs(pcm).max() <= PEAK
    assert abs(float(pcm.mean())) < 1e-3


@pytest.mark.parametrize("pattern", Pattern)
def test_a_second_is_found_within_a_minute(pattern: Pattern) -> None:
    minute = render(pattern, 0, 60 * SAMPLE_RATE_HZ)
    start = 7 * SAMPLE_RATE_HZ
    piece = minute[start : start + SAMPLE_RATE_HZ].copy()
    found, likeness = similarity(minute, piece)
    assert found == start
    assert likeness == pytest.approx(1.0, abs=1e-3)
    minute[start : start + SAMPLE_RATE_HZ] = 0
    assert similarity(minute, piece)[1] < 0.75


@pytest.mark.parametrize(
    ("one", "other"), [*itertools.permutations(Pattern, 2)], ids="-".join
)
def test_patterns_are_told_apart(one: Pattern, other: Pattern) -> None:
    piece = render(one, 3 * SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ)
    assert similarity(render(other, 0, 10 * SAMPLE_RATE_HZ), piece)[1] < 0.3


@pytest.mark.parametrize("pattern", Pattern)
def test_another_seed_is_another_signal(pattern: Pattern) -> None:
    piece = render(pattern, 0, 4 * SAMPLE_RATE_HZ, seed=1)
    assert similarity(render(pattern, 0, 10 * SAMPLE_RATE_HZ), piece)[1] < 0.75


def test_bursts_of_chirps_differ_by_the_codes_distance() -> None:
    bursts = np.array(
        [render("chirps", k * SAMPLE_RATE_HZ, 9000) for k in range(CODES)]
    )
    bursts /= np.linalg.norm(bursts, axis=1, keepdims=True)
    likeness = np.abs(bursts @ bursts.T) - np.eye(CODES)
    assert likeness.max() < 0.36  # two places of six agree at most


def test_a_burst_is_short_and_within_its_band() -> None:
    second = render("chirps", 5 * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
    assert np.flatnonzero(second).max() < 0.18 * SAMPLE_RATE_HZ
    power = np.abs(np.fft.rfft(second)) ** 2
    assert power[900:6100].sum() > 0.98 * power.sum()


class TestToneSource:
    """The source plays what render() renders."""

    @given(
        duration=st.integers(0, 5000), reads=st.lists(st.integers(1, 2000), max_size=9)
    )
    @settings(max_examples=30, deadline=None)
    def test_law_plays_exactly_its_duration(
        self, duration: int, reads: list[int]
    ) -> None:
        source = ToneSource("music", duration / SAMPLE_RATE_HZ)
        parts = [source.read(samples) for samples in [*reads, 5000, 1]]
        np.testing.assert_array_equal(
            np.concatenate(parts), render("music", 0, duration)
        )

    def test_without_duration_goes_on(self) -> None:
        source = ToneSource("siren", seed=4)
        source.read(100 * SAMPLE_RATE_HZ)
        np.testing.assert_array_equal(
            source.read(10), render("siren", 100 * SAMPLE_RATE_HZ, 10, seed=4)
        )
        assert source.delay_ns == 0

    def test_finish_ends_it(self) -> None:
        source = ToneSource("siren")
        source.finish()
        assert len(source.read(960)) == 0

    @pytest.mark.parametrize(
        ("pattern", "duration_s"), [("polka", 1.0), ("music", -1.0), ("music", np.nan)]
    )
    def test_nonsense_is_refused(self, pattern: str, duration_s: float) -> None:
        with pytest.raises(ValueError, match=r"polka|duration_s"):
            ToneSource(pattern, duration_s)
