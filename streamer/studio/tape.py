"""A source that may be read again from a little earlier on.

Whoever interrupts a broadcast is heard from an instant in the past: a microphone's
first syllable was captured before anybody knew of it. What the interrupted one gave
after that instant nobody heard, so it goes on from there, to the sample.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import Source, SourceFailed

KEPT_SAMPLES = 12 * SAMPLE_RATE_HZ
"2.3 MB; as far as a silence reaches back (10 s), and a little more."


class Tape:
    """Keeps what a source gave last, and is read by heads.

    Each head reads all samples from its place on, in order, whatever others read
    meanwhile and from which threads. The source is read no further than the head
    that is ahead of all others.

    Args:
        source: Nobody else reads or closes it.
        kept_samples: How far back a new head may begin.
    """

    def __init__(self, source: Source, *, kept_samples: int = KEPT_SAMPLES) -> None:
        self._source = source
        self._kept_samples = kept_samples
        self._lock = threading.Lock()
        self._pieces: deque[Pcm] = deque()
        self._oldest = 0  # number of the first sample that is kept
        self._newest = 0  # number of the first sample that was not read yet
        self._over = False
        self._failure: SourceFailed | None = None

    @property
    def delay_ns(self) -> int:
        """The source's."""
        return self._source.delay_ns

    def holds(self, sample: int) -> bool:
        """Return whether a head may begin at this sample."""
        return sample >= self._oldest

    def head(self, from_sample: int) -> Head:
        """Return a source that begins with sample number *from_sample*.

        It begins with the oldest sample that is kept if that one is not.
        """
        return Head(self, max(from_sample, self._oldest))

    def close(self) -> None:
        """Close the source; idempotent, and not for the loop."""
        self._source.close()

    def read(self, from_sample: int, samples: int) -> Pcm:
        """Return *samples* from a number on; fewer only at the source's end.

        Raises:
            SourceFailed: The source died at or before *from_sample*.
        """
        with self._lock:
            until = from_sample + samples
            while self._newest < until and not self._over:
                self._advance(until - self._newest)
            pcm = self._kept(from_sample, until)
            self._forget(from_sample)
            if len(pcm) == 0 and self._failure is not None and samples > 0:
                raise self._failure
            return pcm

    def _advance(self, samples: int) -> None:
        try:
            pcm = self._source.read(samples)
        except SourceFailed as failure:
            self._failure, self._over = failure, True
            return
        self._over = len(pcm) < samples
        self._pieces.append(pcm)
        self._newest += len(pcm)

    def _forget(self, before: int) -> None:
        """Let go of pieces that are too old, and older than *before*."""
        most = min(before, self._newest - self._kept_samples)
        while self._pieces and self._oldest + len(self._pieces[0]) <= most:
            self._oldest += len(self._pieces.popleft())

    def _kept(self, first: int, until: int) -> Pcm:
        """Return what is kept of the samples *first* to *until*."""
        parts = [silence(0)]
        end = self._newest
        for piece in reversed(self._pieces):  # what is wanted is nearly always last
            start = end - len(piece)
            if end <= first:
                break
            parts.append(piece[max(0, first - start) : max(0, until - start)])
            end = start
        return np.concatenate(parts[::-1])


class Head:
    """A `Source` that reads a `Tape`; closing it leaves the tape as it is."""

    def __init__(self, tape: Tape, position: int) -> None:
        self._tape = tape
        self._finished = False
        self.position = position
        "Number of the sample that is read next."

    @property
    def delay_ns(self) -> int:
        """The tape's."""
        return self._tape.delay_ns

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; fewer only at the end.

        Raises:
            SourceFailed: The source died here.
        """
        if self._finished:
            return silence(0)
        pcm = self._tape.read(self.position, samples)
        self.position += len(pcm)
        return pcm

    def finish(self) -> None:
        """End before the next sample: what can stand still captures nothing."""
        self._finished = True

    def close(self) -> None:
        """Read no more."""
        self._finished = True
