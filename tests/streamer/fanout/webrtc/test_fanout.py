"""Tests of streamer.fanout.webrtc.fanout: real DTLS, SRTP and UDP, virtual time."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from bench.webrtc_client import LightListener
from streamer.bus.bus import AirChange, OnAir, Switch
from streamer.fanout.datagrams import sockaddr
from streamer.fanout.webrtc import group
from streamer.fanout.webrtc.dtls import Certificate, DtlsContext
from streamer.fanout.webrtc.endpoint import Endpoint, EndpointSettings
from streamer.fanout.webrtc.fanout import (
    KEPT_PROGRAMMES,
    RESENDS_PER_REPORT,
    WebRtcFanout,
)
from streamer.fanout.webrtc.peer import Peer, Target
from streamer.fanout.webrtc.srtp import Outlet, SrtpSession
from streamer.fanout.webrtc.stream import MAX_RED_BYTES, Stream
from streamer.media.frame import (
    FRAME_NS,
    FRAME_SAMPLES,
    ProgrammePacket,
    ns_to_samples,
)
from streamer.wire import red
from streamer.wire.control import ProgrammeClass
from streamer.wire.rtcp import Feedback, Nack, parse
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

SSRC = 77
CONTEXT = DtlsContext(
    Certificate.generate(now_utc=datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC))
)


class Tally:
    """Counts as the metrics would."""

    def __init__(self) -> None:
        self.counts = {"sent": 0, "dropped": 0, "resent": 0}

    def sent(self, packets: int) -> None:
        self.counts["sent"] += packets

    def dropped(self, packets: int) -> None:
        self.counts["dropped"] += packets

    def resent(self, packets: int) -> None:
        self.counts["resent"] += packets


class Listener:
    """A light listener with its socket, and what it heard."""

    def __init__(self, seed: int, *, red: bool) -> None:
        self.light = LightListener(Random(seed), red=red)
        self.red = red
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.heard: list[RtpPacket] = []
        self.peer: Peer | None = None

    def drain(self) -> None:
        """Take in what has arrived: loopback delivers within the send."""
        while True:
            try:
                datagram = self.socket.recv(2048)
            except BlockingIOError:
                return
            if datagram[0] < 128 or 192 <= datagram[1] < 224:
                self.light.receive(datagram)
                continue
            packet = self.light.decrypt(datagram)
            assert packet is not None
            self.heard.append(packet)

    def payloads(self) -> list[bytes]:
        if not self.red:
            return [packet.payload for packet in self.heard]
        return [red.parse(packet.payload)[-1].payload for packet in self.heard]


class Station:
    """Endpoint and fan-out on one socket, driven by hand."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.tally = Tally()
        self.fanout = WebRtcFanout(
            ssrc=SSRC,
            cname="station",
            descriptor=self.socket.fileno,
            counters=self.tally,
        )
        host, port = self.socket.getsockname()
        self.endpoint = Endpoint(
            EndpointSettings([(host, port)], SSRC, "station"), CONTEXT, self, Random(3)
        )
        self.listeners: list[Listener] = []

    def peer_connected(self, peer: Peer, now_ns: int) -> None:
        assert peer.srtp is not None
        assert peer.address is not None
        name = sockaddr(peer.address, socket.AF_INET)
        peer.outlet = Outlet(peer.srtp, name, peer.payload_type, peer.first_sequence)
        self.fanout.add(peer)

    def peer_moved(self, peer: Peer) -> None:
        raise AssertionError("nobody moves here")

    def peer_gone(self, peer: Peer, reason: str) -> None:
        self.fanout.remove(peer)

    def peer_feedback(self, peer: Peer, feedback: Feedback) -> None:
        assert isinstance(feedback, Nack)
        for packet in self.fanout.answer(peer, feedback):
            self.endpoint.send(peer, packet)

    def join(
        self, target: Target, *, red: bool = False, keeps_clock: bool = False
    ) -> Listener:
        listener = Listener(len(self.listeners), red=red)
        offer = listener.light.offer()
        listener.peer, answer = self.endpoint.accept(
            offer, target, now_ns=0, keeps_clock=keeps_clock
        )
        listener.light.accept(answer)
        listener.light.poll(now_ns=0)
        self.listeners.append(listener)
        for _ in range(10):
            self.pump(listener)
        assert listener.light.connected
        return listener

    def pump(self, listener: Listener) -> None:
        for datagram in listener.light.outgoing():
            listener.socket.sendto(datagram, self.socket.getsockname())
        while True:
            try:
                datagram, source = self.socket.recvfrom(2048)
            except BlockingIOError:
                break
            self.endpoint.receive(datagram, source, now_ns=0)
        for datagram, address in self.endpoint.outgoing():
            self.socket.sendto(datagram, address)
        listener.drain()

    def start(
        self, ssrc: int, *, origin_ns: int = 0, broadcast_id: str | None = None
    ) -> None:
        on_air = OnAir(
            ssrc=ssrc,
            broadcast_id=broadcast_id or f"b{ssrc}",
            programme_class=ProgrammeClass.NORMAL,
            title="",
            first_timestamp=0,
            origin_ns=origin_ns,
        )
        self.fanout.on_air_change(AirChange(started=(on_air,)))

    def switch(self, ssrc: int | None, zone_id: str = "z", *, from_ns: int = 0) -> None:
        change = AirChange(switches=(Switch((zone_id,), ssrc, from_ns),))
        self.fanout.on_air_change(change)
        self.drain()

    def air(self, ssrc: int, index: int, *, origin_ns: int = 0) -> bytes:
        payload = b"%d/%d" % (ssrc, index)
        rtp = RtpPacket(OPUS_PAYLOAD_TYPE, index, 0, ssrc, payload).serialize()
        capture_ns = origin_ns + index * FRAME_NS
        self.fanout.on_packet(
            ProgrammePacket(ssrc, index, rtp, capture_ns, due_ns=capture_ns)
        )
        self.drain()
        return payload

    def drain(self) -> None:
        for listener in self.listeners:
            listener.drain()

    def close(self) -> None:
        self.socket.close()
        for listener in self.listeners:
            listener.socket.close()


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    """Few peers make several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group, "BLOCK_PEERS", 2)
        yield


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    station.close()


def test_each_hears_its_zone(station: Station) -> None:
    here, there = (station.join(Target(zone_id=zone)) for zone in ("z", "y"))
    station.start(1)
    station.switch(1)
    sent = [station.air(1, k) for k in range(3)]
    assert here.payloads() == sent
    assert there.heard == []
    assert station.tally.counts == {"sent": 3, "dropped": 0, "resent": 0}
    assert station.fanout.listeners() == {"z": 1, "y": 1}


def test_one_programme_can_be_heard_whatever_the_air_says(station: Station) -> None:
    station.start(1)
    monitor = station.join(Target(broadcast_id="b1"))
    sent = [station.air(1, k) for k in range(2)]
    assert monitor.payloads() == sent


def test_one_broadcast_is_heard_in_all_its_takes(station: Station) -> None:
    early = station.join(Target(broadcast_id="b1"))
    station.start(1)
    sent = [station.air(1, k) for k in range(2)]
    station.fanout.on_air_change(AirChange(ended=(1,)))
    held = station.join(Target(broadcast_id="b1"))
    station.start(2, broadcast_id="b1")
    station.start(3)
    after = [station.air(2, k) for k in range(2)]
    station.air(3, 0)
    assert early.payloads() == sent + after
    assert held.payloads() == after
    station.fanout.on_air_change(AirChange(ended=(2,)))
    station.fanout.on_air_change(AirChange(over=("b1",)))
    station.start(4, broadcast_id="b4")
    station.air(4, 0)
    assert early.payloads() == sent + after


def test_red_repeats_the_frame_before(station: Station) -> None:
    plain = station.join(Target(zone_id="z"))
    redundant = station.join(Target(zone_id="z"), red=True)
    station.start(1)
    station.switch(1)
    sent = [station.air(1, k) for k in range(3)]
    assert plain.payloads() == redundant.payloads() == sent
    blocks = red.parse(redundant.heard[2].payload)
    assert [block.payload for block in blocks] == sent[1:]
    assert blocks[0].timestamp_offset == FRAME_SAMPLES


@settings(max_examples=50, deadline=None)
@given(
    distances=st.lists(st.integers(1, 17), max_size=4),
    sizes=st.lists(st.integers(1, 1275), min_size=1, max_size=30),
)
def test_law_copies_are_of_the_packets_at_the_distances_as_far_as_they_fit(
    distances: list[int], sizes: list[int]
) -> None:
    ordered = tuple(sorted(set(distances)))
    on_air = OnAir(1, "b", ProgrammeClass.NORMAL, "", 0, 0)
    stream = Stream(on_air, SSRC, ordered)
    sent = [bytes([n]) * size for n, size in enumerate(sizes)]
    for n, payload in enumerate(sent):
        at_ns = n * FRAME_NS
        rtp = RtpPacket(OPUS_PAYLOAD_TYPE, n, n * FRAME_SAMPLES, 1, payload).serialize()
        kept = stream.append(ProgrammePacket(1, n, rtp, at_ns, at_ns))
        *copies, primary = red.parse(kept.redundant.payload)
        assert primary.payload == payload
        found = [copy.timestamp_offset // FRAME_SAMPLES for copy in copies]
        assert all(c.payload == sent[n - d] for c, d in zip(copies, found, strict=True))
        # A block's length has ten bits (RFC 2198, section 3).
        wanted = [d for d in ordered if d <= n and sizes[n - d] < 1024]
        assert found == sorted(found, reverse=True)
        assert set(found) <= set(wanted)
        if len(payload) + sum(len(sent[n - d]) + 4 for d in wanted) < MAX_RED_BYTES:
            assert found == wanted[::-1]
        if copies:
            assert sum(map(len, (b.payload for b in (*copies, primary)))) <= 1200


def test_a_switch_marks_the_packet_and_never_turns_time_back(station: Station) -> None:
    listener = station.join(Target(zone_id="z"))
    station.start(1)
    station.switch(1)
    for k in range(5):
        station.air(1, k)
    # A microphone's samples are older than the moment at which they are sent.
    origin_ns = 5 * FRAME_NS - 66_000_000
    station.start(2, origin_ns=origin_ns)
    station.switch(2)
    for k in range(5):
        station.air(2, k, origin_ns=origin_ns)
    timestamps = [packet.timestamp for packet in listener.heard]
    assert {b - a for a, b in pairwise(timestamps)} == {FRAME_SAMPLES}
    assert [p.marker for p in listener.heard] == [k in (0, 5) for k in range(10)]
    assert {p.ssrc for p in listener.heard} == {SSRC}


def test_a_lost_packet_is_sent_again_as_it_was(station: Station) -> None:
    for is_red in (False, True):
        listener = station.join(Target(zone_id="z"), red=is_red)
        assert listener.peer is not None
    station.start(1)
    station.switch(1)
    for k in range(4):
        station.air(1, k)
    station.start(2)
    station.switch(2)
    for k in range(4):
        station.air(2, k)
    for listener in station.listeners:
        assert asked_again(station, listener) == listener.heard
    assert station.tally.counts["resent"] == 16


def asked_again(station: Station, listener: Listener) -> list[RtpPacket]:
    """Return what comes when *listener* asks for all it ever heard."""
    originals, listener.heard = listener.heard, []
    keys = listener.light.keys
    assert keys is not None
    nack = _nack_bytes(tuple(packet.sequence for packet in originals))
    protected = SrtpSession(keys).protect_rtcp(nack)
    listener.socket.sendto(protected, station.socket.getsockname())
    # The listener's libsrtp refuses what it already had: read with fresh eyes.
    listener.light.forget_replays()
    station.pump(listener)
    again, listener.heard = listener.heard, originals
    return again


LATE_NS = 100_000_000
"A microphone's samples are older than a file's when they are sent."


@pytest.mark.parametrize("red", [False, True])
def test_a_speaker_hears_to_the_end_what_a_faster_source_cuts_off(
    station: Station, red: bool
) -> None:
    speaker = station.join(Target(zone_id="z"), red=red, keeps_clock=True)
    browser = station.join(Target(zone_id="z"), red=red)
    station.start(1, origin_ns=-LATE_NS)
    station.switch(1, from_ns=-LATE_NS)
    for k in range(10):
        station.air(1, k, origin_ns=-LATE_NS)
    station.start(2)
    station.switch(2, from_ns=10 * FRAME_NS)
    for k in range(10, 20):
        station.air(1, k, origin_ns=-LATE_NS)
        station.air(2, k)
    ones = [p for p in speaker.payloads() if p.startswith(b"1/")]
    assert ones == [b"1/%d" % k for k in range(15)]  # captured before the switch
    assert browser.payloads() == [
        *(b"1/%d" % k for k in range(10)),
        *(b"2/%d" % k for k in range(10, 20)),
    ]
    assert_continuous(speaker)
    assert asked_again(station, speaker) == speaker.heard
    assert {b - a for a, b in pairwise(p.timestamp for p in browser.heard)} == {960}


def test_a_speaker_gets_preroll_and_a_browser_does_not(station: Station) -> None:
    speaker = station.join(Target(zone_id="z"), keeps_clock=True)
    browser = station.join(Target(zone_id="z"))
    elsewhere = station.join(Target(zone_id="y"), keeps_clock=True)
    station.start(1)
    station.switch(1, "y")
    for k in range(20):
        station.air(1, k)
    station.switch(1, from_ns=19 * FRAME_NS)
    station.air(1, 20)
    assert speaker.payloads() == [b"1/%d" % k for k in range(15, 21)]
    assert [packet.marker for packet in speaker.heard] == [True] + [False] * 5
    assert browser.payloads() == [b"1/20"]
    assert elsewhere.payloads() == [b"1/%d" % k for k in range(21)]
    for listener in station.listeners:
        assert_continuous(listener)
        assert asked_again(station, listener) == listener.heard


def test_a_silenced_speaker_is_sent_nothing_more(station: Station) -> None:
    speaker = station.join(Target(zone_id="z"), keeps_clock=True)
    station.start(1, origin_ns=-LATE_NS)
    station.switch(1, from_ns=-LATE_NS)
    for k in range(10):
        station.air(1, k, origin_ns=-LATE_NS)
    # A tail is under way when the zone, which hears nothing, is silenced.
    station.switch(None, from_ns=10 * FRAME_NS)
    station.air(1, 10, origin_ns=-LATE_NS)
    assert speaker.payloads()[-1] == b"1/10"
    station.switch(None, from_ns=10 * FRAME_NS - 10_000_000_000)
    for k in range(11, 20):
        station.air(1, k, origin_ns=-LATE_NS)
    assert speaker.payloads()[-1] == b"1/10"


def test_a_silenced_browser_is_sent_nothing_more(station: Station) -> None:
    browser = station.join(Target(zone_id="z"))
    station.start(1)
    station.switch(1)
    station.air(1, 0)
    station.switch(None, from_ns=-10_000_000_000)
    late = station.join(Target(zone_id="z"))
    station.air(1, 1)
    assert browser.payloads() == [b"1/0"]
    assert late.heard == []


def test_two_takes_of_a_broadcast_are_one_stream(station: Station) -> None:
    browser = station.join(Target(zone_id="z"))
    speaker = station.join(Target(zone_id="z"), keeps_clock=True)
    for ssrc in (1, 2):
        on_air = OnAir(ssrc, "b", ProgrammeClass.NORMAL, "", 0, ssrc * FRAME_NS)
        begin = Switch(("z",), ssrc, on_air.origin_ns)
        station.fanout.on_air_change(AirChange((on_air,), (begin,)))
        station.air(ssrc, 0, origin_ns=on_air.origin_ns)
        hold = Switch(("z",), None, on_air.origin_ns + FRAME_NS)
        station.fanout.on_air_change(AirChange(switches=(hold,), ended=(ssrc,)))
    for listener in (browser, speaker):
        assert listener.payloads() == [b"1/0", b"2/0"]
        assert_continuous(listener)


def assert_continuous(listener: Listener) -> None:
    numbers = [packet.sequence for packet in listener.heard]
    assert all((b - a) % 2**16 == 1 for a, b in pairwise(numbers))


def test_a_flood_of_nacks_is_cut(station: Station) -> None:
    listener = station.join(Target(zone_id="z"))
    station.start(1)
    station.switch(1)
    station.air(1, 0)
    assert listener.peer is not None
    again = Nack(SSRC, (listener.heard[0].sequence,) * (RESENDS_PER_REPORT + 50))
    assert len(station.fanout.answer(listener.peer, again)) == RESENDS_PER_REPORT
    assert station.fanout.answer(listener.peer, again) == []


def test_what_was_never_sent_is_not_sent_again(station: Station) -> None:
    listener = station.join(Target(zone_id="z"))
    assert listener.peer is not None
    station.start(1)
    station.switch(1)
    station.air(1, 0)
    future = Nack(SSRC, (listener.heard[0].sequence + 1, 40_000))
    assert station.fanout.answer(listener.peer, future) == []


def test_the_sender_report_says_what_went_out(station: Station) -> None:
    listener = station.join(Target(zone_id="z"))
    peer = listener.peer
    assert peer is not None
    assert station.fanout.report(peer, now_ns=0, utc_ns=0) is None
    for ssrc in (1, 2):
        station.start(ssrc)
        station.switch(ssrc)
        for k in range(3):
            station.air(ssrc, k)
    report = station.fanout.report(peer, now_ns=FRAME_NS, utc_ns=5)
    assert report is not None
    plain = listener.light.decrypt_rtcp(report)
    assert int.from_bytes(plain[20:24]) == 6
    assert int.from_bytes(plain[24:28]) == sum(len(p.payload) for p in listener.heard)
    shift = peer.outlet.shift_samples if peer.outlet else 0
    assert int.from_bytes(plain[16:20]) == FRAME_SAMPLES + shift
    assert parse(plain) == []


def test_a_retargeted_listener_hears_its_new_zone_in_one_stream(
    station: Station,
) -> None:
    listener = station.join(Target(zone_id="z"))
    other = station.join(Target(zone_id="y"))
    assert station.fanout.listeners() == {"z": 1, "y": 1}
    for ssrc, zone_id in ((1, "z"), (2, "y")):
        station.start(ssrc)
        station.switch(ssrc, zone_id)
    sent = [station.air(1, 0), station.air(1, 1)]
    station.air(2, 0)
    assert listener.peer is not None
    station.fanout.retarget(listener.peer, Target(zone_id="y"))
    station.air(1, 2)
    sent.append(station.air(2, 1))
    assert listener.payloads() == sent
    assert other.payloads() == [b"2/0", b"2/1"]
    assert {b.sequence - a.sequence for a, b in pairwise(listener.heard)} <= {1, -65535}
    assert station.fanout.listeners() == {"y": 2}
    station.endpoint.remove(listener.peer, "test")
    assert station.fanout.listeners() == {"y": 1}


@pytest.mark.parametrize(
    ("programme_class", "interrupts", "is_measured"),
    [
        (ProgrammeClass.EMERGENCY, False, True),
        (ProgrammeClass.NORMAL, True, True),
        (ProgrammeClass.NORMAL, False, False),
    ],
)
def test_a_cut_in_is_measured_at_its_first_packet(
    station: Station,
    programme_class: ProgrammeClass,
    interrupts: bool,
    is_measured: bool,
) -> None:
    station.join(Target(zone_id="z"))
    seen: list[int] = []
    station.fanout.watch_cut_ins(lambda on_air: seen.append(on_air.ssrc))
    if interrupts:
        station.start(1)
        station.switch(1)
    on_air = OnAir(2, "b", programme_class, "", 0, 0, accepted_ns=5)
    station.fanout.on_air_change(AirChange((on_air,), (Switch(("z",), 2, 0),)))
    assert seen == []
    for k in range(3):
        station.air(2, k)
    assert seen == [2] * is_measured


def test_a_programme_that_waits_is_heard_when_its_turn_comes(station: Station) -> None:
    listener = station.join(Target(zone_id="z"))
    waiting = range(1, 3 * KEPT_PROGRAMMES)
    for ssrc in waiting:
        station.start(ssrc)
        station.air(ssrc, 0)
    station.fanout.on_air_change(AirChange(ended=(waiting[-1],)))
    for ssrc in waiting[:-1]:
        station.switch(ssrc)
        expected = station.air(ssrc, 1)
        assert listener.payloads()[-1] == expected


def test_programmes_that_ended_are_forgotten_in_time(station: Station) -> None:
    for ssrc in range(1, 3 * KEPT_PROGRAMMES):
        station.start(ssrc)
        station.fanout.on_air_change(AirChange(ended=(ssrc,)))
    assert len(station.fanout._streams) == KEPT_PROGRAMMES


def test_a_cut_in_that_nobody_hears_is_not_measured(station: Station) -> None:
    seen: list[OnAir] = []
    station.fanout.watch_cut_ins(seen.append)
    on_air = OnAir(2, "b", ProgrammeClass.EMERGENCY, "", 0, 0, accepted_ns=5)
    station.fanout.on_air_change(AirChange((on_air,), (Switch(("z",), 2, 0),)))
    station.air(2, 0)
    station.join(Target(zone_id="z"))
    station.air(2, 1)
    assert seen == []


class Comings(RuleBasedStateMachine):
    """Whatever comes and goes, each hears exactly what its zone heard meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.station = Station()
        self.expected: dict[Listener, list[bytes]] = {}
        self.present: list[Listener] = []
        self.heard: int | None = None
        self.index = 0
        for ssrc in (1, 2):
            self.station.start(ssrc)

    @rule(ssrc=st.sampled_from([None, 1, 2]))
    def switch(self, ssrc: int | None) -> None:
        self.heard = ssrc
        self.station.switch(ssrc)

    @precondition(lambda self: len(self.expected) < 5)
    @rule(red=st.booleans())
    def join(self, red: bool) -> None:
        listener = self.station.join(Target(zone_id="z"), red=red)
        self.expected[listener] = []
        self.present.append(listener)

    @precondition(lambda self: self.present)
    @rule(which=st.integers(0, 4))
    def leave(self, which: int) -> None:
        leaver = self.present.pop(which % len(self.present))
        assert leaver.peer is not None
        self.station.endpoint.remove(leaver.peer, "test")

    @rule(frames=st.integers(1, 3))
    def air(self, frames: int) -> None:
        for _ in range(frames):
            for ssrc in (1, 2):
                payload = self.station.air(ssrc, self.index)
                for listener in self.present if ssrc == self.heard else []:
                    self.expected[listener].append(payload)
            self.index += 1

    @invariant()
    def all_is_heard_once_in_order(self) -> None:
        for listener, payloads in self.expected.items():
            assert listener.payloads() == payloads
            numbers = [packet.sequence for packet in listener.heard]
            assert all((b - a) % 2**16 == 1 for a, b in pairwise(numbers))
            timestamps = [packet.timestamp for packet in listener.heard]
            assert all(b - a >= FRAME_SAMPLES for a, b in pairwise(timestamps))

    def teardown(self) -> None:
        self.station.close()


class Overlaps(RuleBasedStateMachine):
    """Whatever is switched, a speaker gets all that it shall play, and can ask again.

    Programme 1 is on time, 2 and 3 are late.
    """

    ORIGINS_NS: ClassVar = {1: 0, 2: -60_000_000, 3: -LATE_NS}

    def __init__(self) -> None:
        super().__init__()
        self.station = Station()
        self.speakers = [
            self.station.join(Target(zone_id="z"), red=red, keeps_clock=True)
            for red in (False, True)
        ]
        self.station.join(Target(zone_id="z"))
        self.index = 0
        self.stays: list[tuple[int | None, int, int]] = []
        for ssrc, origin_ns in self.ORIGINS_NS.items():
            self.station.start(ssrc, origin_ns=origin_ns)

    def captured_ns(self, ssrc: int, index: int) -> int:
        return self.ORIGINS_NS[ssrc] + index * FRAME_NS

    @rule(ssrc=st.sampled_from([None, 1, 2, 3]), silenced=st.booleans())
    def switch(self, ssrc: int | None, silenced: bool) -> None:
        if self.stays and self.stays[-1][0] == ssrc and ssrc is not None:
            return
        from_ns = self.index * FRAME_NS - 3_000_000
        if silenced and ssrc is None:
            from_ns -= 10_000_000_000
        # The last word about an instant counts.
        self.stays = [(s, a, min(b, from_ns)) for s, a, b in self.stays]
        self.stays.append((ssrc, from_ns, 1 << 62))
        self.station.switch(ssrc, from_ns=from_ns)

    @rule(frames=st.integers(1, 4))
    def air(self, frames: int) -> None:
        for _ in range(frames):
            for ssrc, origin_ns in self.ORIGINS_NS.items():
                self.station.air(ssrc, self.index, origin_ns=origin_ns)
            self.index += 1

    @invariant()
    def all_is_there(self) -> None:
        needed = {
            b"%d/%d" % (ssrc, index)
            for ssrc, from_ns, until_ns in self.stays[-8:]
            if ssrc is not None
            for index in range(self.index)
            if from_ns <= self.captured_ns(ssrc, index) < until_ns
        }
        for speaker in self.speakers:
            assert needed <= set(speaker.payloads())
            assert_continuous(speaker)
            for packet, payload in zip(speaker.heard, speaker.payloads(), strict=True):
                ssrc, index = map(int, payload.split(b"/"))
                captured = ns_to_samples(self.captured_ns(ssrc, index))
                assert packet.timestamp == captured % 2**32

    def teardown(self) -> None:
        again: list[bool] = []
        for speaker in self.speakers:
            speaker.heard = speaker.heard[-20:]
            again.append(asked_again(self.station, speaker) == speaker.heard)
        self.station.close()
        assert all(again)


TestOverlaps = Overlaps.TestCase
TestOverlaps.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)

TestComings = Comings.TestCase
TestComings.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def _nack_bytes(sequences: tuple[int, ...]) -> bytes:
    body = b"".join(number.to_bytes(2) + b"\0\0" for number in sequences)
    length = 2 + len(sequences)
    return bytes([0x81, 205]) + length.to_bytes(2) + bytes(4) + SSRC.to_bytes(4) + body
