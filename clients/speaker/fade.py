"""Gains that move without a click (pure)."""

from __future__ import annotations

import numpy as np

from streamer.media.frame import Pcm


class Fader:
    """A gain that goes to where it is sent along a raised cosine."""

    def __init__(self, value: float = 0.0) -> None:
        self._value = self._origin = self._target = value
        self._length = self._done = 0

    @property
    def silent(self) -> bool:
        """Whether it is at zero and stays there."""
        return self._value == 0 == self._target

    def set(self, value: float) -> None:
        """Be at *value* at once; only where nothing is heard."""
        self._value = self._origin = self._target = value
        self._length = self._done = 0

    def to(self, target: float, samples: int) -> None:
        """Move from where it is to *target* within *samples*; again is no change."""
        if target != self._target:
            self._origin, self._target = self._value, target
            self._length, self._done = samples, 0

    def take(self, samples: int) -> Pcm | np.float32:
        """Return the gains of the next *samples*; one number when they are equal."""
        if samples == 0 or self._value == self._target:
            return np.float32(self._value)
        steps = np.arange(self._done + 1, self._done + 1 + samples)
        phase = np.pi * np.minimum(steps, self._length) / self._length
        rise = (1 - np.cos(phase)) / 2
        gains = self._origin + (self._target - self._origin) * rise
        self._done += samples
        done = self._done >= self._length
        self._value = self._target if done else float(gains[-1])
        return gains.astype(np.float32)
