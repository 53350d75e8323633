"""Two clocks that disagree by parts per million: measure, correct, resample (pure).

A reader takes media from a stream on one clock and produces output on another (a
sound card against the server, the server against a microphone). The servo turns the
reader's position error into a ratio near one; the resampler applies it without a
click. Crystals are 20-100 ppm off, at most 500 here; larger errors are not drift and
are the caller's to step over.

Units: ratio is output samples per input sample; ppm are parts per million of it.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

LIMIT_PPM = 500.0
"Half a millisecond per second: far below what an ear notices as pitch."
_PPM = 1e-6
_TAPS = 32
_KAISER_BETA = 7.0  # flat within 0.1 dB to 18 kHz, images below -70 dB there
_FRACTIONS = 256
_MAX_MOVE = 1 / 8  # blended: -60 dB at 8 kHz, twelve less for each octave below
_MAX_STRETCH = 4_096


class DriftServo:
    """PI controller from a position error to a resampling ratio.

    With e the error and u the correction in ppm, the error moves by
    ``48e-3 * (drift - u)`` samples per second, so that the gains below put both
    poles at ``-1 / time_constant_s`` (critically damped: no overshoot beyond that of
    the integral).

    Args:
        time_constant_s: How fast an error is corrected; longer is calmer against
            jittery measurements.
        limit_ppm: Bound of the correction.
    """

    def __init__(
        self, *, time_constant_s: float = 5.0, limit_ppm: float = LIMIT_PPM
    ) -> None:
        samples_per_s_and_ppm = SAMPLE_RATE_HZ * _PPM
        self._proportional = 2 / (samples_per_s_and_ppm * time_constant_s)
        self._integral = 1 / (samples_per_s_and_ppm * time_constant_s**2)
        self._limit_ppm = limit_ppm
        self._correction_ppm = 0.0
        self.drift_ppm = 0.0
        "How much faster than the input's clock the output's clock runs, as learnt."

    @property
    def ratio(self) -> float:
        """The last ratio: output samples per input sample."""
        return 1 + self._correction_ppm * _PPM

    def update(self, ahead_samples: float, interval_s: float) -> float:
        """Learn the error and return the ratio to use from now on.

        Args:
            ahead_samples: How far the reader is ahead of where it ought to be in
                the input; negative when it is behind (its backlog grows).
            interval_s: Time since the last update.
        """
        wanted = self.drift_ppm + self._proportional * ahead_samples
        self._correction_ppm = self._bounded(wanted)
        # A saturated controller must not wind up its memory (anti-windup).
        if wanted == self._correction_ppm:
            step = self._integral * ahead_samples * interval_s
            self.drift_ppm = self._bounded(self.drift_ppm + step)
        return self.ratio

    def _bounded(self, value_ppm: float) -> float:
        return min(max(value_ppm, -self._limit_ppm), self._limit_ppm)


class VariableResampler:
    """Resamples a mono stream by a ratio near one that may change at every call.

    It does not shift the signal: output sample 0 is input sample 0. It only looks
    ahead, by :attr:`LOOKAHEAD_SAMPLES` of input, which are therefore held back.

    How: a windowed sinc is shifted by the fraction of a sample at which the output
    lies. As the ratio is near one that fraction hardly moves within a block, so a
    stretch of output is two plain convolutions, for the fractions at its ends, and a
    blend between them. Measured against libsamplerate's fastest sinc in README.md.

    Sources: Smith, "Digital Audio Resampling" (windowed sinc); Laakso et al.,
    "Splitting the Unit Delay", IEEE SP Magazine 1996 (fractional delays).
    """

    LOOKAHEAD_SAMPLES = _TAPS // 2
    "Input held back: half the filter."

    def __init__(self) -> None:
        self._fractions = _shifted_sincs()
        self.reset()

    def reset(self) -> None:
        """Start anew: the next input is sample 0."""
        self._held = silence(_TAPS // 2 - 1)  # what lies before the input is silence
        self._first = 1 - _TAPS // 2
        self.input_position = 0.0
        "Where in the input the next output sample lies."

    def process(self, pcm: Pcm, ratio: float) -> Pcm:
        """Take the next input and return the output it allows, perhaps none.

        A change of the ratio changes no sample's place, so it does not click.
        """
        self._held = np.concatenate((self._held, pcm))
        end = self._first + len(self._held) - self.LOOKAHEAD_SAMPLES
        parts = []
        while self.input_position < end:
            parts.append(self._stretch_until(end, 1 / ratio))
        self._forget()
        return parts[0] if len(parts) == 1 else np.concatenate([silence(0), *parts])

    def _stretch_until(self, end: int, step: float) -> Pcm:
        """Return output up to *end* of the input, or less of it."""
        start = math.floor(self.input_position)
        fraction = self.input_position - start
        count = math.ceil((end - self.input_position) / step)
        count = min(count, end - start, _stretch(fraction, step - 1))
        begin = start - (_TAPS // 2 - 1) - self._first
        source = self._held[begin : begin + count + _TAPS - 1]
        self.input_position += count * step
        if fraction == 0 and step == 1:
            return source[_TAPS // 2 - 1 :][:count].copy()
        output = np.convolve(source, self._filter(fraction), "valid")
        moved = min(max(fraction + count * (step - 1), 0.0), 1.0) - fraction
        if moved:
            # In place: a block has thousands of samples, and caches are cold.
            other = np.convolve(source, self._filter(fraction + moved), "valid")
            other -= output
            other *= np.arange(count, dtype=np.float32) * np.float32((step - 1) / moved)
            output += other
        return output

    def _filter(self, fraction: float) -> Pcm:
        """Return the sinc that looks *fraction* of a sample ahead."""
        place = fraction * _FRACTIONS
        below = min(int(place), _FRACTIONS - 1)
        low, high = self._fractions[below], self._fractions[below + 1]
        return np.asarray(low + (high - low) * np.float32(place - below))

    def _forget(self) -> None:
        first = math.floor(self.input_position) - (_TAPS // 2 - 1)
        self._held = self._held[first - self._first :]
        self._first = first


def _stretch(fraction: float, slope: float) -> int:
    """Return for how many samples a blend between two fractions is exact enough.

    The fraction moves by *slope* for each; it must neither leave 0..1 nor move far.
    """
    if slope == 0:
        return _MAX_STRETCH
    room = 1 - fraction if slope > 0 else fraction
    return min(math.floor(min(room, _MAX_MOVE) / abs(slope)) + 1, _MAX_STRETCH)


@cache
def _shifted_sincs() -> Pcm:
    """Return sincs shifted by 0 to 1 sample, windowed; shape (fractions + 1, taps).

    Reversed, as a convolution reads its filter backwards.
    """
    shifts = np.arange(_FRACTIONS + 1)[:, np.newaxis] / _FRACTIONS
    places = np.arange(_TAPS) - (_TAPS // 2 - 1) - shifts
    inside = np.maximum(0.0, 1 - (places / (_TAPS // 2)) ** 2)
    window = np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA)
    filters = np.sinc(places) * window
    filters /= filters.sum(axis=1, keepdims=True)  # a constant stays what it is
    return np.ascontiguousarray(filters[:, ::-1], dtype=np.float32)
