"""From what a source gives to what may be encoded: finite, limited, metered."""

from __future__ import annotations

import numpy as np

from streamer.media.frame import Pcm
from streamer.media.level import Level, LevelMeter, Limiter


class Conditioner:
    """Makes PCM fit to be sent; as many samples leave as enter.

    Output lags behind input by :attr:`latency_samples`; what stays below the
    limiter's ceiling is not changed by one bit.
    """

    def __init__(self, limiter: Limiter | None = None) -> None:
        self._limiter = limiter or Limiter()
        self._meter = LevelMeter()

    @property
    def latency_samples(self) -> int:
        """By how much output lags behind input."""
        return self._limiter.latency_samples

    @property
    def level(self) -> Level:
        """Level of what left within the last 0.4 s; safe to read from any thread."""
        return self._meter.level

    def process(self, pcm: Pcm) -> Pcm:
        """Return the next frame for the encoder.

        Args:
            pcm: The next frame of the source, of any values: a float file may hold
                NaN, which would stay in libopus' filters for ever.
        """
        limited = self._limiter.process(_finite(pcm))
        self._meter.add(limited)
        return limited


def _finite(pcm: Pcm) -> Pcm:
    if np.isfinite(pcm).all():
        return pcm
    finite: Pcm = np.nan_to_num(pcm, nan=0.0, posinf=1.0, neginf=-1.0)
    return finite
