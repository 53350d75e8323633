"""What endpoint and port are handed: somebody to tell, and randomness."""

from __future__ import annotations

from typing import Protocol

from streamer.fanout.webrtc.peer import Peer
from streamer.wire import rtcp
from streamer.wire.rtcp import ReceiverReport


class Randomness(Protocol):
    """Where identifiers and jitter come from, as `random.SystemRandom` gives them."""

    def getrandbits(self, k: int, /) -> int:
        """Return *k* random bits."""
        ...

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...


class Observer(Protocol):
    """Who wants to know of peers; called inside `receive` and `poll`."""

    def peer_connected(self, peer: Peer, now_ns: int) -> None:
        """It can be sent audio."""
        ...

    def peer_moved(self, peer: Peer) -> None:
        """Its address changed."""
        ...

    def peer_gone(self, peer: Peer, reason: str) -> None:
        """It will not be heard of again."""
        ...

    def peer_feedback(self, peer: Peer, feedback: rtcp.Feedback) -> None:
        """It reported, or asked for packets again."""
        ...


class Audience(Protocol):
    """Who wants to know of listeners; called on the event loop."""

    def joined(self, peer: Peer) -> None:
        """It hears its target from now on."""
        ...

    def left(self, peer: Peer, reason: str) -> None:
        """It is gone, whether it ever joined or not."""
        ...

    def reported(self, peer: Peer, report: ReceiverReport) -> None:
        """It said how it receives; ``peer.round_trip_ns`` is set if it is known."""
        ...
