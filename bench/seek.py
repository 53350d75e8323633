"""Search a whole pattern for a second of sound, fast: coarsely, at 8 kHz."""

from __future__ import annotations

import numpy as np

from bench.correlate import Match, Signal, band_limited
from streamer.media.frame import Pcm

DECIMATION = 6
_MIN_ENERGY = 1e-9


class Haystack:
    """A pattern made ready for many searches of windows of one length.

    Args:
        pattern: What to search; at least as long as a window.
        window_samples: Length of each window, a multiple of `DECIMATION`.
    """

    def __init__(self, pattern: Pcm, window_samples: int) -> None:
        coarse = decimated(pattern)
        self._length = window_samples // DECIMATION
        self._places = max(0, len(coarse) - self._length + 1)
        self._size = 1 << (len(coarse) + self._length - 1).bit_length()
        self._spectrum = np.fft.rfft(coarse, self._size)
        sums = np.concatenate(([0.0], np.cumsum(coarse**2)))
        energy = sums[self._length :] - sums[: self._places]
        self._norms = np.sqrt(np.maximum(energy, _MIN_ENERGY))

    def find(self, window: Pcm) -> Match:
        """Return where *window* fits best, within `DECIMATION` samples."""
        if self._places == 0:
            return Match(0, 0.0)
        wanted = decimated(window)
        norm = max(float(np.sqrt(np.sum(wanted**2))), _MIN_ENERGY)
        spectrum = self._spectrum * np.conj(np.fft.rfft(wanted, self._size))
        products = np.fft.irfft(spectrum, self._size)[: self._places]
        scores = products / (self._norms * norm)
        best = int(np.argmax(scores))
        return Match(best * DECIMATION, float(scores[best]))


def decimated(pcm: Pcm) -> Signal:
    """Return *pcm* at a sixth of its rate, band-limited; a remainder is cut off."""
    whole = pcm[: len(pcm) // DECIMATION * DECIMATION]
    # 3.5 kHz of the band lie below the new half rate of 4 kHz.
    coarse: Signal = band_limited(whole, high_hz=3_500.0)[::DECIMATION]
    return coarse
