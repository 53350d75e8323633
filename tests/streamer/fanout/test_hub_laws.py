"""Laws of streamer.fanout.hub under any sequence of events."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bus.bus import Switch
from streamer.fanout.listener import FakeListener, ListenerIdentity
from streamer.fanout.supply import PREROLL_NS
from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.wire.control import Idle, Programme, ServerMessage
from tests.streamer.fanout.rig import (
    DELAY_MS,
    MS,
    Heard,
    OnTheAir,
    Rig,
    announced,
    events_of,
)

ZONES = ("a", "b", "c")
LATEST_SOURCE_MS = 200
FOREVER_NS = 1 << 62
zone = st.sampled_from(ZONES)
zones = st.sets(zone, min_size=1).map(sorted).map(tuple)
ptime = st.sampled_from((20, 40, 60))
steps = st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 12)),
    st.tuples(st.just("late loop"), st.integers(2, 4)),
    st.tuples(st.just("join"), zone, ptime),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("move"), st.integers(0, 9), zone),
    st.tuples(st.just("start"), zones, st.sampled_from((0, 50, LATEST_SOURCE_MS))),
    st.tuples(st.just("end"), st.integers(0, 9), st.none() | st.integers(0, 9)),
    st.tuples(st.just("silence"), zones),
    st.tuples(st.just("stall"), st.integers(0, 9)),
    st.tuples(st.just("flow"), st.integers(0, 9)),
)


class Story:
    """Performs steps on a rig and remembers who ever stalled."""

    def __init__(self, *, ring: bool) -> None:
        self.rig = Rig(ring=ring)
        self.all_programmes: dict[int, OnTheAir] = {}
        self.joined_ns: dict[FakeListener, int] = {}
        self.ever_stalled: set[FakeListener] = set()
        self.left: set[FakeListener] = set()

    def perform(self, name: str, *values: object) -> None:
        getattr(self, name.replace(" ", "_"))(*values)
        self.rig.turn()

    def tick(self, count: int) -> None:
        self.rig.tick(count)

    def late_loop(self, count: int) -> None:
        for _ in range(count):
            self.rig.emit()

    def join(self, zone_id: str, ptime_ms: int) -> None:
        listener = self.rig.join(zone_id, ptime_ms=ptime_ms)
        self.joined_ns[listener] = self.rig.now_ns

    def leave(self, number: int) -> None:
        if (listener := self.pick(number)) is not None:
            self.left.add(listener)
            self.rig.hub.remove(listener)

    def move(self, number: int, zone_id: str) -> None:
        if (listener := self.pick(number)) is not None:
            speaker_id = listener.identity.speaker_id
            self.rig.hub.update(ListenerIdentity(speaker_id, zone_id, 70, DELAY_MS))

    def start(self, zone_ids: tuple[str, ...], delay_ms: int) -> None:
        ssrc = 100 + len(self.all_programmes)
        self.all_programmes[ssrc] = self.rig.start(ssrc, *zone_ids, delay_ms=delay_ms)

    def end(self, number: int, heir: int | None) -> None:
        """A programme ends; another one, or silence, takes over in all zones."""
        running = list(self.rig.programmes)
        if not running:
            return
        ssrc = running.pop(number % len(running))
        to = running[heir % len(running)] if running and heir is not None else None
        end_ns = self.rig.programmes[ssrc].end_ns
        self.rig.end(ssrc, Switch(ZONES, to, end_ns))

    def silence(self, zone_ids: tuple[str, ...]) -> None:
        self.rig.silence(*zone_ids)

    def stall(self, number: int) -> None:
        if (listener := self.pick(number)) is not None:
            listener.stalled = True
            self.ever_stalled.add(listener)

    def flow(self, number: int) -> None:
        if (listener := self.pick(number)) is not None:
            listener.stalled = False

    def pick(self, number: int) -> FakeListener | None:
        present = [x for x in self.joined_ns if x not in self.left]
        return present[number % len(present)] if present else None


@dataclass
class Stay:
    """What a listener got of one programme between two announcements of it."""

    ssrc: int
    from_ns: int
    until_ns: int | None
    indexes: list[int]


def stays_of(events: list[ServerMessage | Heard]) -> list[Stay]:
    """Sort packets to the latest announcement of their programme."""
    stays: list[Stay] = []
    for event in events:
        if isinstance(event, Programme | Idle):
            # The last word about an instant counts, also for what went before.
            for stay in stays:
                stay.until_ns = min(stay.until_ns or FOREVER_NS, event.from_us * 1000)
            if isinstance(event, Programme):
                stays.append(Stay(event.ssrc, event.from_us * 1000, None, []))
        elif isinstance(event, Heard):
            last = next(s for s in reversed(stays) if s.ssrc == event.ssrc)
            last.indexes.append(event.index)
    return stays


def told(story: list[tuple[object, ...]], *, ring: bool) -> Story:
    result = Story(ring=ring)
    for step in story:
        result.perform(*step)  # type: ignore[arg-type]
    for listener in result.joined_ns:
        listener.stalled = False
    result.rig.tick(3)
    result.rig.hub.tend()
    result.rig.turn()
    return result


def heard_by(listener: FakeListener) -> dict[int, list[Stay]]:
    """Return a listener's stays by programme."""
    by_ssrc: dict[int, list[Stay]] = {}
    for stay in stays_of(events_of(listener)):
        by_ssrc.setdefault(stay.ssrc, []).append(stay)
    return by_ssrc


def check_stay(stay: Stay, packets: list[ProgrammePacket], playable_ns: int) -> None:
    """Packets run on without a gap, from at most a little before they are needed."""
    got = stay.indexes
    assert got == list(range(got[0], got[-1] + 1)) if got else True, stay
    if got:
        # What a late source publishes after the switch is sent as it comes.
        spare_ns = PREROLL_NS + 3 * FRAME_NS + LATEST_SOURCE_MS * MS
        start_ns = max(stay.from_ns, playable_ns)
        assert packets[got[0]].capture_ns >= start_ns - spare_ns, stay


@given(st.lists(steps, max_size=40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_law_who_never_stalls_hears_everything_once_and_in_order(
    story: list[tuple[object, ...]], ring: bool
) -> None:
    """From each announcement to the next: what was captured in between, all of it."""
    result = told(story, ring=ring)
    for listener in set(result.joined_ns) - result.ever_stalled - result.left:
        playable_ns = result.joined_ns[listener] - DELAY_MS * MS
        for ssrc, stays in heard_by(listener).items():
            packets = result.all_programmes[ssrc].packets
            got: set[int] = set()
            for stay in stays:
                check_stay(stay, packets, playable_ns)
                got |= set(stay.indexes)
            if stays[-1].until_ns is None:  # still on: a bundle may be under way
                packets = packets[: len(packets) + 1 - listener.ptime_ms // 20]
            assert needed(stays, packets, playable_ns) <= got, stays


def needed(
    stays: list[Stay], packets: list[ProgrammePacket], playable_ns: int
) -> set[int]:
    """Return the packets whose sound is heard during *stays*."""
    return {
        packet.index
        for packet in packets
        for stay in stays
        if max(stay.from_ns, playable_ns) <= packet.capture_ns
        and (stay.until_ns is None or packet.capture_ns < stay.until_ns)
    }


@given(st.lists(steps, max_size=40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_law_who_stalls_gets_nothing_twice_and_ends_at_the_live_edge(
    story: list[tuple[object, ...]], ring: bool
) -> None:
    result = told(story, ring=ring)
    for listener in set(result.joined_ns) - result.left:
        if listener.ending is not None:
            continue
        stays = stays_of(events_of(listener))
        for stay in stays:
            assert stay.indexes == sorted(set(stay.indexes)), stay
        if stays and stays[-1].until_ns is None:
            newest = len(result.all_programmes[stays[-1].ssrc].packets) - 1
            behind = newest - stays[-1].indexes[-1]
            assert behind < listener.ptime_ms // 20, stays[-1]


@given(st.lists(steps, max_size=40), zones, st.booleans())
@settings(max_examples=150, deadline=None)
def test_law_a_silenced_zone_is_sent_nothing(
    story: list[tuple[object, ...]], zone_ids: tuple[str, ...], ring: bool
) -> None:
    """No remainder, no tail: only that it hears nothing, to who had not been told."""
    result = Story(ring=ring)
    for step in story:
        result.perform(*step)  # type: ignore[arg-type]
    result.silence(zone_ids)
    result.rig.turn()
    silenced = [
        listener
        for listener in set(result.joined_ns) - result.ever_stalled - result.left
        if result.rig.hub.identity_of(listener).zone_id in zone_ids
    ]
    for listener in silenced:
        assert isinstance(announced(events_of(listener))[-1], Idle)
        listener.taken.clear()
    result.rig.tick(20)
    for listener in silenced:
        assert events_of(listener) == []


@given(st.lists(steps, max_size=40), st.booleans())
@settings(max_examples=100, deadline=None)
def test_law_a_stalled_link_never_holds_more_than_a_turn_wrote(
    story: list[tuple[object, ...]], ring: bool
) -> None:
    result = Story(ring=ring)
    for step in story:
        before = {x: x.unsent_bytes() for x in result.joined_ns}
        result.perform(*step)  # type: ignore[arg-type]
        for listener, held in before.items():
            if held:  # it was stalled before the step
                assert listener.unsent_bytes() <= held or not listener.stalled
