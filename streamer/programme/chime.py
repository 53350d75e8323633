"""The gong that opens a broadcast: generated, so that nothing is shipped for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

TONES_HZ = (659.26, 523.25, 392.00)
"E5, C5, G4: falling, as station gongs are."
TONE_SPACING_SAMPLES = 21_600
LENGTH_SAMPLES = 96_000
PEAK = 0.5
"-6 dBFS: speech that follows is not made to seem quiet."

# Partials of a struck bar: ratio to the fundamental, amplitude, decay in seconds.
_PARTIALS = ((1.0, 1.0, 0.55), (2.0, 0.35, 0.30), (3.0, 0.12, 0.18), (4.2, 0.06, 0.08))
_ATTACK_S = 0.004
_FADE_SAMPLES = 9_600


def three_tone_gong() -> Pcm:
    """Return two seconds of gong, the same every time; it ends in silence."""
    mix = np.zeros(LENGTH_SAMPLES)
    for number, hz in enumerate(TONES_HZ):
        start = number * TONE_SPACING_SAMPLES
        mix[start:] += _struck_tone(hz, LENGTH_SAMPLES - start)
    mix[-_FADE_SAMPLES:] *= np.cos(np.linspace(0, np.pi / 2, _FADE_SAMPLES)) ** 2
    gong: Pcm = (mix * (PEAK / np.max(np.abs(mix)))).astype(np.float32)
    return gong


def _struck_tone(hz: float, samples: int) -> npt.NDArray[np.float64]:
    seconds = np.arange(samples) / SAMPLE_RATE_HZ
    partials = [
        amplitude
        * np.exp(-seconds / decay_s)
        * np.sin(2 * np.pi * hz * ratio * seconds)
        for ratio, amplitude, decay_s in _PARTIALS
    ]
    attack = np.minimum(seconds / _ATTACK_S, 1.0)
    return np.asarray(attack * np.sum(partials, axis=0))
