"""Listeners whose audio comes another way: announcements alone, until they ask."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.fanout.announce import Host
from streamer.fanout.endings import return_spread_ms
from streamer.fanout.listener import FakeListener, ListenerIdentity
from streamer.media.frame import FRAME_NS
from streamer.wire.control import Idle, Programme, Welcome, parse_from_server
from tests.streamer.fanout.rig import (
    DELAY_MS,
    MS,
    Event,
    Heard,
    Rig,
    announced,
    events_of,
    indexes,
    messages_of,
)
from tests.streamer.fanout.test_hub_laws import Story, steps

NORMAL, OTHER = 8, 9


@pytest.fixture(params=[False, True], ids=["transports", "ring"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(ring=request.param)


def without_audio(rig: Rig, zone_id: str = "a", *, ptime_ms: int = 20) -> FakeListener:
    listener = rig.join(zone_id, ptime_ms=ptime_ms)
    rig.hub.set_audio(listener, enabled=False)
    rig.turn()
    listener.taken.clear()
    return listener


def new_events(listener: FakeListener) -> list[Event]:
    events = events_of(listener)
    listener.taken.clear()
    return events


def test_it_gets_announcements_and_no_packets(rig: Rig) -> None:
    listener = without_audio(rig)
    rig.start(NORMAL, "a", delay_ms=100)
    rig.tick(10)
    rig.start(OTHER, "a")  # what is left of the former one would be its tail
    rig.tick(10)
    rig.end(OTHER)
    rig.tick()
    kinds = [type(event) for event in new_events(listener)]
    assert kinds == [Programme, Programme, Idle]


@pytest.mark.parametrize("ptime_ms", [20, 40, 60])
def test_when_it_asks_again_it_catches_up_as_if_it_joined(
    rig: Rig, ptime_ms: int
) -> None:
    listener = without_audio(rig, ptime_ms=ptime_ms)
    programme = rig.start(NORMAL, "a")
    rig.tick(200)
    new_events(listener)
    rig.hub.set_audio(listener, enabled=True)
    playable_ns = rig.now_ns - DELAY_MS * MS
    rig.tick(6)
    assert announced(events_of(listener)) == []  # it knew
    heard = indexes(events_of(listener), NORMAL)
    assert heard == list(range(heard[0], heard[-1] + 1))
    assert heard[-1] > 205 - ptime_ms // 20
    first = programme.packets[heard[0]]
    assert playable_ns - 80 * MS <= first.capture_ns < playable_ns


def test_a_programme_that_has_just_begun_is_sent_from_its_start(rig: Rig) -> None:
    listener = without_audio(rig)
    rig.start(NORMAL, "a")
    rig.tick(10)
    rig.hub.set_audio(listener, enabled=True)
    rig.turn()
    assert indexes(events_of(listener), NORMAL) == list(range(10))


def test_saying_the_same_again_changes_nothing(rig: Rig) -> None:
    listener = rig.join("a")
    rig.start(NORMAL, "a")
    rig.tick(5)
    rig.hub.set_audio(listener, enabled=True)
    rig.tick(5)
    assert indexes(events_of(listener), NORMAL) == list(range(10))


def test_a_stall_before_does_not_shorten_what_it_is_sent(rig: Rig) -> None:
    """What was missing of another programme says nothing of this one."""
    listener = rig.join("a")
    rig.start(OTHER, "a")
    rig.tick(300)
    listener.stalled = True
    rig.tick(2)
    listener.stalled = False
    rig.tick(2)
    rig.hub.set_audio(listener, enabled=False)
    rig.start(NORMAL, "a")
    rig.tick(10)
    new_events(listener)
    rig.hub.set_audio(listener, enabled=True)
    rig.turn()
    assert indexes(events_of(listener), NORMAL) == list(range(10))


def test_asking_on_a_stalled_link_is_made_good_later(rig: Rig) -> None:
    listener = without_audio(rig)
    programme = rig.start(NORMAL, "a")
    rig.tick(100)
    new_events(listener)
    listener.write(b"")
    listener.stalled = True
    rig.hub.update(ListenerIdentity("speaker 0", "a", 30, DELAY_MS))  # fills the link
    rig.turn()
    rig.hub.set_audio(listener, enabled=True)
    listener.stalled = False
    rig.tick(5)
    rig.hub.tend()
    rig.turn()
    heard = indexes(events_of(listener), NORMAL)
    assert heard == list(range(heard[0], 105))
    late_ns = rig.now_ns - programme.packets[heard[0]].capture_ns
    assert late_ns > DELAY_MS * MS - FRAME_NS


def test_a_message_about_to_be_sent_is_not_cut_short_for_others(rig: Rig) -> None:
    """Members of one size and phase share bytes; without audio they must not."""
    silent = without_audio(rig, ptime_ms=60)
    hearing = [rig.join("a", ptime_ms=60) for _ in range(3)]  # every phase
    rig.start(NORMAL, "a")
    rig.tick(7)
    rig.start(OTHER, "a")
    rig.turn()
    assert not indexes(events_of(silent), NORMAL)
    for listener in hearing:
        assert indexes(events_of(listener), NORMAL) == list(range(7))


def test_the_welcome_says_where_webrtc_is_and_how_the_crowd_returns(rig: Rig) -> None:
    hub = type(rig.hub)(
        clock_ns=lambda: 0,
        defer=rig.deferred.append,
        metrics=rig.hub._metrics,
        host=Host(whep_port=8080, return_spread_ms=lambda: return_spread_ms(10_000)),
    )
    listener = FakeListener(ListenerIdentity("s", "a", 70, DELAY_MS))
    hub.add(listener)
    listener.flush()
    first = next(iter(messages_of(bytes(listener.taken))))
    assert first == [Welcome("s", "a", 20, whep_port=8080, return_spread_ms=33_333)]
    old = '{"type":"welcome","speaker":"s","zone":"a","ptime_ms":20}'
    assert parse_from_server(old) == Welcome("s", "a", 20)


class Twins(Story):
    """Each listener has a twin beside it that wants no audio."""

    def __init__(self) -> None:
        super().__init__(ring=True)
        self.twins: dict[FakeListener, FakeListener] = {}

    def join(self, zone_id: str, ptime_ms: int) -> None:
        super().join(zone_id, ptime_ms)
        original = self.rig.listeners[-1]
        twin = self.rig.join(zone_id, ptime_ms=ptime_ms)
        self.rig.hub.set_audio(twin, enabled=False)
        self.rig.turn()
        self.twins[original] = twin

    def move(self, number: int, zone_id: str) -> None:
        super().move(number, zone_id)
        if (original := self.pick(number)) is not None:
            speaker_id = self.twins[original].identity.speaker_id
            self.rig.hub.update(ListenerIdentity(speaker_id, zone_id, 70, DELAY_MS))

    def stall(self, number: int) -> None:
        """Links are good here."""

    def flow(self, number: int) -> None:
        """See above."""


def joined_events(listener: FakeListener) -> list[Event]:
    """Drop what came with the join, before audio was declined."""
    events = events_of(listener)
    first = next(i for i, e in enumerate(events) if isinstance(e, Programme | Idle))
    rest = events[first:]
    while len(rest) > 1 and isinstance(rest[1], Heard):
        del rest[1]
    return rest


@given(st.lists(steps, max_size=40))
@settings(max_examples=150, deadline=None)
def test_law_a_twin_without_audio_is_told_the_same_and_sent_nothing(
    story: list[tuple[object, ...]],
) -> None:
    twins = Twins()
    for step in story:
        twins.perform(*step)  # type: ignore[arg-type]
    twins.rig.turn()
    for original, twin in twins.twins.items():
        if original in twins.left:
            continue
        assert announced(events_of(twin)) == announced(events_of(original))
        assert not [e for e in joined_events(twin) if isinstance(e, Heard)]
        heard_in_zone = [e for e in announced(events_of(twin))][-1]
        before = len(events_of(twin))
        twins.rig.hub.set_audio(twin, enabled=True)
        twins.rig.turn()
        more = events_of(twin)[before:]
        assert all(isinstance(e, Heard) for e in more)
        if isinstance(heard_in_zone, Programme):
            packets = twins.all_programmes[heard_in_zone.ssrc].packets
            got = indexes(more, heard_in_zone.ssrc)
            assert got == list(range(got[0], got[-1] + 1)) if got else True
            live = len(packets) - twin.ptime_ms // 20
            playable_ns = twins.rig.now_ns - DELAY_MS * MS
            since_ns = max(playable_ns, heard_in_zone.from_us * 1000)
            needed = {p.index for p in packets[:live] if p.capture_ns >= since_ns}
            assert needed <= set(got)
