"""Tests of streamer.programme.chime: the attention signal, measured."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.programme.chime import (
    ATTENTION_TONES_HZ,
    PEAK,
    attention_signal,
    three_tone_gong,
)

SECOND = attention_signal(3)[:SAMPLE_RATE_HZ]


@pytest.mark.parametrize("duration_s", [0, 3, 10])
def test_the_signal_lasts_exactly_as_long_as_asked(duration_s: int) -> None:
    signal = attention_signal(duration_s)
    assert signal.dtype == np.float32
    assert signal.shape == (duration_s * SAMPLE_RATE_HZ,)
    np.testing.assert_array_equal(signal, np.tile(SECOND, duration_s))


@pytest.mark.parametrize("duration_s", [-3, 1, 5, 11])
def test_any_other_length_is_refused(duration_s: int) -> None:
    with pytest.raises(ValueError, match="duration_s"):
        attention_signal(duration_s)


def test_it_leaves_headroom_and_is_5_db_louder_than_a_gong() -> None:
    assert np.abs(SECOND).max() == pytest.approx(PEAK)

    def loudness(pcm: np.ndarray) -> float:
        return float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))

    assert loudness(SECOND) > 10 ** (5 / 20) * loudness(three_tone_gong())


def test_it_clicks_nowhere() -> None:
    """No step, at the ends or inside, is larger than its highest partial makes."""
    steps = np.abs(np.diff(np.concatenate(([0], SECOND, [0]))))
    steepest = 2 * np.pi * max(ATTENTION_TONES_HZ) / SAMPLE_RATE_HZ * (1 + 0.8 + 0.6)
    assert steps.max() <= PEAK * steepest
    quiet = 0.05 * PEAK
    edges = np.abs(SECOND[[*range(10), *range(-10, 0)]])
    assert edges.max() < quiet


@pytest.mark.parametrize(("start_s", "hz"), [(0.1, 800.0), (0.5, 970.0)])
def test_it_alternates_between_two_tones(start_s: float, hz: float) -> None:
    start = round(start_s * SAMPLE_RATE_HZ)
    part = SECOND[start : start + SAMPLE_RATE_HZ // 5]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    assert np.argmax(spectrum) * 5 == pytest.approx(hz, abs=5)


def test_a_pause_parts_it_from_the_voice() -> None:
    assert not SECOND[-SAMPLE_RATE_HZ // 5 :].any()
