"""Which way audio comes, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.speaker.backoff import Backoff
from clients.speaker.mishaps import Mishap
from clients.speaker.policy import (
    BLOCKED,
    CONNECT_LIMIT_NS,
    DEAD_NS,
    LINK_GRACE_NS,
    SILENT,
    TRUST_NS,
    Transport,
    TransportPolicy,
)

MS = 1_000_000
SECOND = 1_000 * MS
DELAY_MS = 400
LOST = Mishap("the WebRTC connection was lost")


@dataclass
class World:
    """A policy and a clock that stops at whatever the policy calls due."""

    transport: Transport = Transport.AUTO
    jitter: float = 1.0
    now_ns: int = 1_000 * SECOND
    attempts: list[int] = field(default_factory=list)
    "When WebRTC was tried."
    flows: bool = False
    "Whether WebRTC brings packets."

    def __post_init__(self) -> None:
        backoff = Backoff(lambda low, high: high * self.jitter, base_s=60, cap_s=600)
        self.policy = TransportPolicy(self.transport, backoff)
        self.policy.delay(DELAY_MS)
        self._next_packet_ns = self.now_ns

    def link(self, up: bool) -> None:
        self.policy.ready(up, now_ns=self.now_ns)
        self.act()

    def on_air(self, on_air: bool) -> None:
        self.policy.expecting(on_air, now_ns=self.now_ns)
        self.act()

    def connect(self) -> None:
        self.policy.connected(now_ns=self.now_ns)
        self.act()

    def act(self) -> None:
        wanted = self.policy.session_wanted
        self.policy.advance(now_ns=self.now_ns)
        if self.policy.session_wanted and not wanted:
            self.attempts.append(self.now_ns)

    def pass_time(self, duration_ns: int) -> None:
        """Let time pass: packets each 20 ms if they flow, and what is due."""
        end_ns = self.now_ns + duration_ns
        while True:
            events = [end_ns]
            if (due_ns := self.policy.due_ns) is not None:
                events.append(max(due_ns, self.now_ns))
            if self.flows:
                self._next_packet_ns = max(self._next_packet_ns, self.now_ns)
                events.append(self._next_packet_ns)
            self.now_ns = min(events)
            if self.flows and self.now_ns == self._next_packet_ns:
                self._next_packet_ns += 20 * MS
                self.policy.packet(now_ns=self.now_ns)
            self.act()
            if self.now_ns == end_ns:
                return

    def carrying(self) -> World:
        """Bring WebRTC into service, a programme being on air."""
        self.link(True)
        self.on_air(True)
        self.flows = True
        self.connect()
        self.pass_time(TRUST_NS + 100 * MS)
        assert self.policy.carries
        assert not self.policy.websocket_audio
        return self


def test_nothing_is_tried_without_a_link() -> None:
    world = World()
    world.pass_time(3_600 * SECOND)
    assert not world.attempts
    assert world.policy.due_ns is None
    assert world.policy.websocket_audio


def test_webrtc_must_prove_itself_before_the_websocket_stops() -> None:
    world = World()
    world.on_air(True)
    world.link(True)
    assert world.policy.session_wanted
    world.flows = True
    world.connect()
    world.pass_time(TRUST_NS - 20 * MS)
    assert world.policy.websocket_audio
    world.pass_time(40 * MS)
    assert not world.policy.websocket_audio


def test_while_nothing_is_on_air_a_connection_is_proof_enough() -> None:
    world = World()
    world.link(True)
    world.connect()
    assert not world.policy.websocket_audio
    world.pass_time(3_600 * SECOND)  # of silence
    assert world.policy.carries
    assert len(world.attempts) == 1


def test_a_programme_that_webrtc_does_not_bring_is_fetched_within_half_of_d() -> None:
    world = World()
    world.link(True)
    world.connect()
    world.pass_time(600 * SECOND)
    world.on_air(True)
    world.pass_time(DELAY_MS * MS // 2 - MS)
    assert not world.policy.websocket_audio
    world.pass_time(MS)
    assert world.policy.websocket_audio


def test_when_packets_stop_the_websocket_helps_within_half_of_d() -> None:
    world = World().carrying()
    world.flows = False
    world.pass_time(DELAY_MS * MS // 2)
    assert world.policy.websocket_audio
    assert world.policy.session_wanted  # it may only be a hole


def test_a_short_hole_ends_nothing() -> None:
    world = World().carrying()
    world.flows = False
    world.pass_time(SECOND)
    world.flows = True
    world.pass_time(TRUST_NS - 20 * MS)
    assert world.policy.websocket_audio  # twice is better than not at all
    world.pass_time(40 * MS)
    assert world.policy.carries
    assert len(world.attempts) == 1


def test_two_seconds_without_a_packet_are_the_end() -> None:
    world = World().carrying()
    world.flows = False
    world.pass_time(DEAD_NS)
    assert not world.policy.session_wanted
    assert world.policy.last_mishap is SILENT


def test_blocked_udp_is_known_after_five_seconds() -> None:
    world = World()
    world.link(True)
    world.pass_time(CONNECT_LIMIT_NS - MS)
    assert world.policy.session_wanted
    assert world.policy.websocket_audio
    world.pass_time(MS)
    assert not world.policy.session_wanted
    assert world.policy.last_mishap is BLOCKED


def test_attempts_grow_rare_up_to_ten_minutes() -> None:
    world = World()
    world.link(True)
    world.pass_time(7_200 * SECOND)
    waits = [
        (b - a - CONNECT_LIMIT_NS) // SECOND
        for a, b in zip(world.attempts, world.attempts[1:], strict=False)
    ]
    assert waits[:6] == [60, 120, 240, 480, 600, 600]


def test_their_jitter_is_full() -> None:
    world = World(jitter=0.0)
    world.link(True)
    world.pass_time(CONNECT_LIMIT_NS + MS)
    assert len(world.attempts) == 2


def test_long_service_makes_up_for_former_failures() -> None:
    world = World()
    world.link(True)
    world.pass_time(1_000 * SECOND)  # of vain attempts
    world.flows = True
    world.on_air(True)
    while not world.policy.carries:
        world.pass_time(SECOND)
    world.pass_time(120 * SECOND)
    failed_ns = world.now_ns
    world.policy.failed(LOST, now_ns=failed_ns)
    world.flows = False
    before = len(world.attempts)
    world.pass_time(61 * SECOND)
    assert len(world.attempts) == before + 1


def test_a_hint_and_a_refusal_are_obeyed() -> None:
    world = World(jitter=0.0)
    world.link(True)
    world.policy.failed(Mishap("full", retry_after_s=90), now_ns=world.now_ns)
    world.pass_time(89 * SECOND)
    assert len(world.attempts) == 1
    world.pass_time(2 * SECOND)
    assert len(world.attempts) == 2
    world.policy.failed(Mishap("no", refused=True), now_ns=world.now_ns)
    world.pass_time(59 * SECOND)
    assert len(world.attempts) == 2


def test_webrtc_outlives_its_websocket_for_a_while() -> None:
    world = World().carrying()
    world.link(False)
    world.pass_time(LINK_GRACE_NS - MS)
    assert world.policy.carries
    world.pass_time(MS)
    assert not world.policy.session_wanted
    world.flows = False
    world.pass_time(3_600 * SECOND)
    assert len(world.attempts) == 1
    world.link(True)
    assert len(world.attempts) == 2  # it was not WebRTC's fault


def test_the_while_begins_with_the_loss_however_often_it_is_said() -> None:
    world = World().carrying()
    for _ in range(LINK_GRACE_NS // SECOND):
        assert world.policy.session_wanted
        world.link(False)
        world.pass_time(SECOND)
    assert not world.policy.session_wanted


def test_a_session_that_connects_into_a_programme_has_time_for_its_first_packet() -> (
    None
):
    world = World()
    world.on_air(True)
    world.link(True)
    world.pass_time(4 * SECOND)
    world.connect()
    world.pass_time(DEAD_NS - MS)
    assert world.policy.session_wanted
    world.pass_time(MS)
    assert world.policy.last_mishap is SILENT


def test_a_websocket_that_comes_back_in_time_changes_nothing() -> None:
    world = World().carrying()
    world.link(False)
    world.pass_time(LINK_GRACE_NS // 2)
    world.link(True)
    world.pass_time(3_600 * SECOND)
    assert world.policy.carries
    assert len(world.attempts) == 1


def test_webrtc_alone_never_asks_for_more() -> None:
    world = World(Transport.WEBRTC)
    assert not world.policy.websocket_audio
    world.link(True)
    world.pass_time(60 * SECOND)
    assert not world.policy.websocket_audio


def test_the_websocket_alone_tries_nothing() -> None:
    world = World(Transport.WEBSOCKET)
    world.link(True)
    world.pass_time(60 * SECOND)
    assert not world.attempts
    assert world.policy.websocket_audio


@pytest.mark.parametrize(
    ("delay_ms", "after_ms"), [(20, 100), (1_000, 500), (9_000, 2_000)]
)
def test_suspicion_follows_d_within_bounds(delay_ms: int, after_ms: int) -> None:
    world = World().carrying()
    world.policy.delay(delay_ms)
    world.flows = False
    last_ns = world._next_packet_ns - 20 * MS
    world.pass_time(last_ns + after_ms * MS - world.now_ns - MS)
    assert world.policy.carries
    world.pass_time(MS)
    assert not world.policy.carries


steps = st.one_of(
    st.tuples(st.just("pass_time"), st.integers(1, 3_000).map(lambda ms: ms * MS)),
    st.tuples(st.just("link"), st.booleans()),
    st.tuples(st.just("on_air"), st.booleans()),
    st.tuples(st.just("connect")),
    st.tuples(st.just("flow"), st.booleans()),
    st.tuples(st.just("fail")),
)


@given(st.lists(steps, max_size=40), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_law_audio_is_never_without_a_way_for_longer_than_suspicion(
    story: list[tuple[object, ...]], jitter: float
) -> None:
    """While on air: WebRTC brought a packet lately, or the WebSocket is asked to."""
    world = World(jitter=jitter)
    for name, *values in story:
        if name == "flow":
            world.flows = bool(values[0]) and world.policy.session_wanted
        elif name == "fail":
            world.policy.failed(LOST, now_ns=world.now_ns)
            world.act()
        else:
            getattr(world, str(name))(*values)
        world.flows = world.flows and world.policy.session_wanted
        policy = world.policy
        assert policy.websocket_audio or policy.carries
        if policy.carries and policy._expecting_ns is not None:
            quiet_ns = world.now_ns - policy._quiet_since_ns(policy._expecting_ns)
            assert quiet_ns < DELAY_MS * MS // 2
        if policy.due_ns is not None:
            assert policy.due_ns > world.now_ns or not policy.session_wanted
