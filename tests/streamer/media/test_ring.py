"""Tests of streamer.media.ring against a plain list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.media.ring import PacketRing


def packet(index: int) -> ProgrammePacket:
    capture_ns = index * FRAME_NS
    return ProgrammePacket(7, index, b"rtp", capture_ns, capture_ns + FRAME_NS)


@given(
    capacity=st.integers(1, 20),
    appended=st.integers(0, 40),
    asked=st.integers(0, 50),
    since_ns=st.integers(-FRAME_NS, 41 * FRAME_NS),
)
def test_law_it_answers_like_the_tail_of_a_list(
    capacity: int, appended: int, asked: int, since_ns: int
) -> None:
    ring, packets = PacketRing(capacity), [packet(index) for index in range(appended)]
    for each in packets:
        ring.append(each)
    held = packets[-capacity:]
    assert len(ring) == len(held)
    assert ring.last(asked) == held[len(held) - min(asked, len(held)) :]
    assert ring.since(since_ns) == [p for p in held if p.capture_ns >= since_ns]


def test_a_ring_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        PacketRing(0)
