"""A whole server, heard by aiortc and by light listeners over real UDP."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any, Self

import aioice.ice
import httpx
import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioResampler
from av.audio.frame import AudioFrame
from scipy.signal import correlate

from bench.webrtc_client import LightListener
from ingest.tone import render
from streamer.app.server import LoacastServer
from streamer.config import Config
from streamer.fanout.webrtc.peer import Target
from streamer.fanout.webrtc.srtp import SrtpSession
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from streamer.wire import red, rtcp
from streamer.wire.rtp import RtpPacket

pytestmark = pytest.mark.end_to_end

SDP = {"Content-Type": "application/sdp"}
LOCALHOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ICE gather 127.0.0.1, which it leaves out, and nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [LOCALHOST])


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what is awaited has no event)
            await asyncio.sleep(0.01)


class World:
    """A server with province p, public commune a and commune b, and its client."""

    def __init__(self, server: LoacastServer, client: httpx.AsyncClient) -> None:
        assert server.webrtc is not None
        self.server, self.client = server, client
        self.port = server.webrtc

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self.client.post(f"/api/v1/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def air(
        self, pattern: str, zone_id: str = "p", programme_class: str = "normal"
    ) -> Any:
        return await self.post(
            "broadcasts",
            source={"kind": "tone", "pattern": pattern},
            zone_ids=[zone_id],
            title=pattern,
            **{"class": programme_class},
        )

    async def stop(self, broadcast: Any) -> None:
        await self.post(f"broadcasts/{broadcast['id']}/stop")

    async def ask(self, offer: str, query: str = "zone=a") -> httpx.Response:
        answer = await self.client.post(f"/whep?{query}", content=offer, headers=SDP)
        assert answer.status_code == 201, answer.text
        return answer

    @property
    def peers(self) -> int:
        return len(self.port.endpoint)


@contextlib.asynccontextmanager
async def world(directory: Path, **settings: Any) -> AsyncIterator[World]:
    config = Config.load(
        data_directory=directory,
        host=LOCALHOST,
        webrtc_host=LOCALHOST,
        api_port=0,
        stream_port=0,
        **settings,
    )
    async with (
        LoacastServer(config) as server,
        httpx.AsyncClient(
            base_url=server.api_url,
            headers={"Authorization": f"Bearer {server.admin_token}"},
            trust_env=False,
            timeout=20,
        ) as client,
    ):
        made = World(server, client)
        await made.post("zones", id="p", name="p", level="province")
        for zone_id, public in (("a", True), ("b", False)):
            zone = {"id": zone_id, "name": zone_id, "level": "commune"}
            await made.post("zones", **zone, parent_id="p", public=public)
        yield made


class Browser:
    """aiortc, listening as a page does."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.heard: list[Pcm] = []
        self.location = ""
        self._hearing: asyncio.Task[None] | None = None

    async def join(self, it: World, query: str = "zone=a") -> None:
        transceiver = self.peer.addTransceiver("audio", direction="recvonly")
        await self.peer.setLocalDescription(await self.peer.createOffer())
        answer = await it.ask(self.peer.localDescription.sdp, query)
        self.location = answer.headers["Location"]
        await self.peer.setRemoteDescription(
            RTCSessionDescription(answer.text, "answer")
        )
        self._hearing = asyncio.create_task(self._hear(transceiver.receiver.track))
        await until(lambda: self.peer.connectionState == "connected")

    async def _hear(self, track: Any) -> None:
        resampler = AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: AudioFrame = await track.recv()
                for piece in resampler.resample(frame):
                    self.heard.append(piece.to_ndarray()[0])

    async def hears(self, pattern: str) -> None:
        """Wait until half a second of *pattern* is recognised."""
        async with asyncio.timeout(15):
            while True:
                heard = await self.listen(0.5)
                # On a thread: the server is on this loop.
                if await asyncio.to_thread(likeness, heard, pattern) > 0.7:
                    return

    async def listen(self, seconds: float) -> Pcm:
        """Return what is heard in the next *seconds*."""
        self.heard.clear()
        wanted = int(seconds * SAMPLE_RATE_HZ)
        await until(lambda: sum(map(len, self.heard)) >= wanted, seconds + 5)
        return np.concatenate(self.heard)[:wanted]

    async def leave(self) -> None:
        await self.peer.close()
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()


@cache
def first_minute(pattern: str) -> Pcm:
    return render(pattern, 0, 60 * SAMPLE_RATE_HZ)


def likeness(heard: Pcm, pattern: str) -> float:
    """Return how much *heard* is like some place of the first minute of *pattern*."""
    sent = first_minute(pattern)
    products = correlate(sent, heard, mode="valid", method="fft")
    found = int(np.argmax(products))
    norms = np.linalg.norm(heard) * np.linalg.norm(sent[found:][: len(heard)])
    return float(products[found] / max(norms, 1e-9))


class Light:
    """A light listener on a socket of its own, all of whose packets are looked at."""

    def __init__(self, *, seed: int = 1, red: bool = False) -> None:
        self.listener = LightListener(random.Random(seed), red=red)
        self.packets: list[RtpPacket] = []
        self.reports: list[bytes] = []
        self.drop_next_finished = False
        self.location = ""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((LOCALHOST, 0))
        self.socket.setblocking(False)
        self._running: asyncio.Task[None] | None = None

    async def join(self, it: World, query: str = "zone=a") -> None:
        answer = await it.ask(self.listener.offer(), query)
        self.location = answer.headers["Location"]
        self.listener.accept(answer.text)
        self._running = asyncio.create_task(self._run())
        await until(lambda: self.listener.connected)

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.socket.sendto(datagram, self.listener.server)

    def send_rtcp(self, plain: bytes) -> None:
        assert self.listener.keys is not None
        self.send(SrtpSession(self.listener.keys).protect_rtcp(plain))

    async def _run(self) -> None:
        while True:
            self.listener.poll(now_ns=int(asyncio.get_running_loop().time() * 1e9))
            self.send(*self.listener.outgoing())
            self._drain()
            self.send(*self.listener.outgoing())
            await asyncio.sleep(0.01)

    def _drain(self) -> None:
        while True:
            try:
                datagram = self.socket.recv(2048)
            except BlockingIOError:
                return
            if self.drop_next_finished and b"\x14\xfe\xfd" in datagram:
                self.drop_next_finished = False
            elif datagram[0] < 128:
                self.listener.receive(datagram)
            elif not self.listener.connected:
                continue  # our keys are not there yet: the last flight was lost
            elif 192 <= datagram[1] < 224:
                self.reports.append(self.listener.decrypt_rtcp(datagram))
            else:
                packet = self.listener.decrypt(datagram)
                assert packet is not None, "a packet that cannot be trusted"
                self.packets.append(packet)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self.socket.close()


def is_bye(compound: bytes) -> bool:
    return any(isinstance(each, rtcp.Bye) for each in rtcp.parse(compound))


def require_continuous(packets: list[RtpPacket]) -> None:
    steps = [(b.sequence - a.sequence) % 2**16 for a, b in itertools.pairwise(packets)]
    assert set(steps) <= {1}, steps
    assert len({packet.ssrc for packet in packets}) == 1
    times = [
        (b.timestamp - a.timestamp) % 2**32 for a, b in itertools.pairwise(packets)
    ]
    odd = [each for each in times if not FRAME_SAMPLES <= each < SAMPLE_RATE_HZ]
    assert odd == []


@pytest.fixture
def _rendered() -> None:
    """Render what will be recognised while nothing is on air yet: it takes a while."""
    for pattern in ("music", "siren", "bulletin"):
        first_minute(pattern)


@pytest.mark.usefixtures("_rendered")
async def test_a_browser_hears_its_zone_and_who_cuts_in_and_the_return(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it, Browser() as browser, Light() as light:
        music = await it.air("music")
        await browser.join(it)
        await light.join(it)
        await browser.hears("music")
        siren = await it.air("siren", "a", "emergency")
        await browser.hears("siren")
        await it.stop(siren)
        await browser.hears("music")
        require_continuous(light.packets)
        marked = [packet for packet in light.packets if packet.marker]
        assert len(marked) == 3  # the first of each stretch
        heard = (await it.client.get(f"/api/v1/broadcasts/{music['id']}")).json()
        assert heard["heard_by"]["listeners"] == 2
        assert heard["heard_by"]["speakers"] == 0
        metrics = (await it.client.get("/metrics")).text
        labels = '{class="emergency",transport="webrtc"}'
        assert f"loacast_preempt_latency_seconds_count{labels} 1.0" in metrics


@pytest.mark.usefixtures("_rendered")
async def test_a_single_broadcast_is_heard_wherever_it_is_aired(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Browser() as browser:
        broadcast = await it.air("bulletin", "b")
        await browser.join(it, f"broadcast={broadcast['id']}")
        await browser.hears("bulletin")
        await it.stop(broadcast)
        await until(lambda: browser.peer.connectionState == "closed")
        assert it.peers == 0


async def test_redundant_packets_carry_the_frame_before(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Light(red=True) as light:
        await it.air("music")
        await light.join(it)
        await until(lambda: len(light.packets) > 20)
        require_continuous(light.packets)
        blocks = [red.parse(packet.payload) for packet in light.packets]
        for before, after in itertools.pairwise(blocks):
            assert after[0].payload == before[-1].payload


async def test_lost_packets_come_again_when_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Light() as light:
        await it.air("music")
        await light.join(it)
        await until(lambda: len(light.packets) > 20)
        lost = light.packets[5:9]
        light.listener.forget_replays()
        before = len(light.packets)
        numbers = tuple(packet.sequence for packet in lost)
        light.send_rtcp(rtcp.Nack(light.packets[0].ssrc, numbers).serialize(1))
        await until(lambda: all(packet in light.packets[before:] for packet in lost))
        metrics = (await it.client.get("/metrics")).text
        assert 'loacast_packets_resent_total{transport="webrtc"} 4.0' in metrics


async def test_reports_reach_the_metrics(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Light() as light:
        await it.air("music")
        await light.join(it)
        await until(lambda: light.reports, 15)
        report = light.reports[0]
        assert (report[0] >> 6, report[1]) == (2, rtcp.SENDER_REPORT)
        ssrc, middle = light.packets[0].ssrc, report[10:14]
        block = struct.pack("!IIIII", ssrc, 64 << 24, 0, 480, 0)[:-4]
        block += middle + bytes(4)
        light.send_rtcp(struct.pack("!BBHI", 0x81, 201, 7, 1) + block)
        series = (
            'loacast_receiver_loss_ratio_sum{transport="webrtc"} 0.25',
            'loacast_receiver_jitter_seconds_sum{transport="webrtc"} 0.01',
            'loacast_receiver_round_trip_seconds_count{transport="webrtc"} 1.0',
            'loacast_listeners{transport="webrtc",zone="a"} 1.0',
            'loacast_listener_joins_total{transport="webrtc"} 1.0',
            'loacast_webrtc_datagrams_total{outcome="stun_check"}',
        )
        await asyncio.sleep(0.1)
        metrics = (await it.client.get("/metrics")).text
        for each in series:
            assert each in metrics


async def test_deletion_ends_a_session_on_both_sides(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Browser() as browser, Light() as light:
        await browser.join(it)
        await light.join(it)
        for each in (browser, light):
            assert (await it.client.delete(each.location)).status_code == 200
        assert it.peers == 0
        await until(lambda: browser.peer.connectionState == "closed")
        await until(lambda: light.listener.closed)
        assert is_bye(light.reports[-1])


async def test_a_listener_that_closes_is_gone_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Light() as light:
        await light.join(it)
        light.listener.leave()
        await until(lambda: it.peers == 0, 2)


async def test_the_end_of_the_server_is_told(tmp_path: Path) -> None:
    async with Browser() as browser, Light() as light:
        async with world(tmp_path) as it:
            await it.air("music")
            await browser.join(it)
            await light.join(it)
        await until(lambda: light.listener.closed)
        assert is_bye(light.reports[-1])
        await until(lambda: browser.peer.connectionState == "closed")


async def test_a_restart_keeps_the_fingerprint(tmp_path: Path) -> None:
    config = Config.load(
        data_directory=tmp_path, host=LOCALHOST, api_port=0, stream_port=0
    )
    offer = LightListener(random.Random(1)).offer()
    fingerprints = set()
    for _ in range(2):
        async with LoacastServer(config) as server:
            assert server.webrtc is not None
            _, answer = server.webrtc.accept(offer, Target(zone_id="a"))
            fingerprints |= {x for x in answer.splitlines() if "fingerprint" in x}
    assert len(fingerprints) == 1


async def test_the_answer_names_the_addresses_that_were_given(tmp_path: Path) -> None:
    given = ("203.0.113.7", "2001:db8::7")
    async with world(tmp_path, public_addresses=given) as it:
        answer = (await it.ask(LightListener(random.Random(1)).offer())).text
        named = [x for x in answer.splitlines() if x.startswith("a=candidate")]
        assert [x.split()[4:6] for x in named] == [
            [address, str(it.port.port)] for address in given
        ]


async def test_a_server_without_webrtc_says_so(tmp_path: Path) -> None:
    config = Config.load(
        data_directory=tmp_path, host=LOCALHOST, api_port=0, stream_port=0, webrtc=False
    )
    async with (
        LoacastServer(config) as server,
        httpx.AsyncClient(base_url=server.api_url, trust_env=False) as client,
    ):
        assert server.webrtc_url is None
        shown = {"Authorization": f"Bearer {server.admin_token}"}
        zone = {"id": "a", "name": "a", "level": "province"}
        await client.post("/api/v1/zones", json=zone, headers=shown)
        info = (await client.get("/api/v1/server", headers=shown)).json()
        assert info["webrtc_port"] is None
        offer = LightListener(random.Random(1)).offer()
        refused = await client.post("/whep?zone=a", content=offer, headers=shown | SDP)
        assert refused.status_code == 503
        assert refused.json()["type"].endswith(":no-webrtc")


async def test_the_last_flight_is_sent_again_when_it_was_lost(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Light() as light:
        await it.air("music")
        light.drop_next_finished = True
        await light.join(it)  # OpenSSL asks again after a second
        assert not light.drop_next_finished
        await until(lambda: len(light.packets) > 5)
        require_continuous(light.packets)


async def test_a_speaker_is_followed_to_its_new_zone(tmp_path: Path) -> None:
    async with world(tmp_path) as it, Light() as light:
        await it.air("music", "a")
        other = await it.air("siren", "b")
        speaker = await it.post("speakers", name="loa", zone_id="a")
        it.client.headers["Authorization"], admin = (
            f"Bearer {speaker['credential']}",
            it.client.headers["Authorization"],
        )
        await light.join(it, "")
        it.client.headers["Authorization"] = admin
        url = f"/api/v1/speakers/{speaker['id']}"
        assert (await it.client.get(url)).json()["connected"]
        await until(lambda: len(light.packets) > 10)
        await it.client.patch(url, json={"zone_id": "b"})
        before = len(light.packets)
        await until(lambda: len(light.packets) > before + 10)
        require_continuous(light.packets[before + 1 :])
        heard = (await it.client.get(f"/api/v1/broadcasts/{other['id']}")).json()
        assert heard["heard_by"] == {
            "zones": [{"zone_id": "b", "heard": True, "listeners": 1, "speakers": 1}],
            "listeners": 1,
            "speakers": 1,
        }
        await it.client.delete(url)
        await until(lambda: light.listener.closed)
        assert it.peers == 0


async def test_listeners_leave_nothing_behind(tmp_path: Path) -> None:
    process = psutil.Process()

    def held(it: World) -> tuple[list[str], int, int, int]:
        gc.collect()
        tasks = sorted(t.get_name() for t in asyncio.all_tasks() if keeps(t))
        endpoint = it.port.endpoint
        books = len(endpoint._by_address) + len(endpoint._by_ufrag)
        sockets = len(process.net_connections("udp"))
        return tasks, sockets, it.peers, books

    def keeps(task: asyncio.Task[Any]) -> bool:
        return not task.get_name().startswith("Task-")  # named by asyncio alone

    async def once(it: World) -> None:
        async with Browser() as browser:
            await browser.join(it)
            await browser.listen(0.1)

    async with world(tmp_path) as it:
        await it.air("music")
        for five in range(5):
            await asyncio.gather(*(once(it) for _ in range(5)))
            if five == 0:
                await until(lambda: it.peers == 0)
                before = held(it)
        await until(lambda: held(it) == before)
        listeners = it.server.services.listeners
        assert listeners is not None
        assert len(listeners) == 0


class Flood(threading.Thread):
    """Sends garbage of every kind as fast as it can, from some addresses."""

    KINDS = ("stun", "dtls", "srtp", "noise", "huge", "empty")

    def __init__(self, address: tuple[str, int], datagrams: int, ufrag: str) -> None:
        super().__init__(name="flood")
        self._address = address
        self._datagrams = datagrams
        self._ufrag = ufrag.encode()

    def run(self) -> None:
        rng = random.Random(5)
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
        for number in range(self._datagrams):
            datagram = self._make(self.KINDS[number % len(self.KINDS)], rng)
            with contextlib.suppress(OSError):
                rng.choice(sockets).sendto(datagram, self._address)
        for each in sockets:
            each.close()

    def _make(self, kind: str, rng: random.Random) -> bytes:
        match kind:
            case "stun":  # the right user, without the password
                name = self._ufrag + b":x"
                name += bytes(-len(name) % 4)
                body = struct.pack("!HH", 6, len(name)) + name
                body += struct.pack("!HH", 8, 20) + rng.randbytes(20)
                head = struct.pack("!HHI", 1, len(body), 0x2112A442)
                return head + rng.randbytes(12) + body
            case "dtls":
                return b"\x16\xfe\xfd" + rng.randbytes(200)
            case "srtp":
                return b"\x80" + bytes([rng.choice((111, 201))]) + rng.randbytes(100)
            case "huge":
                return rng.randbytes(9000)
            case "empty":
                return b""
            case _:
                return rng.randbytes(rng.randrange(1, 1500))


async def test_a_flood_costs_no_memory_and_disturbs_no_listener(tmp_path: Path) -> None:
    process = psutil.Process()
    async with world(tmp_path) as it, Light() as light:
        await it.air("music")
        await light.join(it)
        await until(lambda: len(light.packets) > 20)
        host, port = LOCALHOST, it.port.port
        ufrag = it.port.endpoint.peers()[0].ufrag
        for size in (2_000, 20_000):  # the first one fills caches
            gc.collect()
            before, heard = process.memory_info().rss, len(light.packets)
            flood = Flood((host, port), size, ufrag)
            flood.start()
            await until(lambda flood=flood: not flood.is_alive(), 30)  # type: ignore[misc]
            await asyncio.sleep(0.3)
        grown = process.memory_info().rss - before
        assert grown < 2 << 20, grown
        assert len(light.packets) > heard
        require_continuous(light.packets)
        assert it.peers == 1
        outcomes = it.port.endpoint.outcomes
        assert outcomes["stun_unauthenticated"] > 1000
        assert outcomes["unknown_source"] > 1000
        # It still answers, at once.
        checks = outcomes["stun_check"]
        light.send(light.listener.check())
        await until(lambda: outcomes["stun_check"] > checks, 1)
