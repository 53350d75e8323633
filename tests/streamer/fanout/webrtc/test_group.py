"""Tests of streamer.fanout.webrtc.group."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from streamer.fanout.webrtc.group import BLOCK_PEERS, Group
from streamer.fanout.webrtc.peer import Peer
from streamer.fanout.webrtc.srtp import SrtpFanout


def some_peer() -> Peer:
    """Return something that is only itself; a group looks no further."""
    return cast("Peer", object())


def lay_out(group: Group) -> None:
    for block in group.blocks:
        block.matrix = block.matrix or SrtpFanout([])


@given(st.lists(st.integers(-5, 600), max_size=60), st.integers(0, 700))
def test_law_everybody_is_in_one_block_and_none_is_empty_or_too_large(
    steps: list[int], at_first: int
) -> None:
    group, present = Group(), [some_peer() for _ in range(at_first)]
    for peer in present:
        group.add(peer)
    for step in steps:
        if 0 <= step < len(present):
            group.remove(present.pop(step))
        else:
            present.append(some_peer())
            group.add(present[-1])
        in_blocks = [peer for block in group.blocks for peer in block.peers]
        assert set(in_blocks) == set(present) == set(group)
        assert len(in_blocks) == len(present) == len(group)
        assert all(0 < len(block.peers) <= BLOCK_PEERS for block in group.blocks)


def test_a_change_lays_out_one_block_anew_and_leaves_no_holes() -> None:
    group = Group()
    peers = [some_peer() for _ in range(4 * BLOCK_PEERS)]
    for peer in peers:
        group.add(peer)
    lay_out(group)
    group.remove(peers[BLOCK_PEERS + 7])
    newcomer = some_peer()
    group.add(newcomer)
    assert [block.matrix is None for block in group.blocks].count(True) == 1
    assert len(group.blocks) == 4
    assert not group.counts_on(newcomer)
    assert group.counts_on(peers[0])
    group.dissolve(peers[0])
    assert not group.counts_on(peers[1])


def test_who_is_not_here_changes_nothing() -> None:
    group, stranger = Group(), some_peer()
    group.remove(stranger)
    group.dissolve(stranger)
    assert not group
    assert not group.counts_on(stranger)
