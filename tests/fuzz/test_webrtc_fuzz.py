"""Whatever comes from the network is refused or counted; nothing raises, nothing stays.

Seeds: offers of browsers (corpus/), and every datagram that a listener sends in its
life, taken from a real one.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.webrtc_client import LightListener
from streamer.fanout.webrtc.dtls import Certificate, DtlsContext, Profile, SrtpKeys
from streamer.fanout.webrtc.endpoint import Endpoint, EndpointSettings
from streamer.fanout.webrtc.peer import Peer, Target
from streamer.fanout.webrtc.sdp import (
    MAX_MEDIA,
    Local,
    Offer,
    OfferError,
    UnacceptableOfferError,
    answer,
)
from streamer.fanout.webrtc.srtp import Outlet, SrtpError, SrtpSession
from streamer.wire import rtcp, stun
from streamer.wire.errors import RemoteWireError
from streamer.wire.rtcp import Feedback, Nack
from streamer.wire.stun import Address, Attribute, MessageType, StunMessage

SSRC = 77
HOME: Address = ("192.0.2.7", 4000)
STRANGER: Address = ("198.51.100.66", 6666)
OFFERS = [
    path.read_text() for path in sorted(Path(__file__).with_name("corpus").glob("*"))
]
CONTEXT = DtlsContext(
    Certificate.generate(now_utc=datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC))
)
LOCAL = Local("ours", "0" * 24, "FF", [HOME], SSRC, "station", 5)


class World:
    """An endpoint with one listener; remembers what the listener sent."""

    def __init__(self, seed: int = 1) -> None:
        self.gone: list[str] = []
        self.sent: list[bytes] = []
        self.endpoint = Endpoint(
            EndpointSettings([HOME], SSRC, "station"), CONTEXT, self, Random(seed)
        )
        self.listener = LightListener(Random(-seed))
        self.peer, text = self.endpoint.accept(
            self.listener.offer(), Target(zone_id="z"), now_ns=0
        )
        self.listener.accept(text)
        self.listener.poll(now_ns=0)

    def step(self) -> bool:
        """Carry what there is to say, once; return whether there was anything."""
        spoken = self.listener.outgoing()
        self.sent += spoken
        for datagram in spoken:
            self.endpoint.receive(datagram, HOME, now_ns=0)
        for datagram, _ in self.endpoint.outgoing():
            self.listener.receive(datagram)
        return bool(spoken)

    def peer_connected(self, peer: Peer, now_ns: int) -> None:
        assert peer.srtp is not None
        peer.outlet = Outlet(peer.srtp, b"", peer.payload_type, peer.first_sequence)

    def peer_moved(self, peer: Peer) -> None:
        raise AssertionError("garbage moved a listener")

    def peer_gone(self, peer: Peer, reason: str) -> None:
        self.gone.append(reason)

    def peer_feedback(self, peer: Peer, feedback: Feedback) -> None:
        pass


def a_life() -> list[bytes]:
    """Return every datagram of a listener that comes, reports, asks and leaves.

    It is another one than those of the tests: its checks are of no use there.
    """
    world = World(seed=2)
    while world.step():
        pass
    keys = world.listener.keys
    assert keys is not None
    session = SrtpSession(keys)
    nack = Nack(SSRC, (1, 2, 40)).serialize(1)
    world.listener.report(SSRC, 5)
    world.sent += [session.protect_rtcp(nack), *world.listener.outgoing()]
    world.listener.leave()
    return world.sent + world.listener.outgoing()


LIFE = a_life()


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw a valid message with a few bytes changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


# Right in all but the password.
FORGED = stun.serialize(
    MessageType.REQUEST,
    bytes(12),
    [
        (Attribute.USERNAME, f"{World().peer.ufrag}:x".encode()),
        (Attribute.ICE_CONTROLLING, bytes(8)),
        (Attribute.USE_CANDIDATE, b""),
    ],
    password=b"a guess",
)
garbage = st.binary(max_size=200) | mutated(LIFE) | mutated([FORGED]) | st.just(FORGED)


def test_the_life_holds_every_kind_of_datagram() -> None:
    kinds = {"stun" if d[0] < 4 else "dtls" if d[0] < 64 else "srtcp" for d in LIFE}
    assert kinds == {"stun", "dtls", "srtcp"}
    assert len(LIFE) >= 6


@given(st.binary(max_size=300) | mutated([d for d in LIFE if d[0] < 4]))
@settings(max_examples=400, deadline=None)
def test_any_stun(data: bytes) -> None:
    with suppress(RemoteWireError):
        message = StunMessage.parse(data)
        message.has_integrity(b"password")
        message.unknown_required()


@given(
    st.binary(max_size=200)
    | mutated([Nack(1, (5, 9)).serialize(2), rtcp.serialize_bye(3)])
)
@settings(max_examples=400, deadline=None)
def test_any_rtcp(data: bytes) -> None:
    with suppress(RemoteWireError):
        rtcp.parse(data)


@given(garbage)
@settings(max_examples=300, deadline=None)
def test_any_srtcp(data: bytes) -> None:
    size = Profile.AEAD_AES_128_GCM.key_bytes + Profile.AEAD_AES_128_GCM.salt_bytes
    session = SrtpSession(SrtpKeys(Profile.AEAD_AES_128_GCM, bytes(size), bytes(size)))
    with pytest.raises(SrtpError):
        session.unprotect_rtcp(data)


@pytest.fixture(scope="module")
def connected() -> World:
    world = World()
    while world.step():
        pass
    assert world.peer.connected
    return world


@given(
    datagrams=st.lists(garbage, max_size=8), source=st.sampled_from([HOME, STRANGER])
)
@settings(max_examples=300, deadline=None)
def test_a_connected_listener_stays(
    connected: World, datagrams: list[bytes], source: Address
) -> None:
    for datagram in datagrams:
        connected.endpoint.receive(datagram, source, now_ns=1)
    connected.endpoint.outgoing()
    assert connected.gone == []
    assert connected.peer.address == HOME
    assert set(connected.endpoint._by_address) == {HOME}


@given(
    when=st.integers(0, 4),
    datagrams=st.lists(garbage, min_size=1, max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_a_handshake_is_disturbed_by_nobody_else(
    when: int, datagrams: list[bytes]
) -> None:
    """A stranger's datagrams at any moment of it change nothing."""
    world = World()
    for turn in range(8):
        if turn == when:
            for datagram in datagrams:
                world.endpoint.receive(datagram, STRANGER, now_ns=0)
            assert all(a == STRANGER for _, a in world.endpoint.outgoing())
        world.step()
    assert world.peer.connected


@given(
    when=st.integers(1, 4),
    datagrams=st.lists(mutated([d for d in LIFE if 20 <= d[0] < 64]), max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_garbage_in_a_handshake_ends_it_at_worst(
    when: int, datagrams: list[bytes]
) -> None:
    """From the listener's own address, as an injection on its path would be."""
    world = World()
    for turn in range(8):
        if turn == when:
            for datagram in datagrams:
                world.endpoint.receive(datagram, HOME, now_ns=0)
        with suppress(ConnectionError):  # the listener was told an alert
            world.step()
    assert len(world.endpoint) + len(world.gone) == 1


def mutate(text: str, draw: Callable[[st.SearchStrategy[int]], int]) -> str:
    """Drop, double, move or cut lines."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        match draw(st.integers(0, 3)):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1:
                lines.insert(other, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
    return "\r\n".join(lines) + "\r\n"


def read_offer(text: str) -> Offer | None:
    with suppress(OfferError, UnacceptableOfferError):
        offer = Offer.parse(text)
        # What we answer must itself be an answer: one line per line, each known.
        lines = answer(offer, LOCAL).split("\r\n")
        assert all(line[1:2] == "=" for line in lines[:-1])
        assert sum(line.startswith("m=") for line in lines) == len(offer.media)
        return offer
    return None


@pytest.mark.parametrize("text", OFFERS)
def test_browsers_offers_are_served(text: str) -> None:
    assert read_offer(text) is not None


@given(st.sampled_from(OFFERS), st.data())
@settings(max_examples=300, deadline=None)
def test_nearly_right_offers(text: str, data: st.DataObject) -> None:
    read_offer(mutate(text, data.draw))


@given(st.text())
@example("v=0\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\n" * 1000)
@example("v=0\n" + "a=x\n" * 20_000)
@example("v=0\nm=" + "9 " * 30_000)
@settings(max_examples=200, deadline=None)
def test_any_text_as_an_offer(text: str) -> None:
    assert read_offer(text) is None


def test_a_thousand_media_are_too_many() -> None:
    media = OFFERS[0][OFFERS[0].index("m=") :]
    with pytest.raises(UnacceptableOfferError, match=f"{MAX_MEDIA}"):
        Offer.parse("v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 1000 + media)
