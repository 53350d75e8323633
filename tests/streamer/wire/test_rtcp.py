"""Tests of streamer.wire.rtcp, against aiortc's reading and writing."""

from __future__ import annotations

import contextlib

import pytest
from aiortc import rtp as theirs
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.errors import RemoteWireError
from streamer.wire.rtcp import (
    Bye,
    Nack,
    ReceiverReport,
    SenderReport,
    ntp_from_utc_ns,
    parse,
    round_trip_ns,
    serialize_bye,
)

SECOND_NS = 1_000_000_000


def test_a_sender_report_is_read_by_aiortc() -> None:
    report = SenderReport(
        ssrc=7, utc_ns=SECOND_NS // 2, timestamp=960, packets=50, octets=5_000
    )
    first, second = theirs.RtcpPacket.parse(report.serialize("station"))
    assert isinstance(first, theirs.RtcpSrPacket)
    assert first.ssrc == 7
    assert first.sender_info.ntp_timestamp == 2_208_988_800 << 32 | 1 << 31
    assert first.sender_info.rtp_timestamp == 960
    assert first.sender_info.packet_count == 50
    assert first.sender_info.octet_count == 5_000
    assert isinstance(second, theirs.RtcpSdesPacket)
    assert second.chunks[0].items == [(1, b"station")]


def test_a_goodbye_is_read_by_aiortc_and_by_us() -> None:
    packets = theirs.RtcpPacket.parse(serialize_bye(9))
    assert isinstance(packets[-1], theirs.RtcpByePacket)
    assert packets[-1].sources == [9]
    assert parse(serialize_bye(9)) == [Bye((9,))]


sequences = st.lists(st.integers(0, 65_535), min_size=1, max_size=40, unique=True)


@given(st.integers(0, 2**32 - 1), sequences)
def test_law_a_nack_is_read_as_it_was_written(ssrc: int, lost: list[int]) -> None:
    data = Nack(ssrc, tuple(lost)).serialize(5)
    (read,) = parse(data)
    assert isinstance(read, Nack)
    assert read.ssrc == ssrc
    assert set(read.sequences) == set(lost)
    (theirs_read,) = theirs.RtcpPacket.parse(data)
    assert isinstance(theirs_read, theirs.RtcpRtpfbPacket)
    assert theirs_read.ssrc == 5


def test_neighbours_share_an_entry_also_across_the_wrap() -> None:
    data = Nack(7, (65_530, 65_535, 0, 10, 11)).serialize(5)
    assert len(data) == 12 + 4 + 4
    (read,) = parse(data)
    assert isinstance(read, Nack)
    assert read.sequences == (65_530, 65_535, 0, 10, 11)


def test_aiortcs_receiver_report_is_read() -> None:
    info = theirs.RtcpReceiverInfo(
        ssrc=7,
        fraction_lost=12,
        packets_lost=-3,
        highest_sequence=70_000,
        jitter=48,
        lsr=1,
        dlsr=2,
    )
    data = bytes(theirs.RtcpRrPacket(ssrc=1, reports=[info]))
    assert parse(data) == [ReceiverReport(7, 12, -3, 70_000, 48, 1, 2)]


@given(st.sets(st.integers(0, 0xFFFF), min_size=1, max_size=20))
def test_law_every_packet_of_aiortcs_nack_is_named(lost: set[int]) -> None:
    nack = theirs.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=7, lost=sorted(lost))
    (found,) = parse(bytes(nack))
    assert isinstance(found, Nack)
    assert found.ssrc == 7
    assert set(found.sequences) == lost


@given(st.integers(1, 10 * SECOND_NS), st.integers(0, 3 * SECOND_NS))
def test_law_the_round_trip_is_what_the_report_leaves(
    round_trip: int, held_ns: int
) -> None:
    sent_utc_ns = 1_790_000_000 * SECOND_NS
    report = ReceiverReport(
        ssrc=7,
        fraction_lost=0,
        packets_lost=0,
        highest_sequence=0,
        jitter_samples=0,
        last_sender_report=ntp_from_utc_ns(sent_utc_ns) >> 16 & 0xFFFFFFFF,
        delay_since_65536=(held_ns << 16) // SECOND_NS,
    )
    received = sent_utc_ns + round_trip + held_ns
    measured = round_trip_ns(report, received_utc_ns=received)
    assert measured == pytest.approx(round_trip, abs=50_000)  # 1/65,536 s, thrice


def test_without_a_sender_report_there_is_no_round_trip() -> None:
    report = ReceiverReport(7, 0, 0, 0, 0, 0, 0)
    assert round_trip_ns(report, received_utc_ns=1) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\xc9",
        b"\x40\xc9\0\0",
        b"\x80\xc9\0\x05abcd",
        b"\x81\xc9\0\x01abcd",
        b"\x81\xcd\0\x01abcd",
        b"\x82\xcb\0\x01abcd",
    ],
)
def test_what_does_not_add_up_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteWireError):
        parse(data)


@given(st.binary(max_size=200))
def test_law_garbage_raises_nothing_else(data: bytes) -> None:
    with contextlib.suppress(RemoteWireError):
        parse(data)
