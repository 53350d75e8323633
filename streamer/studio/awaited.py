"""A source that is still being opened."""

from __future__ import annotations

import asyncio

from streamer.media.frame import Pcm, silence
from streamer.media.source import Source, SourceFailed


class AwaitedSource:
    """Silence until the awaited source is open, then that source from its start.

    Nothing of it is lost: a programme that begins anew must go on the air at once,
    and opening may take as long as a disk likes.

    Args:
        opening: Gives the source, whose `delay_ns` must be 0; or fails.
    """

    def __init__(self, opening: asyncio.Task[Source]) -> None:
        self._opening = opening
        self._finished = False

    @property
    def delay_ns(self) -> int:
        """What can be opened anew is captured when it is read."""
        return 0

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; on the media thread.

        Raises:
            SourceFailed: It could not be opened, or died.
        """
        if self._finished:
            return silence(0)
        # Done is done: only reading what a finished task holds is safe off its loop.
        if not self._opening.done():
            return silence(samples)
        return self._opened().read(samples)

    def finish(self) -> None:
        """End before the next sample."""
        self._finished = True

    def close(self) -> None:
        """Close the source if it was opened; idempotent."""
        self._finished = True
        if self._opening.done() and _is_open(self._opening):
            self._opening.result().close()

    def _opened(self) -> Source:
        try:
            return self._opening.result()
        except (Exception, asyncio.CancelledError) as error:
            reason = str(error) or type(error).__name__
            raise SourceFailed(f"it cannot be opened again: {reason}") from error


def _is_open(opening: asyncio.Task[Source]) -> bool:
    return not opening.cancelled() and opening.exception() is None
