"""WSOLA on signals whose period is known, and on those that have none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.tone import Pattern, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm
from streamer.media.timestretch import (
    COMPARED_SAMPLES,
    MAX_LAG_SAMPLES,
    MIN_LAG_SAMPLES,
    lengthen,
    shorten,
    similarity,
)

SPEECH = render(Pattern.BULLETIN, 0, 10 * SAMPLE_RATE_HZ)


def voice(hz: float, samples: int = 4_000) -> Pcm:
    """A voiced sound: a few harmonics of its pitch."""
    turns = 2 * np.pi * hz * np.arange(samples) / SAMPLE_RATE_HZ
    harmonics = [np.sin(k * turns) / k for k in range(1, 6)]
    return np.asarray(0.2 * np.sum(harmonics, axis=0), dtype=np.float32)


def steepest(pcm: Pcm) -> float:
    return float(np.abs(np.diff(pcm)).max())


@pytest.mark.parametrize("hz", [75, 110, 180, 260, 390])
def test_takes_out_whole_periods(hz: int) -> None:
    pcm = voice(hz)
    shorter = shorten(pcm, MAX_LAG_SAMPLES)
    removed = len(pcm) - len(shorter)
    periods = removed * hz / SAMPLE_RATE_HZ
    assert removed >= MIN_LAG_SAMPLES
    assert periods == pytest.approx(round(periods), abs=0.02)
    expected = voice(hz, len(shorter))
    assert np.abs(shorter - expected).max() < 0.05
    assert steepest(shorter) < 1.05 * steepest(pcm)


@pytest.mark.parametrize("hz", [75, 110, 180, 260, 390])
def test_puts_in_whole_periods_that_go_on_from_what_was_heard(hz: int) -> None:
    pcm = voice(hz)
    past, window = pcm[:1_000], pcm[1_000:]
    longer = lengthen(past, window, MAX_LAG_SAMPLES)
    heard = np.concatenate((past, longer))
    assert len(longer) > len(window)
    assert np.abs(heard - voice(hz, len(heard))).max() < 0.05
    assert steepest(heard) < 1.05 * steepest(pcm)


def test_leaves_noise_alone() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 3_000).astype(np.float32)
    assert shorten(noise, MAX_LAG_SAMPLES) is noise
    assert lengthen(noise[:720], noise[720:], MAX_LAG_SAMPLES) is not noise
    assert len(lengthen(noise[:720], noise[720:], MAX_LAG_SAMPLES)) == 2_280


@pytest.mark.parametrize("longest", [120, 333, 720])
def test_takes_as_much_as_it_may_where_it_is_quiet(longest: int) -> None:
    hiss = np.random.default_rng(1).normal(0, 1e-3, 3_000).astype(np.float32)
    assert len(shorten(hiss, longest)) == 3_000 - longest
    assert len(lengthen(hiss[:720], hiss[720:], longest)) == 2_280 + longest


def test_is_given_less_than_a_period_to_find() -> None:
    assert len(shorten(voice(200), MIN_LAG_SAMPLES - 1)) == 4_000


def test_needs_a_whole_window() -> None:
    with pytest.raises(ValueError, match="1199 samples are too few"):
        shorten(voice(200)[: COMPARED_SAMPLES + 719], MAX_LAG_SAMPLES)


def test_finds_the_period_of_a_voice() -> None:
    for back in (False, True):
        found = similarity(voice(100)[:1_440], MAX_LAG_SAMPLES, back=back)
        assert abs(found.lag_samples - 480) <= 1
        assert found.correlation > 0.99


@given(at=st.integers(0, 9 * SAMPLE_RATE_HZ), longest=st.integers(0, 2_000))
def test_law_of_speech(at: int, longest: int) -> None:
    """No more is changed than may be, ends are kept, and nothing clicks or grows."""
    past, pcm = SPEECH[max(0, at - 720) : at], SPEECH[at : at + 2_400]
    loudest, sharpest = float(np.abs(pcm).max()), steepest(pcm)
    shorter = shorten(pcm, longest)
    assert 0 <= len(pcm) - len(shorter) <= min(longest, MAX_LAG_SAMPLES)
    assert np.array_equal(shorter[-900:], pcm[-900:])
    assert float(np.abs(shorter).max()) <= loudest * 1.001
    assert steepest(shorter) <= sharpest * 1.5 + 1e-3
    if len(past) == MAX_LAG_SAMPLES:
        longer = lengthen(past, pcm, longest)
        assert 0 <= len(longer) - len(pcm) <= min(longest, MAX_LAG_SAMPLES)
        assert np.array_equal(longer[-len(pcm) :], pcm)
