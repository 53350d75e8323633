"""What leaves the speaker: never too loud, and how loud it was (pure)."""

from __future__ import annotations

import numpy as np

from streamer.media.frame import Pcm, silence
from streamer.media.level import Limiter

LOOKAHEAD_SAMPLES = 96
"2 ms: what is due has to be given that much earlier."


class Output:
    """Holds the sum of what sounds to -1 dBFS; the limiter of `streamer.media.level`.

    Two programmes cross at a switch, and each may be at full scale. Cutting off their
    sum would crackle; the limiter turns it down for as long as needed.
    """

    latency_samples = LOOKAHEAD_SAMPLES
    "By how much what is returned lags behind what is given."

    def __init__(self) -> None:
        self._limiter = Limiter(lookahead_samples=LOOKAHEAD_SAMPLES)
        self._held_samples = 0  # of what sounded, still inside
        self._energy, self._energy_samples = 0.0, 0

    def prime(self, pcm: Pcm) -> None:
        """Take in `latency_samples` that come before what is given next."""
        self._limiter.process(pcm)

    def sound(self, pcm: Pcm) -> Pcm:
        """Return as much as *pcm*."""
        self._held_samples = LOOKAHEAD_SAMPLES
        return self._measured(self._limiter.process(pcm))

    def silence(self, samples: int) -> Pcm:
        """Return what is still held, then silence."""
        if self._held_samples <= 0:
            self._energy_samples += samples
            return silence(samples)
        self._held_samples -= samples
        return self._measured(self._limiter.process(silence(samples)))

    def take_level(self) -> float:
        """Return the mean power of what left since the last call; 1 is full scale."""
        energy, samples = self._energy, self._energy_samples
        self._energy, self._energy_samples = 0.0, 0
        return energy / samples if samples else 0.0

    def _measured(self, pcm: Pcm) -> Pcm:
        self._energy += float(np.dot(pcm, pcm))
        self._energy_samples += len(pcm)
        return pcm
