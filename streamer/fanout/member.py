"""A listener as the hub knows it."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.fanout.listener import Listener
from streamer.media.frame import FRAME_NS

PACKET_MS = FRAME_NS // 1_000_000


class Member:
    """One listener's place in the hub. `write` and `unsent` are the hot path."""

    __slots__ = (
        "audio",
        "behind",
        "descriptor",
        "gone",
        "identity",
        "listener",
        "missing_index",
        "phase",
        "size",
        "ssrc",
        "stale",
        "stalled_ns",
        "turn",
        "unsent",
        "write",
    )

    def __init__(self, listener: Listener, *, phase: int) -> None:
        self.listener = listener
        self.identity = listener.identity
        self.write = listener.write
        self.unsent = listener.unsent_bytes
        self.descriptor = listener.descriptor
        self.size = listener.ptime_ms // PACKET_MS
        "RTP packets per message."
        self.phase = phase
        "In ``range(size)``; see `streamer.fanout.carried`."
        self.turn = -1
        "The loop's iteration in which it was last written to."
        self.audio = True
        "Whether it wants packets, not control messages alone."
        self.ssrc: int | None = None
        "Programme last announced to it."
        self.behind = False
        "It was found stalled and has not been seen to recover."
        self.stalled_ns = 0
        "Since when, if behind."
        self.missing_index = 0
        "Number of the first packet of `ssrc` not sent to it, if behind."
        self.stale = True
        "It lacks a control message."
        self.gone = False

    def sent_of(self, newest: int) -> int:
        """Return the last packet it was due when *newest* is the newest; or less."""
        return newest - (newest + 1 - self.phase) % self.size

    def fall_behind(self, newest: int, *, now_ns: int) -> None:
        """Note that the link stalled; *newest* as for :meth:`sent_of`."""
        self.behind = True
        self.stalled_ns = now_ns
        self.missing_index = self.sent_of(newest) + 1

    def recover(self, ssrc: int | None) -> None:
        """Note that it has been told and sent everything about *ssrc*."""
        self.ssrc = ssrc
        self.behind = self.stale = False


def playable_since_ns(members: Iterable[Member], *, now_ns: int) -> int:
    """Return the oldest capture instant that any of *members* can still play."""
    delays_ms = (member.identity.playout_delay_ms for member in members)
    return now_ns - max(delays_ms, default=0) * 1_000_000
