"""Scenarios of streamer.fanout.webrtc.endpoint in virtual time: no socket, no clock."""

from __future__ import annotations

import datetime
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.webrtc_client import LightListener
from streamer.fanout.webrtc.dtls import Certificate, DtlsContext
from streamer.fanout.webrtc.endpoint import (
    CONNECT_TIMEOUT_NS,
    SILENCE_TIMEOUT_NS,
    Endpoint,
    EndpointSettings,
    TooManyPeersError,
)
from streamer.fanout.webrtc.peer import Peer, Target
from streamer.fanout.webrtc.rounds import PARTS, Rounds
from streamer.fanout.webrtc.srtp import Outlet, SrtpSession
from streamer.wire import stun
from streamer.wire.rtcp import Feedback, Nack
from streamer.wire.stun import Address, Attribute, MessageType, StunMessage

HOME: Address = ("192.0.2.7", 4000)
ELSEWHERE: Address = ("192.0.2.7", 5000)
THIEF: Address = ("198.51.100.66", 6666)
SECOND_NS = 1_000_000_000
CONTEXT = DtlsContext(
    Certificate.generate(now_utc=datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC))
)


class Watcher:
    """Remembers what the endpoint told."""

    def __init__(self) -> None:
        self.connected: list[Peer] = []
        self.moved: list[Peer] = []
        self.gone: list[str] = []
        self.feedback: list[Feedback] = []

    def peer_connected(self, peer: Peer, now_ns: int) -> None:
        assert peer.srtp is not None
        peer.outlet = Outlet(peer.srtp, b"", peer.payload_type, peer.first_sequence)
        self.connected.append(peer)

    def peer_moved(self, peer: Peer) -> None:
        self.moved.append(peer)

    def peer_gone(self, peer: Peer, reason: str) -> None:
        self.gone.append(reason)

    def peer_feedback(self, peer: Peer, feedback: Feedback) -> None:
        self.feedback.append(feedback)


class World:
    """An endpoint, one listener, and a network without loss between them."""

    def __init__(self, max_peers: int = 10) -> None:
        self.now_ns = 0
        self.watcher = Watcher()
        self.endpoint = Endpoint(
            EndpointSettings([("203.0.113.1", 8082)], 77, "station", max_peers),
            CONTEXT,
            self.watcher,
            Random(1),
        )
        self.listener = LightListener(Random(2))

    def invite(self) -> Peer:
        peer, answer = self.endpoint.accept(
            self.listener.offer(), Target(zone_id="z"), now_ns=self.now_ns
        )
        self.listener.accept(answer)
        return peer

    def carry(self, source: Address = HOME) -> None:
        """Let datagrams run until nobody has anything to say."""
        for _ in range(12):
            for datagram in self.listener.outgoing():
                self.endpoint.receive(datagram, source, now_ns=self.now_ns)
            for datagram, address in self.endpoint.outgoing():
                if address == source:
                    self.listener.receive(datagram)

    def connect(self) -> Peer:
        peer = self.invite()
        self.listener.poll(now_ns=self.now_ns)
        self.carry()
        assert self.watcher.connected == [peer]
        return peer


@pytest.fixture(scope="module")
def busy() -> World:
    """A world with a connected listener, shared by a law's examples."""
    world = World()
    world.connect()
    return world


def test_a_listener_connects_by_check_handshake_and_keys() -> None:
    world = World()
    peer = world.connect()
    assert world.listener.connected
    assert peer.address == HOME
    assert peer.srtp is not None


def test_our_packets_are_read_by_the_listener_and_its_nack_by_us() -> None:
    world = World()
    peer = world.connect()
    assert peer.srtp is not None
    packet = b"\x80\x6f\0\x05" + bytes(7) + b"\x4d" + b"opus"
    read = world.listener.decrypt(peer.srtp.protect(packet))
    assert read is not None
    assert (read.sequence, read.payload) == (5, b"opus")
    nack = bytes.fromhex("81cd0003000000010000004d00050000")
    keys = world.listener.keys
    assert keys is not None
    world.endpoint.receive(SrtpSession(keys).protect_rtcp(nack), HOME, now_ns=1)
    assert world.watcher.feedback == [Nack(77, (5,))]


def test_nothing_is_remembered_before_integrity_is_proven() -> None:
    world = World()
    peer = world.invite()
    forged = stun.serialize(
        MessageType.REQUEST,
        bytes(12),
        [(Attribute.USERNAME, f"{peer.ufrag}:x".encode()), (0x25, b"")],
        password=b"not the password",
    )
    world.endpoint.receive(forged, THIEF, now_ns=1)
    ((answer, address),) = world.endpoint.outgoing()
    assert address == THIEF
    assert len(answer) <= len(forged)  # no amplification
    assert StunMessage.parse(answer).message_type is MessageType.ERROR
    assert peer.address is None
    assert peer.addresses == set()
    world.endpoint.receive(b"\x16" * 100, THIEF, now_ns=1)
    world.endpoint.receive(b"\x80" * 100, THIEF, now_ns=1)
    assert world.endpoint.outgoing() == []
    assert world.endpoint.outcomes == {"stun_unauthenticated": 1, "unknown_source": 2}


def test_a_replayed_check_steals_nothing() -> None:
    world = World()
    peer = world.connect()
    seen = world.listener.check()
    world.endpoint.receive(seen, HOME, now_ns=SECOND_NS)
    world.endpoint.outgoing()
    world.endpoint.receive(seen, THIEF, now_ns=SECOND_NS)
    assert world.endpoint.outgoing() == []
    assert peer.address == HOME
    assert world.endpoint.outcomes["stun_replayed"] == 1


def test_a_peer_behind_a_new_nat_address_is_followed() -> None:
    world = World()
    peer = world.connect()
    world.endpoint.receive(world.listener.check(), ELSEWHERE, now_ns=SECOND_NS)
    assert peer.address == ELSEWHERE
    assert world.watcher.moved == [peer]


def test_a_role_conflict_is_answered_with_487() -> None:
    world = World()
    peer = world.invite()
    request = stun.serialize(
        MessageType.REQUEST,
        bytes(12),
        [
            (Attribute.USERNAME, f"{peer.ufrag}:x".encode()),
            (Attribute.ICE_CONTROLLED, bytes(8)),
        ],
        password=peer.password,
    )
    world.endpoint.receive(request, HOME, now_ns=1)
    ((datagram, _),) = world.endpoint.outgoing()
    answer = StunMessage.parse(datagram)
    assert answer.has_integrity(peer.password)
    assert (answer.get(Attribute.ERROR_CODE) or b"")[2:4] == bytes([4, 87])


@pytest.mark.parametrize(
    ("attributes", "code"),
    [([], 400), ([(0x0006, b"nobody:x")], 401)],
)
def test_what_is_not_a_check_of_a_peer_is_refused(
    attributes: list[tuple[int, bytes]], code: int
) -> None:
    world = World()
    request = stun.serialize(
        MessageType.REQUEST, bytes(12), attributes, password=b"secret"
    )
    world.endpoint.receive(request, HOME, now_ns=1)
    ((datagram, _),) = world.endpoint.outgoing()
    error = StunMessage.parse(datagram).get(Attribute.ERROR_CODE) or b""
    assert error[2] * 100 + error[3] == code


def test_an_unknown_required_attribute_is_named() -> None:
    world = World()
    peer = world.invite()
    request = stun.serialize(
        MessageType.REQUEST,
        bytes(12),
        [(Attribute.USERNAME, f"{peer.ufrag}:x".encode()), (0x0077, b"")],
        password=peer.password,
    )
    world.endpoint.receive(request, HOME, now_ns=1)
    ((datagram, _),) = world.endpoint.outgoing()
    answer = StunMessage.parse(datagram)
    assert answer.get(Attribute.UNKNOWN_ATTRIBUTES) == b"\0\x77"


def test_a_silent_peer_is_gone_after_thirty_seconds() -> None:
    world = World()
    world.connect()
    world.endpoint.poll(now_ns=SILENCE_TIMEOUT_NS)
    assert world.watcher.gone == []
    world.endpoint.poll(now_ns=SILENCE_TIMEOUT_NS + 1)
    assert world.watcher.gone == ["silent"]
    assert len(world.endpoint) == 0


def test_a_peer_that_never_connects_is_forgotten() -> None:
    world = World()
    world.invite()
    world.endpoint.poll(now_ns=CONNECT_TIMEOUT_NS + 1)
    assert world.watcher.gone == ["never connected"]


def test_checks_keep_a_peer() -> None:
    world = World()
    world.connect()
    for second in range(0, 120, 5):
        now_ns = second * SECOND_NS
        world.endpoint.receive(world.listener.check(), HOME, now_ns=now_ns)
        world.endpoint.poll(now_ns=now_ns)
    assert len(world.endpoint) == 1


def test_a_close_of_the_listener_ends_the_peer() -> None:
    world = World()
    world.connect()
    world.listener.leave()
    world.carry()
    assert world.watcher.gone == ["closed by peer"]


def test_of_tls_only_what_the_end_takes_is_kept() -> None:
    world = World()
    peer = world.connect()
    assert peer.dtls._ssl is None
    world.listener.leave()
    world.carry()
    assert world.watcher.gone == ["closed by peer"]


def test_thousands_are_looked_after_within_a_second_of_polls() -> None:
    world = World(max_peers=100)
    peers = [world.invite() for _ in range(41)]
    rounds = Rounds()
    parts = [rounds.next({peer.id: peer for peer in peers}) for _ in range(PARTS)]
    assert max(map(len, parts)) <= 3
    assert {peer for part in parts for peer in part} == set(peers)
    world.endpoint.remove(peers[0], "test")
    assert peers[0] not in rounds.next({peer.id: peer for peer in peers[1:]})


def test_removal_says_goodbye_and_forgets_the_address() -> None:
    world = World()
    peer = world.connect()
    world.endpoint.remove(peer, "test")
    datagrams = [d for d, address in world.endpoint.outgoing() if address == HOME]
    assert any(192 <= d[1] < 224 for d in datagrams if d[0] >= 128)  # SRTCP BYE
    assert any(20 <= d[0] < 64 for d in datagrams)  # close_notify
    world.endpoint.receive(b"\x16" * 50, HOME, now_ns=1)
    assert world.endpoint.outcomes["unknown_source"] == 1
    world.endpoint.remove(peer, "again")
    assert world.watcher.gone == ["test"]


def test_the_endpoint_has_a_bound() -> None:
    world = World(max_peers=2)
    for _ in range(2):
        world.endpoint.accept(world.listener.offer(), Target(), now_ns=0)
    with pytest.raises(TooManyPeersError):
        world.endpoint.accept(world.listener.offer(), Target(), now_ns=0)


def test_sender_reports_are_due_about_every_five_seconds() -> None:
    world = World()
    peer = world.connect()
    ticks = range(0, 100 * SECOND_NS, SECOND_NS // 10)
    due = [t for t in ticks if peer in list(world.endpoint.due_reports(now_ns=t))]
    gaps = [b - a for a, b in pairwise(due)]
    assert 15 <= len(due) <= 30
    assert min(gaps) >= 2.5 * SECOND_NS
    assert len(set(gaps)) > 3  # jitter


@settings(max_examples=300)
@given(
    datagrams=st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.binary(max_size=60).map(lambda b: b"\0\x01\0\x08\x21\x12\xa4\x42" + b),
            st.binary(max_size=60).map(lambda b: b"\x16\xfe\xfd" + b),
            st.binary(max_size=60).map(lambda b: b"\x80\xc9" + b),
        )
    ),
    source=st.sampled_from([HOME, THIEF]),
)
def test_law_garbage_never_disturbs_a_listener(
    busy: World, datagrams: list[bytes], source: Address
) -> None:
    world = busy
    before = len(world.endpoint)
    for datagram in datagrams:
        world.endpoint.receive(datagram, source, now_ns=SECOND_NS)
    world.endpoint.outgoing()
    assert len(world.endpoint) == before
    assert world.watcher.connected[0].address == HOME
