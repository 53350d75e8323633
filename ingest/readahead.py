"""A bounded hand-over of PCM from a thread that may stall to one that may not."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from streamer.media.frame import Pcm, silence


class ReadAhead:
    """Holds PCM between one producing and one reading thread.

    Bound and rule: the producer waits while *capacity_samples* or more are held, so
    that at most one of its pieces more is.
    """

    def __init__(self, capacity_samples: int) -> None:
        self._capacity_samples = capacity_samples
        self._changed = threading.Condition()
        self._pieces: deque[Pcm] = deque()
        self._held_samples = 0
        self._ended = False
        self._closed = False

    def put(self, pcm: Pcm) -> bool:
        """Append *pcm*, waiting for room; return False once nobody reads any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._held_samples < self._capacity_samples or self._closed
            )
            if self._closed:
                return False
            self._pieces.append(pcm)
            self._held_samples += len(pcm)
            self._changed.notify_all()
            return True

    def end(self) -> None:
        """Say that nothing will follow."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_filled(self, samples: int, timeout_s: float) -> bool:
        """Wait until *samples* are held, or all there will be; return whether."""
        samples = min(samples, self._capacity_samples)
        with self._changed:
            return self._changed.wait_for(
                lambda: self._held_samples >= samples or self._ended, timeout_s
            )

    def take(self, samples: int, timeout_s: float) -> tuple[Pcm, bool]:
        """Return up to *samples*, waiting for them, and whether those were the last."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._held_samples >= samples or self._ended, timeout_s
            )
            taken = self._cut(samples)
            self._changed.notify_all()
            return taken, self._ended and not self._held_samples

    def close(self) -> None:
        """Let go of what is held and of a producer that waits."""
        with self._changed:
            self._closed = self._ended = True
            self._pieces.clear()
            self._held_samples = 0
            self._changed.notify_all()

    def _cut(self, samples: int) -> Pcm:
        parts, missing = [silence(0)], samples
        while missing and self._pieces:
            piece = self._pieces.popleft()
            parts.append(piece[:missing])
            if len(piece) > missing:
                self._pieces.appendleft(piece[missing:])
            missing -= len(parts[-1])
        self._held_samples -= samples - missing
        return np.concatenate(parts)
