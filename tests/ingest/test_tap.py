"""Tests of ingest.tap: an aiortc that has changed is noticed, not worked around."""

from __future__ import annotations

import aiortc
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from ingest.packets import PacketFeed
from ingest.tap import KNOWN_AIORTC, TapError, tap


def new_receiver(peer: RTCPeerConnection) -> RTCRtpReceiver:
    return peer.addTransceiver("audio", direction="recvonly").receiver


async def test_the_installed_aiortc_is_the_one_we_know() -> None:
    assert aiortc.__version__.startswith(KNOWN_AIORTC)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = new_receiver(peer)
    buffer = vars(receiver)["_RTCRtpReceiver__jitter_buffer"]
    assert type(buffer) is JitterBuffer
    # What add() returns is what the receiver unpacks: no PLI wanted, no frame yet.
    packet = RtpPacket(payload=b"x")
    packet._data = b"x"  # type: ignore[attr-defined]
    assert buffer.add(packet) == (False, None)
    await peer.close()


async def test_every_packet_is_taken_and_none_is_kept() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver, feed = new_receiver(peer), PacketFeed()
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


@pytest.mark.parametrize("change", ["version", "buffer"])
async def test_another_aiortc_is_refused(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = new_receiver(peer)
    if change == "version":
        monkeypatch.setattr(aiortc, "__version__", "1.17.0")
    else:
        del vars(receiver)["_RTCRtpReceiver__jitter_buffer"]
    with pytest.raises(TapError):
        tap(receiver, PacketFeed())
    await peer.close()
