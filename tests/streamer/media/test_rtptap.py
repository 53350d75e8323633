"""Tests of streamer.media.rtptap: a changed aiortc is noticed, not worked around."""

from __future__ import annotations

import aiortc
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from streamer.media.rtptap import KNOWN_AIORTC, TapError, ask_again, tap
from streamer.wire import rtcp, rtp


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


async def test_a_packet_is_taken_with_all_its_fields() -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = new_receiver(peer)
    taken: list[rtp.RtpPacket] = []
    tap(receiver, taken.append)
    buffer = vars(receiver)["_RTCRtpReceiver__jitter_buffer"]
    sent = RtpPacket(63, 1, 65_535, 5, 9, b"ab")
    assert buffer.add(sent) == (False, None)
    buffer.add(RtpPacket(sequence_number=8))  # padding alone
    assert taken == [rtp.RtpPacket(63, 65_535, 5, 9, b"ab", marker=True)]
    await peer.close()


async def test_a_packet_is_asked_for_in_the_receivers_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = peer.addTransceiver("audio", direction="recvonly")
    receiver = transceiver.receiver
    await ask_again(receiver, 9, [3])  # not connected: nothing happens
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    monkeypatch.setattr(receiver.transport, "_send_rtp", send)
    await ask_again(receiver, 9, [65_535, 0])
    assert rtcp.parse(sent[0]) == [rtcp.Nack(9, (65_535, 0))]
    assert int.from_bytes(sent[0][4:8]) == transceiver.sender._ssrc
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
        tap(receiver, lambda packet: None)
    await peer.close()
