"""What opens a broadcast: a gong, or the attention signal of an emergency.

Both are generated, so that nothing is shipped for them.
"""

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


ATTENTION_DURATIONS_S = (0, 3, 10)
"What an operator may choose from; ISO 7240-16 (clause 7.2.2) wants 3 to 10 s."
ATTENTION_TONES_HZ = (800.0, 970.0)
"A third apart; horns carry both, and old ears hear them."
_ATTENTION_TONE_SAMPLES = 19_200
_ATTENTION_EDGE_SAMPLES = 720
# Of the fundamental, the octave and the twelfth: pure tones hide in noise.
_ATTENTION_AMPLITUDES = (1.0, 0.4, 0.2)


def attention_signal(duration_s: int) -> Pcm:
    """Return what draws attention before the first word of an emergency.

    Each second two rising tones of 0.4 s and a pause of 0.2 s, which also parts the
    signal from the voice. Alternating tones between 500 and 1,000 Hz with their
    harmonics carry far (ISO 7731 wants most of it within 500 to
    2,500 Hz). The pattern is none that has a meaning of its own: three pulses and a
    pause would say "evacuate" (ISO 8201). It rises and falls within 15 ms, so that
    it does not click, and peaks at -6 dBFS, as the gong.

    Args:
        duration_s: One of `ATTENTION_DURATIONS_S`; 0 is no signal at all.

    Raises:
        ValueError: It is none of these.
    """
    if duration_s not in ATTENTION_DURATIONS_S:
        raise ValueError(f"{duration_s=} is none of {ATTENTION_DURATIONS_S}")
    second = np.zeros(SAMPLE_RATE_HZ)
    for number, hz in enumerate(ATTENTION_TONES_HZ):
        start = number * _ATTENTION_TONE_SAMPLES
        second[start : start + _ATTENTION_TONE_SAMPLES] = _horn_tone(hz)
    second *= PEAK / np.max(np.abs(second))
    signal: Pcm = np.tile(second, duration_s).astype(np.float32)
    return signal


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


def _horn_tone(hz: float) -> npt.NDArray[np.float64]:
    at = np.arange(_ATTENTION_TONE_SAMPLES)
    phase = 2 * np.pi * hz * at / SAMPLE_RATE_HZ
    wave = sum(
        amplitude * np.sin(number * phase)
        for number, amplitude in enumerate(_ATTENTION_AMPLITUDES, start=1)
    )
    nearest_edge = np.minimum(at, _ATTENTION_TONE_SAMPLES - at)
    rise = np.minimum(nearest_edge / _ATTENTION_EDGE_SAMPLES, 1.0)
    return np.asarray(wave * np.sin(rise * np.pi / 2) ** 2)
