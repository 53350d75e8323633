"""Going round thousands of peers without looking at all of them at once."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.fanout.webrtc.peer import Peer

PARTS = 20


class Rounds:
    """Goes round all peers, a twentieth at each call."""

    def __init__(self) -> None:
        self._left: list[Peer] = []
        self._size = 0

    def next(self, peers: Mapping[str, Peer]) -> list[Peer]:
        """Return those of *peers*, by id, whose turn it is."""
        if not self._left:
            self._left = list(peers.values())
            self._size = max(1, -(-len(self._left) // PARTS))
        part, self._left = self._left[-self._size :], self._left[: -self._size]
        return [peer for peer in part if peer.id in peers]
