"""A whole speaker over WebRTC against a whole server: what its WAV sink heard.

A relay stands between them on UDP: it is what the server's public address leads to, and
loses or blocks what a test wants lost or blocked.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic_ns
from typing import Self

import aioice.ice
import numpy as np
import pytest

from clients.speaker.device import wav_file
from clients.speaker.policy import Transport
from clients.speaker.speaker import Speaker
from streamer.air.zones import ZoneLevel
from streamer.app.server import LoacastServer
from streamer.bus.bus import AirChange, OnAir, Switch
from streamer.config import Config
from streamer.fanout.webrtc.endpoint import TooManyPeersError
from streamer.media.frame import FRAME_NS, SAMPLE_RATE_HZ, Pcm, ProgrammePacket
from streamer.wire.control import ProgrammeClass
from tests.end_to_end.chirps import (
    DELAY_MS,
    DOWN,
    TOLERANCE,
    UP,
    Heard,
    Tape,
    play_out,
    tape,
    until,
)

pytestmark = pytest.mark.end_to_end

ZONE, OTHER_ZONE = "village", "market"
RELAY_HOST = "127.0.0.5"


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ICE gather 127.0.0.1, which it leaves out, and nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


class Relay(asyncio.DatagramProtocol):
    """A NAT in front of the server's UDP port: one peer, losses, or a wall."""

    def __init__(self) -> None:
        self.blocked = False
        self.loses: Callable[[int], bool] = lambda sequence: False
        "Whether an RTP packet is lost, by its sequence number."
        self.lost: list[int] = []
        self._peer: tuple[str, int] | None = None
        self._inside: asyncio.DatagramTransport | None = None
        self._outside: asyncio.DatagramTransport | None = None

    @classmethod
    async def before(cls, port: int) -> Self:
        """Open on the same port of another address."""
        relay, loop = cls(), asyncio.get_running_loop()
        relay._outside, _ = await loop.create_datagram_endpoint(
            lambda: relay, local_addr=(RELAY_HOST, port)
        )
        relay._inside, _ = await loop.create_datagram_endpoint(
            lambda: _Inside(relay), remote_addr=("127.0.0.1", port)
        )
        return relay

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._peer = addr
        if not self.blocked and self._inside is not None:
            self._inside.sendto(data)

    def from_server(self, data: bytes) -> None:
        is_rtp = 128 <= data[0] < 192 and not 192 <= data[1] < 224
        if is_rtp and self.loses(sequence := int.from_bytes(data[2:4])):
            self.lost.append(sequence)
        elif not self.blocked and self._outside is not None:
            self._outside.sendto(data, self._peer)

    def close(self) -> None:
        for transport in (self._inside, self._outside):
            assert transport is not None
            transport.close()


class _Inside(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._relay.from_server(data)

    def error_received(self, exc: Exception) -> None:
        """The server's port is closed."""


@dataclass
class House:
    """A server with one zone and one speaker's credential, behind a relay."""

    server: LoacastServer
    relay: Relay
    credential: str
    speaker_id: str

    async def air(
        self, programme: Tape, *, since_ns: int = 0, until_ns: int | None = None
    ) -> None:
        """Publish each packet when its last sample has been captured."""
        for index in range(len(programme.payloads)):
            captured_ns = programme.captured_ns(index)
            if until_ns is not None and captured_ns >= until_ns:
                break
            await asyncio.sleep(max(0, captured_ns + FRAME_NS - monotonic_ns()) / 1e9)
            if captured_ns >= since_ns:
                packet = ProgrammePacket(
                    ssrc=programme.ssrc,
                    index=index,
                    rtp=programme.packet(index),
                    capture_ns=captured_ns,
                    due_ns=captured_ns + FRAME_NS,
                )
                self.server.bus.publish_packet(packet)

    def start(self, programme: Tape, zone_id: str = ZONE) -> None:
        on_air = OnAir(
            ssrc=programme.ssrc,
            broadcast_id=f"b{programme.ssrc}",
            programme_class=ProgrammeClass.NORMAL,
            title="Thử loa",
            first_timestamp=programme.timestamp,
            origin_ns=programme.origin_ns,
        )
        switch = Switch((zone_id,), programme.ssrc, programme.origin_ns)
        self.server.bus.publish_air_change(AirChange((on_air,), (switch,)))

    def resume(self, programme: Tape, from_ns: int) -> None:
        switch = Switch((ZONE,), programme.ssrc, from_ns)
        self.server.bus.publish_air_change(AirChange(switches=(switch,)))

    def silence(self, programme: Tape) -> None:
        switch = Switch((ZONE, OTHER_ZONE), None, programme.end_ns)
        change = AirChange(switches=(switch,), ended=(programme.ssrc,))
        self.server.bus.publish_air_change(change)


@asynccontextmanager
async def house(directory: Path, *, delay_ms: int = DELAY_MS) -> AsyncIterator[House]:
    config = Config(  # type: ignore[call-arg]
        data_directory=directory / "server",
        host="127.0.0.1",
        api_port=0,
        webrtc_host=IPv4Address("127.0.0.1"),
        webrtc_port=0,
        public_addresses=(IPv4Address(RELAY_HOST),),
    )
    async with LoacastServer(config) as server:
        zones, speakers = server.services.zones, server.services.speakers
        for zone_id in (ZONE, OTHER_ZONE):
            await zones.create(
                zone_id=zone_id,
                parent_id=None,
                name="Thôn",
                level=ZoneLevel.VILLAGE,
                playout_delay_ms=delay_ms,
            )
        speaker, credential = await speakers.enrol(
            name="Loa", zone_id=ZONE, volume_percent=100
        )
        assert server.webrtc is not None
        relay = await Relay.before(server.webrtc.port)
        try:
            yield House(server, relay, credential, speaker.id)
        finally:
            relay.close()


def soon(low: float, high: float) -> float:
    """Return a hundredth of the jitter: it is tested elsewhere, not waited for."""
    return random.uniform(low, high) / 100


@asynccontextmanager
async def speaking(
    house: House,
    path: Path,
    transport: Transport = Transport.AUTO,
    *,
    uniform: Callable[[float, float], float] = soon,
) -> AsyncIterator[Speaker]:
    async with Speaker(
        url=house.server.stream_url,
        credential=house.credential,
        device=wav_file(path),
        transport=transport,
        uniform=uniform,
    ) as speaker:
        yield speaker


def over(transport: Transport, speaker: Speaker) -> Callable[[], bool]:
    return lambda: speaker.status.transport is transport


def assert_all_heard(path: Path, shape: Pcm, programme: Tape, count: int) -> None:
    errors = Heard.read(path).errors(shape, programme, count)
    assert all(error is not None and abs(error) <= TOLERANCE for error in errors), (
        errors
    )


async def test_a_chirp_leaves_at_its_capture_plus_the_delay(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    async with house(tmp_path) as station:
        async with speaking(station, path, Transport.WEBRTC) as speaker:
            await until(over(Transport.WEBRTC, speaker))
            programme = tape(UP, 16, ssrc=1, start_ns=monotonic_ns())
            station.start(programme)
            await station.air(programme)
            station.silence(programme)
            await play_out()
            counters = speaker.status.counters
            assert speaker.status.webrtc_mishap is None
        assert counters.packets_received == len(programme.payloads)
        assert counters.packets_lost == counters.packets_discarded == 0
        assert counters.concealed_samples == 0
    assert_all_heard(path, UP, programme, 16)


async def test_a_stronger_programme_cuts_in_at_its_sample_and_yields(
    tmp_path: Path,
) -> None:
    """As over the WebSocket, though all programmes share one RTP stream."""
    path = tmp_path / "heard.wav"
    async with (
        house(tmp_path) as station,
        speaking(station, path, Transport.WEBRTC) as speaker,
    ):
        await until(over(Transport.WEBRTC, speaker))
        weak = tape(UP, 16, ssrc=1, start_ns=monotonic_ns())
        station.start(weak)
        # In the middle of packets, and of silence between chirps.
        cut_ns = weak.origin_ns + 953_000_000
        await station.air(weak, until_ns=cut_ns)
        strong = tape(DOWN, 4, ssrc=2, start_ns=cut_ns)
        strong.origin_ns = cut_ns
        station.start(strong)
        await station.air(strong)
        back_ns = strong.end_ns
        station.resume(weak, back_ns)
        await station.air(weak, since_ns=back_ns - FRAME_NS)
        station.silence(weak)
        await play_out()
        assert speaker.status.counters.packets_discarded == 0
    heard = Heard.read(path)
    # The weak programme's chirps 4 to 7 lie under the strong one.
    errors = heard.errors(UP, weak, 16)
    assert errors[4:8] == [None] * 4
    outside = [*errors[:4], *errors[8:]]
    assert all(error is not None and abs(error) <= TOLERANCE for error in outside)
    assert_all_heard(path, DOWN, strong, 4)
    assert np.abs(np.diff(heard.pcm)).max() < 0.5 * 2 * np.pi * 6_000 / SAMPLE_RATE_HZ


async def test_blocked_in_the_middle_it_falls_back_and_loses_nothing(
    tmp_path: Path,
) -> None:
    """And returns to WebRTC when that is possible again."""
    path = tmp_path / "heard.wav"
    async with house(tmp_path) as station, speaking(station, path) as speaker:
        await until(over(Transport.WEBRTC, speaker))
        programme = tape(UP, 40, ssrc=1, start_ns=monotonic_ns())
        station.start(programme)
        airing = asyncio.create_task(station.air(programme))
        await asyncio.sleep(2)
        assert speaker.status.transport is Transport.WEBRTC
        station.relay.blocked = True
        blocked_ns = monotonic_ns()
        await until(over(Transport.WEBSOCKET, speaker))
        assert monotonic_ns() - blocked_ns < DELAY_MS * 1_000_000
        await until(lambda: speaker.status.webrtc_mishap is not None)
        assert speaker.status.webrtc_mishap == "WebRTC brought nothing for 2 s"
        station.relay.blocked = False
        await until(over(Transport.WEBRTC, speaker), timeout_s=8)
        await airing
        station.silence(programme)
        await play_out()
        counters = speaker.status.counters
    assert counters.concealed_samples == 0
    assert counters.packets_lost == 0
    assert_all_heard(path, UP, programme, 40)


async def test_blocked_from_the_start_it_plays_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    async with house(tmp_path) as station:
        station.relay.blocked = True
        async with speaking(station, path) as speaker:
            await until(lambda: speaker.status.clock_synchronised)
            begun_ns = monotonic_ns()
            await asyncio.sleep(0.5)  # until the clock has settled
            programme = tape(UP, 24, ssrc=1, start_ns=monotonic_ns())
            station.start(programme)
            airing = asyncio.create_task(station.air(programme))
            await until(lambda: speaker.status.webrtc_mishap is not None, timeout_s=7)
            assert monotonic_ns() - begun_ns < 6e9
            assert "UDP may be blocked" in (speaker.status.webrtc_mishap or "")
            await airing
            station.silence(programme)
            await play_out()
    assert_all_heard(path, UP, programme, 24)


async def test_three_percent_of_loss_are_not_heard(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    rng = random.Random(7)
    async with (
        house(tmp_path) as station,
        speaking(station, path, Transport.WEBRTC) as speaker,
    ):
        await until(over(Transport.WEBRTC, speaker))
        station.relay.loses = lambda sequence: rng.random() < 0.03
        programme = tape(UP, 32, ssrc=1, start_ns=monotonic_ns())
        station.start(programme)
        await station.air(programme)
        station.relay.loses = lambda sequence: False
        station.silence(programme)
        await play_out()
        counters = speaker.status.counters
    assert len(station.relay.lost) >= 5
    assert counters.packets_received < len(programme.payloads)
    assert counters.concealed_samples == 0
    assert_all_heard(path, UP, programme, 32)


async def test_what_redundancy_does_not_bring_is_asked_for_again(
    tmp_path: Path,
) -> None:
    """Of three lost in a row, the next packet brings one; two are sent anew."""
    path = tmp_path / "heard.wav"
    seen: set[int] = set()

    def loses(sequence: int) -> bool:
        new = sequence not in seen
        seen.add(sequence)
        return new and len(seen) % 25 in (10, 11, 12)

    async with (
        house(tmp_path) as station,
        speaking(station, path, Transport.WEBRTC) as speaker,
    ):
        await until(over(Transport.WEBRTC, speaker))
        station.relay.loses = loses
        programme = tape(UP, 16, ssrc=1, start_ns=monotonic_ns())
        station.start(programme)
        await station.air(programme)
        station.silence(programme)
        await play_out()
        counters = speaker.status.counters
    lost = len(station.relay.lost)
    assert lost == 3 * len(programme.payloads) // 25
    assert counters.packets_lost == lost // 3  # nobody asked for what had a copy
    assert counters.packets_received == len(programme.payloads) - lost // 3
    assert counters.concealed_samples == 0
    assert_all_heard(path, UP, programme, 16)


async def test_audio_outlives_a_broken_websocket(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    async with (
        house(tmp_path) as station,
        speaking(station, path, uniform=lambda low, high: high / 2) as speaker,
    ):
        await until(over(Transport.WEBRTC, speaker))
        programme = tape(UP, 16, ssrc=1, start_ns=monotonic_ns())
        station.start(programme)
        airing = asyncio.create_task(station.air(programme))
        await asyncio.sleep(1)
        (member,) = station.server.hub._roster
        member.listener._connection.transport.abort()  # type: ignore[attr-defined]
        await until(lambda: not speaker.status.connected)
        await until(lambda: speaker.status.connections == 2)  # a second later
        assert speaker.status.transport is Transport.WEBRTC
        await airing
        station.silence(programme)
        await play_out()
        counters = speaker.status.counters
    assert counters.concealed_samples == counters.packets_lost == 0
    assert_all_heard(path, UP, programme, 16)


async def test_a_speaker_that_is_moved_hears_its_new_zone(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    async with house(tmp_path) as station, speaking(station, path) as speaker:
        await until(over(Transport.WEBRTC, speaker))
        here = tape(UP, 12, ssrc=1, start_ns=monotonic_ns())
        there = tape(DOWN, 12, ssrc=2, start_ns=here.origin_ns + 7_777_777)
        station.start(here)
        station.start(there, OTHER_ZONE)
        airing = asyncio.gather(station.air(here), station.air(there))
        await asyncio.sleep(1.5)
        moved_ns = monotonic_ns()
        speakers = station.server.services.speakers
        await speakers.change(station.speaker_id, {"zone_id": OTHER_ZONE})
        await airing
        station.silence(there)
        await play_out()
        assert speaker.status.transport is Transport.WEBRTC
        assert speaker.status.webrtc_mishap is None
    heard = Heard.read(path)
    former, later = heard.errors(UP, here, 12), heard.errors(DOWN, there, 12)
    period_ns = 250_000_000
    chirps = (moved_ns - here.origin_ns) // period_ns
    assert [e is not None for e in former[: chirps - 1]] == [True] * (chirps - 1)
    assert former[chirps + 1 :] == [None] * (11 - chirps)
    assert all(e is not None and abs(e) <= TOLERANCE for e in later[chirps + 1 :])


async def test_reports_name_the_transport(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.speaker.conversation.REPORT_PERIOD_S", 0.2)
    async with house(tmp_path) as station:
        speakers = station.server.services.speakers

        def reported() -> object:
            info = speakers.describe(speakers.get(station.speaker_id))
            return None if info.report is None else info.report["transport"]

        async with speaking(station, tmp_path / "heard.wav"):
            await until(lambda: reported() == "webrtc")
            station.relay.blocked = True
            programme = tape(UP, 8, ssrc=1, start_ns=monotonic_ns())
            station.start(programme)
            await until(lambda: reported() == "websocket")


async def test_a_refused_offer_leaves_the_websocket_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as station:
        monkeypatch.setattr(station.server.services.listeners, "open", refuse)
        async with speaking(station, tmp_path / "heard.wav") as speaker:
            await until(lambda: speaker.status.webrtc_mishap is not None)
            assert "HTTP 503" in (speaker.status.webrtc_mishap or "")
            assert speaker.status.connected


def refuse(*_: object) -> None:
    raise TooManyPeersError("full")


async def test_leaves_nothing_behind(tmp_path: Path) -> None:
    async with house(tmp_path) as station:
        assert station.server.webrtc is not None
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        for _ in range(3):
            async with speaking(station, tmp_path / "heard.wav") as speaker:
                await until(over(Transport.WEBRTC, speaker))
                assert len(station.server.webrtc.endpoint) == 1
            assert len(station.server.webrtc.endpoint) == 0
        await until(lambda: {task.get_name() for task in asyncio.all_tasks()} == tasks)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if "decoder" in name]
