"""Tests of what bench.tunnel decides about packets."""

from __future__ import annotations

from bench.tunnel import PROTOCOL_TCP, Forgetting

UDP = 17
SERVER_PORT = 8081


def packet(speaker_port: int, *, up: bool, protocol: int = PROTOCOL_TCP) -> bytes:
    """Return an IPv4 packet with options, of which only what is looked at is true."""
    header = bytearray(24)
    header[0], header[9] = 0x46, protocol
    ports = (speaker_port, SERVER_PORT) if up else (SERVER_PORT, speaker_port)
    return bytes(header) + b"".join(port.to_bytes(2) for port in ports) + bytes(16)


def test_connections_from_before_the_outage_lead_nowhere() -> None:
    nat = Forgetting()
    assert nat.passes(packet(5000, up=True), address=0, up=True)
    assert nat.passes(packet(5000, up=False), address=0, up=False)
    assert not nat.passes(packet(5000, up=True), address=1, up=True)
    assert not nat.passes(packet(5000, up=False), address=1, up=False)


def test_new_connections_are_known_until_the_next_outage() -> None:
    nat = Forgetting()
    nat.passes(packet(5000, up=True), address=0, up=True)
    assert nat.passes(packet(5001, up=True), address=1, up=True)
    assert nat.passes(packet(5001, up=False), address=1, up=False)
    assert not nat.passes(packet(5001, up=True), address=2, up=True)
    assert not nat.passes(packet(5000, up=True), address=2, up=True)


def test_udp_passes_whatever_happened() -> None:
    nat = Forgetting()
    assert nat.passes(packet(5000, up=True, protocol=UDP), address=0, up=True)
    assert nat.passes(packet(5000, up=True, protocol=UDP), address=1, up=True)
