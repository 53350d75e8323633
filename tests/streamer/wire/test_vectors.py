"""Every vector of FORMAT.md, both ways; the JavaScript tests read the same file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.wire import control, framing
from streamer.wire.control import Message, UnknownMessageError
from streamer.wire.errors import RemoteWireError
from streamer.wire.rtp import RtpPacket

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors.json").read_text()
)
PARSERS = {
    "control_from_server": control.parse_from_server,
    "control_from_listener": control.parse_from_listener,
}


def members_of(message: Message) -> dict[str, object]:
    names = message.__dataclass_fields__
    return {"type": message.type} | {name: getattr(message, name) for name in names}


def packet_of(members: dict[str, Any]) -> RtpPacket:
    payload = bytes.fromhex(members["payload_hex"])
    rest = {name: v for name, v in members.items() if name != "payload_hex"}
    return RtpPacket(payload=payload, **rest)


@pytest.mark.parametrize(
    ("sender", "vector"),
    [(sender, vector) for sender in PARSERS for vector in VECTORS[sender]],
)
def test_control_both_ways(sender: str, vector: dict[str, Any]) -> None:
    message = PARSERS[sender](vector["text"])
    assert members_of(message) == vector["message"]
    assert control.serialize(message) == vector["text"]


@pytest.mark.parametrize("vector", VECTORS["control_read_only"])
def test_control_that_we_would_write_otherwise(vector: dict[str, Any]) -> None:
    message = control.parse_from_server(vector["text"])
    assert members_of(message) == vector["message"]


@pytest.mark.parametrize("vector", VECTORS["control_read_only_from_listener"])
def test_control_that_a_listener_would_write_otherwise(vector: dict[str, Any]) -> None:
    message = control.parse_from_listener(vector["text"])
    assert members_of(message) == vector["message"]


@pytest.mark.parametrize("text", VECTORS["control_unknown"])
def test_control_of_an_unknown_type(text: str) -> None:
    with pytest.raises(UnknownMessageError, match="unknown message type"):
        control.parse_from_server(text)


@pytest.mark.parametrize("text", VECTORS["control_refused"])
def test_control_that_is_refused(text: str) -> None:
    with pytest.raises(RemoteWireError) as refused:
        control.parse_from_server(text)
    assert not isinstance(refused.value, UnknownMessageError)


@pytest.mark.parametrize("text", VECTORS["control_refused_from_listener"])
def test_control_of_a_listener_that_is_refused(text: str) -> None:
    with pytest.raises(RemoteWireError) as refused:
        control.parse_from_listener(text)
    assert not isinstance(refused.value, UnknownMessageError)


@pytest.mark.parametrize("vector", VECTORS["rtp"])
def test_rtp_both_ways(vector: dict[str, Any]) -> None:
    packet = packet_of(vector["packet"])
    assert packet.serialize().hex() == vector["hex"]
    assert RtpPacket.parse(bytes.fromhex(vector["hex"])) == packet


@pytest.mark.parametrize("vector", VECTORS["rtp_read_only"])
def test_rtp_that_we_would_not_write(vector: dict[str, Any]) -> None:
    packet = RtpPacket.parse(bytes.fromhex(vector["hex"]))
    assert packet == packet_of(vector["packet"])


@pytest.mark.parametrize("data", VECTORS["rtp_refused"])
def test_rtp_that_is_refused(data: str) -> None:
    with pytest.raises(RemoteWireError, match="RTP"):
        RtpPacket.parse(bytes.fromhex(data))


@pytest.mark.parametrize("vector", VECTORS["framing"])
def test_framing_both_ways(vector: dict[str, Any]) -> None:
    packets = [bytes.fromhex(packet) for packet in vector["packets_hex"]]
    assert framing.join(packets).hex() == vector["hex"]
    assert framing.split(bytes.fromhex(vector["hex"])) == packets


@pytest.mark.parametrize("data", VECTORS["framing_refused"])
def test_framing_that_is_refused(data: str) -> None:
    with pytest.raises(RemoteWireError, match="claims"):
        framing.split(bytes.fromhex(data))
