"""Packets that know their place: WebRTC's beside the WebSocket's, on one axis."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.placing import RED_PAYLOAD_TYPE, Placed, place
from clients.speaker.receipts import Receipts
from clients.speaker.stream import Counters, us_to_position
from clients.speaker.timeline import Timeline
from streamer.media.frame import FRAME_NS, FRAME_SAMPLES, ns_to_samples
from streamer.wire import red
from streamer.wire.control import Idle, Programme, ProgrammeClass, Settings
from streamer.wire.errors import RemoteWireError
from streamer.wire.red import RedBlock
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

SILENT_FRAME = b"\xf8\xff\xfe"  # RFC 6716: CELT, 20 ms, mono, nothing coded
DAY_NS = 86_400 * 10**9
instants_ns = st.integers(0, 400 * DAY_NS)


def make_timeline(counters: Counters) -> Timeline:
    return Timeline(counters, Receipts(), Settings(100, 400))


@dataclass(frozen=True)
class OnAir:
    """A programme, its packets as both transports bring them."""

    ssrc: int
    origin_ns: int
    first_timestamp: int = 4_000_000_000

    def announcement(self, *, from_ns: int | None = None) -> Programme:
        return Programme(
            broadcast=f"b{self.ssrc}",
            programme_class=ProgrammeClass.NORMAL,
            title="",
            ssrc=self.ssrc,
            payload_type=OPUS_PAYLOAD_TYPE,
            timestamp=self.first_timestamp,
            clock_us=self.origin_ns // 1000,
            from_us=(self.origin_ns if from_ns is None else from_ns) // 1000,
        )

    def by_websocket(self, index: int) -> RtpPacket:
        return RtpPacket(
            payload_type=OPUS_PAYLOAD_TYPE,
            sequence=(50_000 + index) % 2**16,
            timestamp=(self.first_timestamp + index * FRAME_SAMPLES) % 2**32,
            ssrc=self.ssrc,
            payload=SILENT_FRAME,
        )

    def by_webrtc(self, index: int, *, with_copy: bool = False) -> RtpPacket:
        capture_ns = self.origin_ns + index * FRAME_NS
        primary = RedBlock(OPUS_PAYLOAD_TYPE, 0, SILENT_FRAME)
        copy = RedBlock(OPUS_PAYLOAD_TYPE, FRAME_SAMPLES, SILENT_FRAME)
        return RtpPacket(
            payload_type=RED_PAYLOAD_TYPE if with_copy else OPUS_PAYLOAD_TYPE,
            sequence=index % 2**16,
            timestamp=ns_to_samples(capture_ns) % 2**32,
            ssrc=99,
            payload=red.serialize([copy, primary]) if with_copy else SILENT_FRAME,
        )

    def now_near(self, index: int) -> int:
        """Return where a speaker thinks it is: late, and off by a little."""
        return ns_to_samples(self.origin_ns + index * FRAME_NS) + 12_345


def insert(timeline: Timeline, on_air: OnAir, index: int, *, red: bool = False) -> bool:
    """Return whether the packet was taken for one of what is on air."""
    rtp = on_air.by_webrtc(index, with_copy=red)
    placed = place(rtp, near=on_air.now_near(index))
    return all([timeline.insert_at(each) for each in placed])


@given(instants_ns, st.integers(0, 10_000_000))
def test_law_both_transports_put_a_packet_in_one_place(
    origin_ns: int, index: int
) -> None:
    """Whatever the clock says, and after days on air."""
    programme = OnAir(1, origin_ns)
    timeline = make_timeline(Counters())
    timeline.announce(programme.announcement())
    assert insert(timeline, programme, index)
    stream = timeline._streams[1]
    expected = us_to_position(origin_ns // 1000) + index * FRAME_SAMPLES
    assert stream.newest_end == expected + FRAME_SAMPLES
    # What follows by the other way is unwrapped from there.
    stream.insert(programme.by_websocket(index + 1))
    assert stream.newest_end == expected + 2 * FRAME_SAMPLES


@given(
    instants_ns,
    st.lists(st.sampled_from(["websocket", "webrtc", "both"]), min_size=2, max_size=80),
    st.randoms(use_true_random=False),
)
def test_law_two_ways_at_once_are_one_stream(
    origin_ns: int, ways: list[str], rng: random.Random
) -> None:
    """No sample is missing where they meet, and only copies are discarded."""
    programme, counters = OnAir(1, origin_ns), Counters()
    timeline = make_timeline(counters)
    timeline.announce(programme.announcement())
    arrivals = [
        (index, way)
        for index, ways_of_it in enumerate(ways)
        for way in ("websocket", "webrtc")
        if ways_of_it in (way, "both")
    ]
    arrivals.sort(key=lambda arrival: arrival[0] + rng.uniform(0, 5) * (arrival[0] > 0))
    for index, way in arrivals:
        if way == "websocket":
            timeline.insert(programme.by_websocket(index))
        else:
            assert insert(timeline, programme, index)
    timeline.insert(programme.by_websocket(len(ways)))  # no hole hides behind the end
    timeline.read(us_to_position(origin_ns // 1000), len(ways) * FRAME_SAMPLES)
    assert counters.concealed_samples == 0
    assert counters.packets_lost == 0
    assert counters.packets_received == len(arrivals) + 1
    assert counters.packets_discarded == ways.count("both")
    assert counters.packets_late == 0


@given(st.sets(st.integers(1, 98)), instants_ns)
def test_law_a_loss_is_heard_only_when_two_are_lost_in_a_row(
    lost: set[int], origin_ns: int
) -> None:
    programme, counters = OnAir(1, origin_ns), Counters()
    timeline = make_timeline(counters)
    timeline.announce(programme.announcement())
    for index in range(100):
        if index not in lost:
            assert insert(timeline, programme, index, red=index > 0)
    timeline.read(us_to_position(origin_ns // 1000), 100 * FRAME_SAMPLES)
    missing = sum(index + 1 in lost for index in lost)
    # Silence has in-band FEC of nothing, so what is missing is concealed.
    assert counters.concealed_samples == missing * FRAME_SAMPLES
    assert counters.packets_lost == len(lost)  # what the network did
    assert counters.packets_received == 100 - len(lost)
    assert counters.packets_discarded == 0


def test_packets_that_overtook_their_announcement_are_played() -> None:
    programme, counters = OnAir(1, 7 * DAY_NS), Counters()
    timeline = make_timeline(counters)
    assert not insert(timeline, programme, 0)
    assert not insert(timeline, programme, 1)
    timeline.announce(programme.announcement())
    assert insert(timeline, programme, 2)
    timeline.read(us_to_position(7 * DAY_NS // 1000), 3 * FRAME_SAMPLES)
    assert counters.total_samples_received == 3 * FRAME_SAMPLES
    assert counters.concealed_samples == 0


def test_packets_of_nobody_are_given_up_and_counted() -> None:
    counters = Counters()
    timeline = make_timeline(counters)
    for index in range(500):
        insert(timeline, OnAir(1, DAY_NS), index)
    assert counters.packets_discarded == counters.packets_received == 400
    assert len(timeline._waiting) == 100


def test_each_packet_goes_to_the_programme_on_whose_grid_it_lies() -> None:
    """Around a switch, whatever was announced by then; no marker is looked at."""
    counters = Counters()
    timeline = make_timeline(counters)
    weak, strong = OnAir(1, DAY_NS), OnAir(2, DAY_NS + 50_000_000 + 7_000_000)
    timeline.announce(weak.announcement())
    for index in range(4):
        insert(timeline, weak, index)
    timeline.announce(strong.announcement())
    assert insert(timeline, strong, 0)
    assert not insert(timeline, weak, 4)  # overtaken: kept, but no sign of life
    ends = {ssrc: stream.newest_end for ssrc, stream in timeline._streams.items()}
    assert ends == {
        1: us_to_position(DAY_NS // 1000) + 5 * FRAME_SAMPLES,
        2: us_to_position(strong.origin_ns // 1000) + FRAME_SAMPLES,
    }


def test_two_programmes_on_one_grid_are_told_apart_by_what_is_heard() -> None:
    timeline = make_timeline(Counters())
    weak, strong = OnAir(1, DAY_NS), OnAir(2, DAY_NS + 10 * FRAME_NS)
    timeline.announce(weak.announcement())
    timeline.announce(strong.announcement())
    for index in range(10):
        insert(timeline, weak, index)
    insert(timeline, strong, 0)
    timeline.announce(weak.announcement(from_ns=DAY_NS + 15 * FRAME_NS))
    insert(timeline, strong, 4)
    insert(timeline, weak, 15)
    ends = {
        ssrc: (stream.newest_end or 0) - us_to_position(DAY_NS // 1000)
        for ssrc, stream in timeline._streams.items()
    }
    assert ends == {1: 16 * FRAME_SAMPLES, 2: 15 * FRAME_SAMPLES}


def test_nothing_is_expected_but_while_a_programme_is_announced() -> None:
    timeline = make_timeline(Counters())
    assert not timeline.expects_packets
    timeline.announce(OnAir(1, 0).announcement())
    assert timeline.expects_packets
    timeline.idle(Idle(1_000_000))
    assert not timeline.expects_packets


def test_a_copy_of_another_payload_is_left_out() -> None:
    blocks = [RedBlock(13, FRAME_SAMPLES, b"noise"), RedBlock(111, 0, SILENT_FRAME)]
    rtp = RtpPacket(RED_PAYLOAD_TYPE, 0, 5, 1, red.serialize(blocks))
    assert place(rtp, near=0) == [Placed(5, SILENT_FRAME)]


def test_truncated_redundancy_is_refused() -> None:
    with pytest.raises(RemoteWireError):
        place(RtpPacket(RED_PAYLOAD_TYPE, 0, 5, 1, b"\xef\x00"), near=0)
