"""Tests of bench.stream and bench.account: nothing lost goes unseen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.account import Account, Mapping, lookahead_ns
from bench.peers import material
from bench.stream import BINARY, NotAStream, frame, read_chunk
from streamer.media.frame import FRAME_NS, FRAME_SAMPLES
from streamer.wire.control import Programme, parse_from_server
from streamer.wire.errors import RemoteWireError

LOOP = [bytes([k]) * (k + 40) for k in range(90)]
GRID = Mapping(first_timestamp=0, first_due_ns=5 * FRAME_NS)


def binary(*indices: int) -> bytes:
    return frame(BINARY, material.message(LOOP, indices))


def received(account: Account, window: range) -> int:
    return account.received(material.SSRC, GRID, window)


@given(
    packets=st.lists(st.booleans(), min_size=1, max_size=120),
    cuts=st.lists(st.integers(1, 400)),
    first=st.integers(0, 2**17),
)
def test_law_what_did_not_arrive_is_missing_however_the_bytes_are_cut(
    packets: list[bool], cuts: list[int], first: int
) -> None:
    """Packets sent (True) are counted, the others not, across wraps and cuts."""
    indices = range(first, first + len(packets))
    sent = [index for index, there in zip(indices, packets, strict=True) if there]
    stream, account = b"".join(binary(index) for index in sent), Account()
    for size in [*cuts, len(stream)]:
        account.take(stream[:size])
        stream = stream[size:]
    assert received(account, indices) == len(sent)
    for place in range(len(packets) + 1):
        window = range(first, first + place)
        assert received(account, window) == sum(packets[:place])
    assert account.messages == len(sent)


@given(st.permutations(range(8)), st.sampled_from([1, 2, 4]))
def test_law_packets_that_arrive_twice_or_out_of_order_count_once(
    order: list[int], size: int
) -> None:
    account = Account()
    for index in [*order, *order[:3]]:
        account.take(binary(*range(index * size, (index + 1) * size)))
    assert received(account, range(8 * size)) == 8 * size


def test_an_unbroken_stream_is_one_interval() -> None:
    account = Account()
    for index in range(0, 60, 3):
        account.take(binary(index, index + 1, index + 2))
    assert [interval.count for interval in account.intervals] == [60]
    account.forget()
    account.take(binary(60))
    assert received(account, range(0, 61)) == 61


def test_sequence_numbers_that_disagree_with_timestamps_are_seen() -> None:
    account = Account()
    account.take(binary(0, 1))
    shifted = bytearray(binary(2))
    shifted[7] += 1  # low byte of the sequence number: frame 2, length 2, RTP 2
    account.take(bytes(shifted))
    assert len(account.numbering(material.SSRC, GRID)) == 2


def test_another_programme_is_not_counted() -> None:
    account = Account()
    account.take(binary(0, 1))
    assert account.received(material.SSRC + 1, GRID, range(2)) == 0


def test_the_grid_is_the_one_that_was_announced() -> None:
    announced = parse_from_server(material.announcement(first_due_ns=7_000_000))
    assert isinstance(announced, Programme)
    grid = Mapping.of(announced)
    assert grid.first_due_ns == pytest.approx(7_000_000, abs=1000)
    assert announced.clock_us * 1000 + lookahead_ns() in range(6_999_000, 7_000_001)
    assert grid.due_ns(3 * FRAME_SAMPLES) == grid.first_due_ns + 3 * FRAME_NS


@given(st.integers(0, 100), st.integers(-FRAME_NS, 0))
def test_law_a_window_starts_with_the_first_packet_due_in_it(
    index: int, early_ns: int
) -> None:
    due_ns = GRID.due_ns(index * FRAME_SAMPLES)
    expected = index if early_ns > -FRAME_NS else index - 1
    assert GRID.first_due_from(due_ns + early_ns) == max(0, expected)


def test_control_pings_and_closing_are_told_apart() -> None:
    control = material.framed_announcement(0)
    ping, close = b"\x89\x02hi", b"\x88\x02\x03\xe9"
    chunk = read_chunk(control + ping + binary(1) + close + b"\x82\x7e\x01")
    assert [message.type for message in chunk.controls] == ["programme"]
    assert chunk.pings == (b"hi",)
    assert chunk.closed
    assert chunk.ends == ((material.SSRC, FRAME_SAMPLES),)
    assert chunk.rest == b"\x82\x7e\x01"


@pytest.mark.parametrize(
    "data", [b"\x02\x00", b"\xc2\x00", b"\x83\x00", b"\x82\x85\0\0\0\0hello"]
)
def test_what_a_server_of_ours_may_not_send_is_refused(data: bytes) -> None:
    with pytest.raises(NotAStream):
        read_chunk(data)


def test_a_message_that_is_no_framed_rtp_is_refused() -> None:
    with pytest.raises(RemoteWireError):
        read_chunk(frame(BINARY, b"\x00\x09short"))
