"""The carrier between a session, the policy and the speaker; no sockets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from clients.speaker.backoff import Backoff
from clients.speaker.carrier import Carrier, make_carrier
from clients.speaker.mishaps import Mishap
from clients.speaker.missing import OVERTAKING_NS
from clients.speaker.placing import RED_PAYLOAD_TYPE, Placed
from clients.speaker.policy import Transport, TransportPolicy
from clients.speaker.session import FakeSession, SessionEvents
from clients.speaker.whep import WhepAddress, WhepError
from streamer.media.clocksync import ClockSync
from streamer.wire import red
from streamer.wire.red import RedBlock
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

HERE = WhepAddress("http://h:8080/whep", "loas_7_secret")


@dataclass
class World:
    """A speaker as its carrier sees it."""

    whep: WhepAddress | None = HERE
    expects_packets: bool = False
    playout_delay_ms: int = 400
    websocket_audio: bool | None = None
    starved: int = 0
    placed: list[Placed] = field(default_factory=list)
    sessions: list[FakeSession] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_placed(self, placed: Placed) -> bool:
        self.placed.append(placed)
        return True

    def want_audio(self, wanted: bool) -> None:
        self.websocket_audio = wanted
        self.changed.set()

    def on_starved(self) -> None:
        self.starved += 1
        self.changed.set()

    def open_session(self, address: WhepAddress, events: SessionEvents) -> FakeSession:
        self.sessions.append(FakeSession(address, events))
        self.changed.set()
        return self.sessions[-1]

    async def until_session(self, number: int) -> FakeSession:
        while len(self.sessions) < number:
            await self.change()
        return self.sessions[number - 1]

    async def until_websocket_audio(self, wanted: bool) -> None:
        while self.websocket_audio is not wanted:
            await self.change()

    async def change(self) -> None:
        await asyncio.wait_for(self.changed.wait(), 5)
        self.changed.clear()


def synchronised_clock() -> ClockSync:
    clock = ClockSync()
    for n in range(5):
        clock.add(n, n + 1_000, n + 1_000, n + 2_000)
    return clock


@asynccontextmanager
async def carrying(world: World) -> AsyncIterator[Carrier]:
    policy = TransportPolicy(Transport.AUTO, Backoff(lambda low, high: low))
    carrier = Carrier(policy, synchronised_clock(), world, world.open_session)
    running = asyncio.create_task(carrier.run())
    try:
        yield carrier
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert all(session.left for session in world.sessions)


def rtp(sequence: int, payload: bytes = b"opus", *, marker: bool = False) -> RtpPacket:
    kind = OPUS_PAYLOAD_TYPE if payload == b"opus" else RED_PAYLOAD_TYPE
    return RtpPacket(kind, sequence, sequence * 960, 7, payload, marker)


def with_copy() -> bytes:
    copy = RedBlock(OPUS_PAYLOAD_TYPE, 960, b"old")
    return red.serialize([copy, RedBlock(OPUS_PAYLOAD_TYPE, 0, b"new")])


async def test_a_connected_session_takes_over_and_a_lost_one_gives_back() -> None:
    world = World()
    async with carrying(world) as carrier:
        session = await world.until_session(1)
        assert session.address is HERE
        await world.until_websocket_audio(True)
        session.events.on_connected()
        await world.until_websocket_audio(False)
        assert carrier.carries
        session.end()
        await world.until_websocket_audio(True)
        mishap = carrier.last_mishap
        assert mishap is not None
        assert mishap.text == "the WebRTC connection was lost"
        await world.until_session(2)


@pytest.mark.parametrize(
    ("error", "text"),
    [(WhepError(Mishap("full")), "full"), (KeyError("x"), "unexpected: KeyError('x')")],
)
async def test_whatever_ends_a_session_there_is_another(
    error: Exception, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    async with carrying(world) as carrier:
        (await world.until_session(1)).end(error)
        await world.until_session(2)
        assert carrier.last_mishap is not None
        assert carrier.last_mishap.text == text
        assert bool(caplog.records) == isinstance(error, KeyError)  # our fault: said


async def test_a_lost_link_is_bridged_until_webrtc_is_lost_too() -> None:
    world = World()
    async with carrying(world) as carrier:
        session = await world.until_session(1)
        session.events.on_connected()
        await world.until_websocket_audio(False)
        world.whep = None
        carrier.link_lost()
        await world.change()
        assert (world.starved, session.left) == (0, False)
        session.end()
        while not world.starved:
            await world.change()
        await world.until_websocket_audio(True)
        assert world.starved == 1


async def test_a_link_that_was_bridged_and_came_back_starves_nobody() -> None:
    world = World()
    async with carrying(world) as carrier:
        session = await world.until_session(1)
        session.events.on_connected()
        await world.until_websocket_audio(False)
        world.whep = None
        carrier.link_lost()
        await world.change()
        world.whep = HERE
        carrier.look()
        await world.change()
        session.end()
        await world.until_websocket_audio(True)
        assert world.starved == 0


async def test_a_lost_link_without_webrtc_starves_at_once() -> None:
    world = World(whep=None)
    async with carrying(world) as carrier:
        carrier.link_lost()
        assert world.starved == 1


async def test_packets_and_their_copies_are_placed() -> None:
    world = World()
    async with carrying(world):
        session = await world.until_session(1)
        session.events.on_rtp(rtp(5, with_copy()))
        assert [(p.payload, p.repeated) for p in world.placed] == [
            (b"new", False),
            (b"old", True),
        ]
        assert world.placed[0].position - world.placed[1].position == 960


async def test_a_malformed_packet_is_counted_and_left() -> None:
    world = World()
    async with carrying(world) as carrier:
        session = await world.until_session(1)
        session.events.on_rtp(rtp(5, b"\xff"))
        assert (carrier.malformed_packets, world.placed) == (1, [])


@pytest.fixture
def clock_ns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    now_ns = [10**12]
    monkeypatch.setattr("clients.speaker.carrier.monotonic_ns", lambda: now_ns[0])
    return now_ns


async def test_what_is_missing_is_asked_for(clock_ns: list[int]) -> None:
    world = World()
    async with carrying(world) as carrier:
        session = await world.until_session(1)
        session.events.on_rtp(rtp(5, with_copy()))
        session.events.on_rtp(rtp(9, with_copy()))
        clock_ns[0] += OVERTAKING_NS
        session.events.on_rtp(rtp(10, with_copy()))
        await asyncio.sleep(0)
        assert session.asked == [(7, (6, 7))]
        assert carrier.packets_asked_again == 2


async def test_the_copy_in_a_first_packet_is_of_its_own_programme(
    clock_ns: list[int],
) -> None:
    """The number before it was the last of the former programme."""
    world = World()
    async with carrying(world):
        session = await world.until_session(1)
        session.events.on_rtp(rtp(5, with_copy()))
        session.events.on_rtp(rtp(7, with_copy(), marker=True))
        clock_ns[0] += OVERTAKING_NS
        session.events.on_rtp(rtp(8, with_copy()))
        await asyncio.sleep(0)
        assert session.asked == [(7, (6,))]


@pytest.fixture
def _without_aiortc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiortc", None)
    monkeypatch.delitem(sys.modules, "clients.speaker.webrtc", raising=False)
    monkeypatch.delitem(sys.modules, "streamer.media.rtptap", raising=False)


@pytest.mark.usefixtures("_without_aiortc")
def test_without_aiortc_auto_is_the_websocket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = make_carrier(Transport.AUTO, World(), ClockSync(), lambda low, high: low)
    assert made is None
    assert "pip install 'loacast[webrtc]'" in caplog.text


@pytest.mark.usefixtures("_without_aiortc")
def test_without_aiortc_webrtc_alone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="WebRTC needs aiortc"):
        make_carrier(Transport.WEBRTC, World(), ClockSync(), lambda low, high: low)
