"""Tests of streamer.fanout.webrtc.srtp: real libsrtp, real sockets for the batch."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from pylibsrtp import Policy, Session

from streamer.fanout.datagrams import sockaddr
from streamer.fanout.webrtc.dtls import Profile, SrtpKeys
from streamer.fanout.webrtc.srtp import (
    BindingProtector,
    Outlet,
    PlainPacket,
    PublicProtector,
    RowProtector,
    SrtpError,
    SrtpFanout,
    SrtpSession,
)
from streamer.wire.rtp import RtpPacket

PROTECTORS: list[Callable[[Any, Sequence[SrtpSession]], RowProtector]] = [
    BindingProtector,
    PublicProtector,
]
POLICIES = {
    Profile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Profile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
FAMILIES = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


class Receiver:
    """One peer: its socket, and libsrtp the other way round."""

    def __init__(self, profile: Profile, host: str, seed: int) -> None:
        rng = random.Random(seed)
        size = profile.key_bytes + profile.salt_bytes
        self.keys = SrtpKeys(profile, rng.randbytes(size), rng.randbytes(size))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(5)
        policy = Policy(
            key=self.keys.local,
            ssrc_type=Policy.SSRC_ANY_INBOUND,
            srtp_profile=POLICIES[profile],
        )
        self._session = Session(policy=policy)

    def outlet(self, family: socket.AddressFamily, **changes: Any) -> Outlet:
        name = self.socket.getsockname()
        values: dict[str, Any] = {"payload_type": 111, "next_sequence": 0} | changes
        return Outlet(
            SrtpSession(self.keys), sockaddr((name[0], name[1]), family), **values
        )

    def receive(self) -> RtpPacket:
        return RtpPacket.parse(self._session.unprotect(self.socket.recv(2048)))


@pytest.fixture(params=FAMILIES, ids=["ipv4", "ipv6"])
def sender(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family, host = request.param
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((host, 0))
        yield sender


def receivers(sender: socket.socket, profiles: list[Profile]) -> list[Receiver]:
    host = sender.getsockname()[0]
    return [Receiver(profile, host, seed) for seed, profile in enumerate(profiles)]


@pytest.mark.parametrize("protector", PROTECTORS)
def test_every_peer_can_read_its_own_packet(
    sender: socket.socket, protector: type
) -> None:
    peers = receivers(sender, [*Profile, *Profile])
    outlets = [
        peer.outlet(sender.family, next_sequence=65_535 + i, payload_type=96 + i)
        for i, peer in enumerate(peers)
    ]
    outlets[1].shift_samples = 480
    fanout = SrtpFanout(outlets, protector=protector)
    for k in range(3):
        packet = PlainPacket(2**32 - 960 + 960 * k, 77, b"opus %d" % k)
        assert fanout.send(sender.fileno(), packet, duration_samples=960) == 4
    for i, peer in enumerate(peers):
        heard = [peer.receive() for _ in range(3)]
        assert [p.payload for p in heard] == [b"opus 0", b"opus 1", b"opus 2"]
        assert [p.sequence for p in heard] == [
            (65_535 + i + k) % 2**16 for k in range(3)
        ]
        shift = 480 if i == 1 else 0
        expected = [(960 * (k - 1) + shift) % 2**32 for k in range(3)]
        assert [p.timestamp for p in heard] == expected
        assert [p.marker for p in heard] == [True, False, False]
        assert {p.payload_type for p in heard} == {96 + i}
        assert {p.ssrc for p in heard} == {77}
        peer.socket.close()


def test_the_twins_write_the_same_bytes() -> None:
    profile = Profile.AEAD_AES_128_GCM
    keys = Receiver(profile, "127.0.0.1", 5)
    rows = [np.zeros((1, 1536), np.uint8) for _ in PROTECTORS]
    plain = PlainPacket(960, 1, b"x" * 100).header(sequence=5) + b"x" * 100
    for row, protector in zip(rows, PROTECTORS, strict=True):
        row[0, : len(plain)] = np.frombuffer(plain, np.uint8)
        lengths = protector(row, [SrtpSession(keys.keys)])(len(plain))
        assert lengths.tolist() == [len(plain) + 16]
    assert (rows[0][0] == rows[1][0]).all()
    keys.socket.close()


def test_numbering_goes_on_in_the_next_matrix(sender: socket.socket) -> None:
    (peer,) = receivers(sender, [Profile.AEAD_AES_128_GCM])
    outlet = peer.outlet(sender.family, next_sequence=10)
    for k in range(2):
        fanout = SrtpFanout([outlet])
        packet = PlainPacket(960 * k, 1, b"x")
        fanout.send(sender.fileno(), packet, duration_samples=960)
        fanout.close()
    assert [peer.receive().sequence for _ in range(2)] == [10, 11]
    assert outlet.next_timestamp == 1920
    assert not outlet.marker
    peer.socket.close()


def test_an_unreachable_peer_does_not_stop_the_others(sender: socket.socket) -> None:
    peers = receivers(sender, [Profile.AEAD_AES_128_GCM] * 3)
    outlets = [peer.outlet(sender.family) for peer in peers]
    port_zero = outlets[1].sockaddr[:2] + b"\0\0" + outlets[1].sockaddr[4:]
    outlets[1].sockaddr = port_zero  # the kernel answers EINVAL
    fanout = SrtpFanout(outlets)
    sent = fanout.send(sender.fileno(), PlainPacket(0, 1, b"x"), duration_samples=960)
    assert sent == 2
    assert [peers[i].receive().payload for i in (0, 2)] == [b"x", b"x"]
    for peer in peers:
        peer.socket.close()


def test_what_the_peer_did_not_protect_is_rejected() -> None:
    peer = Receiver(Profile.AES128_CM_SHA1_80, "127.0.0.1", 1)
    session = SrtpSession(peer.keys)
    for forged in (b"", b"\x80\xc9\0\x01", b"\x80\xc9\0\x01" + bytes(60), bytes(3000)):
        with pytest.raises(SrtpError):
            session.unprotect_rtcp(forged)
    peer.socket.close()
