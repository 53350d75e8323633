"""How loud a signal is, and how to keep it from being too loud.

Units: levels are in dBFS; 0 is a full-scale sample for peaks and a full-scale
square wave for RMS, so a full-scale sine is -3.01 dBFS RMS.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamer.media.frame import Pcm, silence

FLOOR_DBFS = -120.0
"What silence reads; a finite number, because JSON has no infinity."


@dataclass(frozen=True, slots=True)
class Level:
    """What a meter shows."""

    peak_dbfs: float
    rms_dbfs: float


QUIET = Level(FLOOR_DBFS, FLOOR_DBFS)


def to_dbfs(amplitude: float) -> float:
    """Return *amplitude* (1 is full scale) in dBFS, no less than the floor."""
    if amplitude <= 10 ** (FLOOR_DBFS / 20):
        return FLOOR_DBFS
    return 20 * math.log10(amplitude)


class LevelMeter:
    """Peak and RMS over the newest frames.

    :attr:`level` is replaced as a whole, so other threads may read it at any time.

    Args:
        window_frames: Calls of :meth:`add` that the meter remembers.
    """

    def __init__(self, window_frames: int = 20) -> None:
        self.level = QUIET
        self._frames: deque[tuple[float, float, int]] = deque(maxlen=window_frames)

    def add(self, pcm: Pcm) -> None:
        """Take in the next samples, at least one."""
        peak = float(np.max(np.abs(pcm)))
        self._frames.append((peak, float(np.dot(pcm, pcm)), len(pcm)))
        peaks, energies, samples = zip(*self._frames, strict=True)
        rms = math.sqrt(sum(energies) / sum(samples))
        self.level = Level(to_dbfs(max(peaks)), to_dbfs(rms))


class Limiter:
    """Look-ahead peak limiter: nothing above the ceiling, nothing touched below it.

    Output is input, later by :attr:`latency_samples`, times a gain that is at most
    1. The gain is down by the time a peak arrives: the largest reduction within the
    look-ahead is held, released exponentially, and averaged over the look-ahead. An
    average of values that each suffice for a sample suffices for it too.

    With no sample above the ceiling in the last 1.2 s, output equals input bit by
    bit. How samples are cut into calls does not matter.

    Args:
        ceiling_dbfs: Largest amplitude that leaves.
        lookahead_samples: How long before a peak the gain starts to fall.
        release_samples: Time constant of the gain's return.

    Raises:
        ValueError: The look-ahead or the release is not positive.
    """

    def __init__(
        self,
        *,
        ceiling_dbfs: float = -1.0,
        lookahead_samples: int = 240,
        release_samples: int = 4_800,
    ) -> None:
        if lookahead_samples <= 0 or release_samples <= 0:
            raise ValueError(f"need {lookahead_samples=} and {release_samples=} > 0")
        self._ceiling = np.float32(10 ** (ceiling_dbfs / 20))
        self._lookahead = lookahead_samples
        self._release = release_samples
        self._delayed = silence(lookahead_samples)
        # Reductions (1 - gain) of the last samples that left, before averaging.
        self._reductions = np.zeros(lookahead_samples)

    @property
    def latency_samples(self) -> int:
        """By how much output lags behind input."""
        return self._lookahead

    def process(self, pcm: Pcm) -> Pcm:
        """Return as many samples as are given, from `latency_samples` before.

        Args:
            pcm: The next samples, all finite, a second of them at most.
        """
        samples = np.concatenate((self._delayed, pcm))
        count = len(pcm)
        self._delayed = samples[count:]
        leaving = samples[:count]
        loudest = np.max(np.abs(samples), initial=0.0)
        if loudest <= self._ceiling and not self._reductions.any():
            return leaving
        limited = leaving * (1 - self._smooth(self._required(samples)))
        # The gain suffices but for rounding.
        clipped = np.clip(limited, -self._ceiling, self._ceiling)
        return clipped.astype(np.float32)

    def _required(self, samples: Pcm) -> npt.NDArray[np.float64]:
        """Return, for each leaving sample, the largest reduction needed soon."""
        amplitudes = np.abs(samples).astype(np.float64)
        ceiling = float(self._ceiling)
        return windowed_maximum(
            1 - ceiling / np.maximum(amplitudes, ceiling), self._lookahead + 1
        )

    def _smooth(self, required: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the reductions released and averaged; remember the last ones."""
        released = np.concatenate((self._reductions[-1:], required))
        released = decaying_maximum(released, self._release)[1:]
        history = np.concatenate((self._reductions, released))
        self._reductions = history[-self._lookahead :]
        sums = np.cumsum(history)
        window = self._lookahead
        # window + 1 values: those of the sample itself and of the window before it.
        first = sums[window:] - sums[:-window] + history[: len(sums) - window]
        return np.asarray(first / (window + 1))


def windowed_maximum(
    values: npt.NDArray[np.float64], window: int
) -> npt.NDArray[np.float64]:
    """Return the maximum of each *window* consecutive values; shorter by window - 1.

    Maxima over powers of two are doubled, so the cost is log2(window) passes.
    """
    maxima, covered = values, 1
    while covered < window:
        step = min(covered, window - covered)
        maxima = np.maximum(maxima[:-step], maxima[step:])
        covered += step
    return maxima


def decaying_maximum(
    values: npt.NDArray[np.float64], time_constant_samples: int
) -> npt.NDArray[np.float64]:
    """Return ``max(values[n], decay * previous result)`` for each n.

    Done as a running maximum of values scaled by the inverse decay; the scale stays
    small because the blocks are short. What decays below 1e-5 becomes 0.
    """
    scale = np.exp(np.arange(len(values)) / time_constant_samples)
    decayed = np.maximum.accumulate(values * scale) / scale
    decayed[decayed < 1e-5] = 0.0  # -0.0001 dB: an end to the exponential's tail
    return np.asarray(decayed)
