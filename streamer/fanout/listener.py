"""The seam between the hub and whatever carries bytes to a listener."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Protocol

from streamer.fanout.endings import Ending


@dataclass(frozen=True, slots=True)
class ListenerIdentity:
    """Who a listener is, where it stands and how it shall sound."""

    speaker_id: str
    zone_id: str
    volume_percent: int
    playout_delay_ms: int
    emergency_volume_percent: int | None = None
    "Floor of the volume while an emergency is heard; None: there is none."
    extra_delay_ms: int = 0
    "This speaker plays later than its neighbours by so much."


class Listener(Protocol):
    """One connection of a speaker. Every method is called on the event loop.

    `write` and `unsent_bytes` may be called for every packet: let them be the
    transport's own bound methods. What is queued other than by the hub (a WebSocket
    pong) is told to it: see `Hub.queued`.
    """

    @property
    def identity(self) -> ListenerIdentity:
        """As authenticated."""
        ...

    @property
    def ptime_ms(self) -> int:
        """Audio per binary message, as asked for; one of `PTIMES_MS`."""
        ...

    @property
    def descriptor(self) -> int | None:
        """The socket's number, good until the hub has been told to forget it.

        None where bytes on the socket are not those of the frames (TLS).
        """
        ...

    def write(self, data: bytes, /) -> None:
        """Queue whole WebSocket frames; never waits.

        Raises:
            OSError: The connection is broken.
            RuntimeError: The connection is closed.
        """
        ...

    def unsent_bytes(self) -> int:
        """Return how many written bytes the kernel has not taken yet."""
        ...

    def close(self, ending: Ending) -> None:
        """Say goodbye with the hint, close, and abort where the peer won't read.

        The hub has forgotten the listener when it calls this.
        """
        ...


class FakeListener:
    """The shipped fake: a link that takes everything, or nothing while `stalled`."""

    def __init__(self, identity: ListenerIdentity, *, ptime_ms: int = 20) -> None:
        self.identity = identity
        self.ptime_ms = ptime_ms
        self.descriptor: int | None = None
        self.stalled = False
        self.broken = False
        self.taken = bytearray()
        "What reached the peer."
        self.ending: Ending | None = None
        self._queue = bytearray()

    def write(self, data: bytes, /) -> None:
        """Queue *data* until the loop's iteration ends, as uvloop does."""
        if self.broken:
            raise RuntimeError("the handler is closed")
        self._queue += data

    def send(self, data: bytes) -> int:
        """Take *data* past the queue as a socket does; return how much, or -errno."""
        if self.broken:
            return -errno.EPIPE
        if self.stalled:
            return -errno.EAGAIN
        if self._queue:
            raise AssertionError("bytes would overtake what was written before")
        self.taken += data
        return len(data)

    def unsent_bytes(self) -> int:
        """Return what waits."""
        return len(self._queue)

    def flush(self) -> None:
        """End the loop's iteration."""
        if not self.stalled:
            self.taken += self._queue
            self._queue.clear()

    def close(self, ending: Ending) -> None:
        """Remember why."""
        self.ending = ending
