"""Tests of ingest.tap: from aiortc's receiver into the feed of a microphone."""

from __future__ import annotations

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtp import RtpPacket

from ingest.packets import PacketFeed
from ingest.tap import tap


async def test_every_packet_is_taken_and_none_is_kept() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = peer.addTransceiver("audio", direction="recvonly").receiver
    feed = PacketFeed()
    tap(receiver, feed)
    packets = feed.subscribe()
    buffer = vars(receiver)["_RTCRtpReceiver__jitter_buffer"]
    for sequence in (65_535, 0, 0, 7):
        packet = RtpPacket(sequence_number=sequence, timestamp=5, ssrc=9, payload=b"ab")
        assert buffer.add(packet) == (False, None)
    buffer.add(RtpPacket(sequence_number=8))  # padding alone
    taken = packets.take()
    assert [arrival.sequence for arrival in taken] == [65_535, 0, 0, 7]
    assert (taken[0].timestamp, taken[0].ssrc, taken[0].payload) == (5, 9, b"ab")
    await peer.close()
