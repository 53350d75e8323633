"""Two clocks that disagree by parts per million: measure, correct, resample (pure).

A reader takes media from a stream on one clock and produces output on another (a
sound card against the server, the server against a microphone). The servo turns the
reader's position error into a ratio near one; the resampler applies it without a
click. Crystals are 20-100 ppm off, at most 500 here; larger errors are not drift and
are the caller's to step over.

Units: ratio is output samples per input sample; ppm are parts per million of it.
"""

from __future__ import annotations

import numpy as np
import samplerate

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

LIMIT_PPM = 500.0
"Half a millisecond per second: far below what an ear notices as pitch."
_PPM = 1e-6


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
    Constructing it allocates the filter's state; nothing else is held.
    """

    LOOKAHEAD_SAMPLES = 20
    "Input held back by libsamplerate's fastest sinc (measured; tests hold it)."

    def __init__(self) -> None:
        self._resampler = samplerate.Resampler("sinc_fastest", channels=1)
        self._ratio: float | None = None
        self.input_position = 0.0
        "Where in the input the next output sample lies."

    def process(self, pcm: Pcm, ratio: float) -> Pcm:
        """Take the next input and return the output it allows, perhaps none.

        Over the call the ratio moves evenly from the last one to *ratio*, so a
        change does not click.
        """
        output = self._resampler.process(pcm, ratio, end_of_input=False)
        previous = ratio if self._ratio is None else self._ratio
        if len(output):
            self._ratio = ratio
            self.input_position += len(output) / ((previous + ratio) / 2)
        return np.array(output, dtype=np.float32)

    def reset(self) -> None:
        """Start anew: the next input is sample 0."""
        self._resampler.reset()
        self._ratio = None
        self.input_position = 0.0
