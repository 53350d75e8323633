"""Tests of bench.rtp_account: read in bulk or one by one, nothing lost goes unseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.account import Mapping
from bench.rtp_account import (
    HEAD_BYTES,
    ONE_STREAM,
    Expectations,
    Head,
    RtpAccount,
    read_head,
)
from streamer.media.frame import FRAME_NS, FRAME_SAMPLES
from streamer.wire.rtp import RtpPacket

GRID = Mapping(first_timestamp=77, first_due_ns=5 * FRAME_NS)
STRIDE = 64
SSRC = 0xDEC0DE


def datagram(number: int, *, marker: bool = False, first: int = 0) -> bytes:
    """Return packet *number* of a stream that begins with sequence number *first*."""
    return RtpPacket(
        payload_type=111,
        sequence=(first + number) & 0xFFFF,
        timestamp=(first * 7 + number * FRAME_SAMPLES) & 0xFFFF_FFFF,
        ssrc=SSRC,
        payload=bytes([number % 256]) * 20,
        marker=marker,
    ).serialize()


def head_of(data: bytes) -> Head:
    head = read_head(data)
    assert head is not None
    return head


class OneByOne:
    """The twin: an account that reads every packet by itself."""

    def __init__(self) -> None:
        self.account = RtpAccount()

    def take(self, data: bytes, index: int) -> None:
        if (head := read_head(data)) is not None:
            if not self.account.aligned:
                self.account.align(head, index, GRID)
            self.account.take(head, len(data))


class InBulk:
    """What the crowd does: whole turns of several listeners at once."""

    def __init__(self, listeners: int) -> None:
        self.twins = [OneByOne() for _ in range(listeners)]
        self.expectations = Expectations(listeners)

    def turn(self, batches: list[list[tuple[bytes, int]]]) -> None:
        """Take what each listener has, with the index that a first packet has."""
        places = np.array([p for p, batch in enumerate(batches) if batch], np.intp)
        if not len(places):
            return
        counts = np.array([len(batches[place]) for place in places], np.intp)
        rows = np.zeros((int(counts.sum()), STRIDE), np.uint8)
        data = [one for place in places for one, _ in batches[place]]
        for row, one in zip(rows, data, strict=True):
            row[: len(one)] = np.frombuffer(one, np.uint8)
        sizes = np.array([len(one) for one in data], np.uint32)
        taken = self.expectations.match(rows, sizes, places, counts)
        for place in places[~taken].tolist():
            twin = self.twins[place]
            self.expectations.settle(place, twin.account)
            for one, index in batches[place]:
                twin.take(one, index)
            self.expectations.expect(place, twin.account.last)

    def settle(self) -> list[RtpAccount]:
        for place, twin in enumerate(self.twins):
            self.expectations.settle(place, twin.account)
        return [twin.account for twin in self.twins]


STUN = bytes([1, 1, 0, 0]) + bytes(16)
REPORT = bytes([0x80, 200, 0, 6]) + bytes(24)


@given(
    fates=st.lists(
        st.lists(st.sampled_from("..........lmsr|"), min_size=1, max_size=80),
        min_size=1,
        max_size=4,
    ),
    firsts=st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4),
)
def test_law_reading_in_bulk_finds_what_reading_one_by_one_does(
    fates: list[list[str]], firsts: list[int]
) -> None:
    """Packets arrive (.), marked (m), or are lost (l); s is STUN, r RTCP, | a turn."""
    bulk, single = InBulk(len(fates)), [OneByOne() for _ in fates]
    arrived = [0] * len(fates)
    for step in range(max(map(len, fates))):
        batches: list[list[tuple[bytes, int]]] = [[] for _ in fates]
        for place, fate in enumerate(fates):
            turns = "".join(fate).split("|")
            number = sum(one in ".lm" for turn in turns[:step] for one in turn)
            for one in turns[step] if step < len(turns) else "":
                data = {"s": STUN, "r": REPORT}.get(one)
                if one in ".m":
                    data = datagram(number, marker=one == "m", first=firsts[place])
                    arrived[place] += 1
                if data is not None:
                    batches[place].append((data, number))
                    single[place].take(data, number)
                number += one in ".lm"
        bulk.turn(batches)
    for place, account in enumerate(bulk.settle()):
        twin = single[place].account
        assert account.intervals == twin.intervals
        assert (account.messages, account.audio_bytes) == (
            twin.messages,
            twin.audio_bytes,
        )
        assert account.received(ONE_STREAM, GRID, range(100)) == arrived[place]
        assert len(account.numbering(ONE_STREAM, GRID)) <= 1


@given(
    first=st.integers(0, 0xFFFF),
    base=st.integers(0, 0xFFFF_FFFF),
    k=st.integers(0, 300),
)
def test_law_all_listeners_come_to_one_grid_however_they_are_numbered(
    first: int, base: int, k: int
) -> None:
    account = RtpAccount()
    head = Head(0x806F, first, base, SSRC)
    account.align(head, k, GRID)
    account.take(head, 100)
    account.extend(500, 50_000)
    assert account.received(ONE_STREAM, GRID, range(k, k + 501)) == 501
    assert account.received(ONE_STREAM, GRID, range(k + 501, k + 900)) == 0
    assert account.numbering(ONE_STREAM, GRID) == {0}
    assert account.timestamp(head) == (GRID.first_timestamp + k * FRAME_SAMPLES)


def test_a_timestamp_that_disagrees_with_the_sequence_number_is_told() -> None:
    account = RtpAccount()
    account.align(Head(0x806F, 1, 0, SSRC), 0, GRID)
    account.take(Head(0x806F, 1, 0, SSRC), 1)
    account.take(Head(0x806F, 2, 2 * FRAME_SAMPLES, SSRC), 1)
    assert len(account.numbering(ONE_STREAM, GRID)) == 2


def test_a_packet_that_comes_twice_counts_once() -> None:
    twin = OneByOne()
    for number in (0, 1, 1, 2, 0):
        twin.take(datagram(number), number)
    assert twin.account.received(ONE_STREAM, GRID, range(3)) == 3
    assert twin.account.messages == 5


@pytest.mark.parametrize("second", range(192, 224))
def test_rtcp_is_no_packet(second: int) -> None:
    assert read_head(bytes([0x80, second]) + bytes(20)) is None


def test_what_is_too_short_is_no_packet() -> None:
    assert read_head(datagram(0)[: HEAD_BYTES - 1]) is None
    assert read_head(b"") is None


def test_a_listener_of_whom_nothing_is_known_is_read_one_by_one() -> None:
    expectations = Expectations(1)
    rows = np.frombuffer(datagram(0), np.uint8)[None, :]
    sizes, places, counts = np.array([32], np.uint32), np.array([0]), np.array([1])
    assert not expectations.match(rows, sizes, places, counts).any()
    expectations.expect(0, head_of(datagram(-1)))
    assert expectations.match(rows, sizes, places, counts).all()
    expectations.expect(0, None)
    assert not expectations.match(rows, sizes, places, counts).any()


@pytest.mark.parametrize("member", ["first", "sequence", "timestamp", "ssrc"])
def test_a_packet_that_differs_in_one_member_is_not_taken_in_bulk(member: str) -> None:
    last = head_of(datagram(0))
    expectations = Expectations(1)
    expectations.expect(0, last._replace(**{member: getattr(last, member) ^ 4}))
    rows = np.frombuffer(datagram(1), np.uint8)[None, :]
    sizes, places, counts = np.array([32], np.uint32), np.array([0]), np.array([1])
    assert not expectations.match(rows, sizes, places, counts).any()
