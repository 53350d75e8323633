"""A source again and again: an emergency's message, until somebody stops it."""

from __future__ import annotations

import threading
from typing import Self

import numpy as np

from ingest.opening import Opener, Opening
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import Source, SourceFailed

MAX_GAP_SAMPLES = 30 * SAMPLE_RATE_HZ
"ISO 7240-16, clause 7.2.2: messages follow one another within 30 s."
MAX_FAILURES = 5
"Passes without a sample, in a row, until the whole is given up."
RETRY_SAMPLES = SAMPLE_RATE_HZ
"Silence after such a pass, at least: what vanished may come back."
OPEN_TIMEOUT_S = 5.0


class RepeatingSource:
    """A `streamer.media.source.Source` that plays another from its beginning again.

    What is read is, exact to the sample: a pass, the gap, the attention signal, the
    next pass and so on, until `finish`. Each pass is opened during the one before.
    One that breaks off is repeated all the same; the gap grows by what an opening
    takes longer. It stands still while it is not read.

    Args:
        opener: Opens a pass; called on threads of their own, one at a time.
        gap_samples: Silence between two passes.
        attention: Sounds after the gap, before each repetition but not before the
            first pass (where the programme's own chime is).
        patience_s: How long `read` may wait for an opening.

    Raises:
        ValueError: The gap is negative, or longer than `MAX_GAP_SAMPLES`.
    """

    def __init__(
        self,
        opener: Opener,
        *,
        gap_samples: int = 0,
        attention: Pcm | None = None,
        patience_s: float = 0.005,
    ) -> None:
        if not 0 <= gap_samples <= MAX_GAP_SAMPLES:
            raise ValueError(f"need 0 <= {gap_samples=} <= {MAX_GAP_SAMPLES}")
        between = silence(0) if attention is None else attention
        self._between = np.concatenate((silence(gap_samples), between))
        self._opener = opener
        self._patience_s = patience_s
        self._lock = threading.Lock()  # of what read and close both use
        self._next: Opening | None = None
        self._current: Source | None = None
        self._current_samples = 0
        self._pending = silence(0)  # of what sounds between two passes
        self._failures = 0
        self._finished = False
        self.passes = 0
        "Begun so far."
        self.concealed_samples = 0
        "Silence that was read because an opening took longer than the gap."

    @classmethod
    def open(
        cls, opener: Opener, *, gap_samples: int = 0, attention: Pcm | None = None
    ) -> Self:
        """Return it with its first pass open; blocks, call it off the loop.

        Raises:
            ValueError: As the class does.
            SourceFailed: The first pass cannot be opened.
        """
        source = cls(opener, gap_samples=gap_samples, attention=attention)
        source._next = Opening.begin(opener, "the first pass")
        if source._next.wait(OPEN_TIMEOUT_S):
            source._current = source._next.take()
            source._begun()
        return source

    @property
    def delay_ns(self) -> int:
        """A sample is captured when it is read."""
        return 0

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; fewer only after `finish`.

        Raises:
            SourceFailed: No pass of the last five had a sample.
        """
        with self._lock:
            parts, missing = [silence(0)], samples
            while missing and not self._finished:
                parts.append(self._piece(missing))
                missing -= len(parts[-1])
            return np.concatenate(parts)

    def finish(self) -> None:
        """End before the next sample."""
        self._finished = True

    def close(self) -> None:
        """Close what is open; idempotent."""
        self._finished = True
        with self._lock:
            if self._current is not None:
                self._current.close()
            if self._next is not None:
                self._next.abandon()
            self._current = self._next = None

    def _piece(self, samples: int) -> Pcm:
        """Return up to *samples* of whatever is next; none where a part ends."""
        if len(self._pending):
            pcm, self._pending = self._pending[:samples], self._pending[samples:]
            return pcm
        if self._current is None and not self._begin():
            self.concealed_samples += samples
            return silence(samples)
        return self._read_pass(samples)

    def _begin(self) -> bool:
        """Begin a pass if it is open by now; return whether to go on."""
        if self._next is None:
            self._next = Opening.begin(self._opener, "a pass")
        try:
            self._current = self._next.take(self._patience_s)
        except SourceFailed as failure:
            self._next = None
            self._end_pass(str(failure))
            return True
        if self._current is None:
            return False
        self._begun()
        return True

    def _begun(self) -> None:
        self.passes += 1
        self._current_samples = 0
        self._next = Opening.begin(self._opener, "the next pass")

    def _read_pass(self, samples: int) -> Pcm:
        if self._current is None:
            return silence(0)
        try:
            pcm = self._current.read(samples)
        except SourceFailed as failure:
            self._end_pass(str(failure))
            return silence(0)
        self._current_samples += len(pcm)
        if len(pcm) < samples:
            self._end_pass("it is empty")
        return pcm

    def _end_pass(self, why: str) -> None:
        if self._current is not None:
            self._current.close()
        empty = self._current is None or self._current_samples == 0
        self._current = None
        self._failures = self._failures + 1 if empty else 0
        if self._failures >= MAX_FAILURES:
            raise SourceFailed(f"it cannot be repeated: {why}")
        self._pending = self._between
        if empty and len(self._between) < RETRY_SAMPLES:
            self._pending = silence(RETRY_SAMPLES)
