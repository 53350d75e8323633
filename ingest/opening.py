"""Opens a source on a thread of its own, so that nobody on air waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self, TypeAlias

from streamer.media.source import Source, SourceFailed

Opener: TypeAlias = Callable[[], Source]
"Opens a source anew, from its beginning; may block; raises when it cannot."


class Opening:
    """A source that is being opened; made by :meth:`begin`.

    Whoever begins it either takes the source or abandons it. The thread is gone once
    the opener has returned; one that never does keeps it.
    """

    def __init__(self, opener: Opener, name: str) -> None:
        self._opener = opener
        self._lock = threading.Lock()  # of what take, abandon and the thread share
        self._done = threading.Event()
        self._abandoned = False
        self._source: Source | None = None
        self._failure: Exception | None = None
        self._thread = threading.Thread(
            target=self._open, name=f"open {name}", daemon=True
        )

    @classmethod
    def begin(cls, opener: Opener, name: str) -> Self:
        """Start to open.

        Args:
            opener: Called once, on another thread.
            name: For the thread.
        """
        opening = cls(opener, name)
        opening._thread.start()
        return opening

    def wait(self, timeout_s: float) -> bool:
        """Wait until `take` has an answer; return whether it has."""
        return self._done.wait(timeout_s)

    def take(self, patience_s: float = 0.0) -> Source | None:
        """Return the source, which is the caller's from then on; None: not yet.

        Args:
            patience_s: How long to wait for it.

        Raises:
            SourceFailed: It cannot be opened; the message says why.
        """
        if not self._done.wait(patience_s):
            return None
        if self._failure is not None:
            reason = str(self._failure) or type(self._failure).__name__
            raise SourceFailed(reason) from self._failure
        with self._lock:
            source, self._source = self._source, None
        return source

    def abandon(self) -> None:
        """Close the source, now or as soon as it is open; idempotent."""
        with self._lock:
            self._abandoned = True
            source, self._source = self._source, None
        if source is not None:
            source.close()

    def _open(self) -> None:
        try:
            source = self._opener()
        except Exception as error:  # it is raised again where the source is taken
            self._failure = error
        else:
            self._keep(source)
        finally:
            self._done.set()

    def _keep(self, source: Source) -> None:
        with self._lock:
            if not self._abandoned:
                self._source = source
                return
        source.close()
