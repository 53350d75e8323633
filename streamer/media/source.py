"""The seam between what produces PCM and the programme that airs it."""

from __future__ import annotations

from typing import Protocol

from streamer.media.frame import Pcm


class SourceFailed(Exception):
    """The source can produce no more; the message says why, for the operator."""


class Source(Protocol):
    """Produces mono 48 kHz PCM at the pace at which it is read.

    A programme's media thread asks for one frame every 20 ms of the server's
    clock. A live source whose own clock drifts is resampled inside the source, so
    what is read is on the server's clock. :meth:`read` is called from one thread;
    the others from any.
    """

    @property
    def delay_ns(self) -> int:
        """How long ago a sample was captured when `read` returns it; constant."""
        ...

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; fewer only at the end, none once it is over.

        Must return within a few milliseconds: a live source that has nothing
        conceals.

        Raises:
            SourceFailed: The source died (microphone gone, file unreadable).
        """
        ...

    def finish(self) -> None:
        """Ask for a graceful end: what was captured so far is still read."""
        ...

    def close(self) -> None:
        """Release what the source holds; idempotent."""
        ...


class PcmSource:
    """The shipped fake: plays an array once; with *failure*, dies of it at the end."""

    def __init__(self, pcm: Pcm, *, failure: str | None = None) -> None:
        self._pcm = pcm
        self._failure = failure
        self._position = 0
        self.closed = False

    @property
    def delay_ns(self) -> int:
        """Nothing waits here."""
        return 0

    def read(self, samples: int) -> Pcm:
        """Return the array's next *samples*."""
        start = self._position
        self._position = min(start + samples, len(self._pcm))
        if self._failure is not None and self._position == start:
            raise SourceFailed(self._failure)
        return self._pcm[start : self._position]

    def finish(self) -> None:
        """End before the next sample."""
        self._pcm = self._pcm[: self._position]

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
