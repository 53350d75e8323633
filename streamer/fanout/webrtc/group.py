"""The listeners of one programme that take the same payload, in blocks.

A block is sent as one matrix. Its numbers, addresses and sessions are laid out when a
peer comes or goes, which with thousands of peers happens many times a second: then one
block is laid out anew and not all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamer.fanout.webrtc.peer import Peer
from streamer.fanout.webrtc.srtp import SrtpFanout

BLOCK_PEERS = 256
"More would cost more per change, fewer would cost more per packet."


class Block:
    """Peers that are sent to together."""

    __slots__ = ("matrix", "peers")

    def __init__(self) -> None:
        self.peers: dict[Peer, None] = {}
        self.matrix: SrtpFanout | None = None
        "None when the set of peers changed since the packet before."

    def dissolve(self) -> None:
        """Hand the numbering back to the peers' outlets."""
        if self.matrix is not None:
            self.matrix.close()
            self.matrix = None


class Group:
    """Peers in blocks; who comes takes a place that somebody left, if there is one."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        "None of them is empty."
        self._block_of: dict[Peer, Block] = {}
        self._roomy: Block | None = None  # the block changed last, while it has room

    def __len__(self) -> int:
        """Return how many peers there are."""
        return len(self._block_of)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._block_of)

    def add(self, peer: Peer) -> None:
        """Take in a peer of no group; it is sent to from the next packet on."""
        block = self._roomy
        if block is None:
            block = self._roomy = next(filter(_has_room, self.blocks), None) or Block()
        if not block.peers:
            self.blocks.append(block)
        block.dissolve()
        block.peers[peer] = None
        self._block_of[peer] = block
        if not _has_room(block):
            self._roomy = None

    def remove(self, peer: Peer) -> None:
        """Let go of a peer, if it is here."""
        block = self._block_of.pop(peer, None)
        if block is None:
            return
        block.dissolve()
        del block.peers[peer]
        if not block.peers:
            self.blocks.remove(block)
        self._roomy = block if block.peers else None

    def dissolve(self, peer: Peer) -> None:
        """Hand the peer its numbering back; its block is laid out anew."""
        if (block := self._block_of.get(peer)) is not None:
            block.dissolve()

    def counts_on(self, peer: Peer) -> bool:
        """Whether a matrix numbers the peer's packets now, not its outlet."""
        block = self._block_of.get(peer)
        return block is not None and block.matrix is not None


def _has_room(block: Block) -> bool:
    return len(block.peers) < BLOCK_PEERS
