"""A whole speaker against a small real server: what its WAV sink heard, and when."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import threading
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from time import monotonic_ns

import numpy as np
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from clients.speaker.app import Speaker
from clients.speaker.device import Device, null, wav_file
from streamer.media.frame import FRAME_NS, SAMPLE_RATE_HZ, Pcm, ns_to_samples
from streamer.media.opus import OpusEncoder
from streamer.wire.control import (
    SUBPROTOCOL,
    Goodbye,
    Idle,
    ListenerMessage,
    Message,
    Pong,
    Programme,
    ProgrammeClass,
    Report,
    Settings,
    Welcome,
    parse_from_listener,
    serialize,
)
from streamer.wire.framing import join
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

pytestmark = pytest.mark.end_to_end

CREDENTIAL = "loas_7_secret"
DELAY_MS = 300
DELAY_NS = DELAY_MS * 1_000_000
CHIRP_SAMPLES = 2_400
TOLERANCE = SAMPLE_RATE_HZ * 5 // 1000  # 5 ms


def chirp(first_hz: float, last_hz: float) -> Pcm:
    """50 ms that correlate with nothing else; Opus leaves its shape alone."""
    seconds = np.arange(CHIRP_SAMPLES) / SAMPLE_RATE_HZ
    length = CHIRP_SAMPLES / SAMPLE_RATE_HZ
    phase = first_hz * seconds + (last_hz - first_hz) * seconds**2 / (2 * length)
    window = np.hanning(CHIRP_SAMPLES)
    return (0.5 * window * np.sin(2 * np.pi * phase)).astype(np.float32)


UP, DOWN = chirp(500, 5_000), chirp(6_000, 1_000)
PERIOD = SAMPLE_RATE_HZ // 4


def chirps(shape: Pcm, count: int) -> Pcm:
    """A chirp each 250 ms, the first one at 100 ms."""
    pcm = np.zeros(count * PERIOD, dtype=np.float32)
    for index in range(count):
        start = index * PERIOD + 4_800
        pcm[start : start + CHIRP_SAMPLES] = shape
    return pcm


@dataclass
class Tape:
    """A programme that was captured as if live, from `origin_ns` on."""

    ssrc: int
    payloads: list[bytes]
    origin_ns: int
    "Capture instant of the first decoded sample."
    timestamp: int = 0xFFFF_F000  # wraps on the way

    def announcement(self, *, from_ns: int) -> Programme:
        return Programme(
            broadcast=f"b{self.ssrc}",
            programme_class=ProgrammeClass.NORMAL,
            title="Thử loa",
            ssrc=self.ssrc,
            payload_type=OPUS_PAYLOAD_TYPE,
            timestamp=self.timestamp,
            clock_us=self.origin_ns // 1000,
            from_us=from_ns // 1000,
        )

    def packet(self, index: int) -> bytes:
        return RtpPacket(
            payload_type=OPUS_PAYLOAD_TYPE,
            sequence=(65_500 + index) % 65_536,
            timestamp=(self.timestamp + index * 960) % (1 << 32),
            ssrc=self.ssrc,
            payload=self.payloads[index],
        ).serialize()

    def captured_ns(self, index: int) -> int:
        return self.origin_ns + index * FRAME_NS

    @property
    def end_ns(self) -> int:
        return self.captured_ns(len(self.payloads))


def tape(shape: Pcm, count: int, *, ssrc: int, start_ns: int) -> Tape:
    """Encode *count* chirps; the first sample is captured at *start_ns*."""
    with OpusEncoder(64_000) as encoder:
        frames = np.split(chirps(shape, count), count * PERIOD // 960)
        payloads = [encoder.encode(frame) for frame in frames]
        lookahead_ns = encoder.lookahead_samples * 1_000_000_000 // SAMPLE_RATE_HZ
    return Tape(ssrc, payloads, start_ns - lookahead_ns)


@dataclass
class TinyServer:
    """Speaks FORMAT.md to one speaker at a time; its clock is shifted from ours."""

    shift_ns: int = 5_000_000_000_000
    answers_pings: bool = True
    refuses: bool = False
    attempts: list[int] = field(default_factory=list)
    "When somebody tried to connect."
    reports: list[Report] = field(default_factory=list)
    connections: asyncio.Queue[ServerConnection] = field(default_factory=asyncio.Queue)
    port: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/listen"

    def now_ns(self) -> int:
        return monotonic_ns() + self.shift_ns

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts.append(monotonic_ns())
        assert request.path == "/v1/listen?ptime_ms=20"
        if self.refuses or request.headers["Authorization"] != f"Bearer {CREDENTIAL}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    async def serve_one(self, connection: ServerConnection) -> None:
        try:
            await send(connection, Welcome("s7", "village", 20))
            await send(connection, Settings(100, DELAY_MS))
            self.connections.put_nowait(connection)
            async for message in connection:
                assert isinstance(message, str)
                await self.answer(connection, parse_from_listener(message))
        except ConnectionClosed:
            pass

    async def answer(
        self, connection: ServerConnection, message: ListenerMessage
    ) -> None:
        if isinstance(message, Report):
            self.reports.append(message)
        elif self.answers_pings:
            now_us = self.now_ns() // 1000
            await send(connection, Pong(message.sent_us, now_us, now_us))


async def send(connection: ServerConnection, message: Message) -> None:
    await connection.send(serialize(message))


@asynccontextmanager
async def running(server: TinyServer) -> AsyncIterator[TinyServer]:
    async with serve(
        server.serve_one,
        "127.0.0.1",
        server.port,
        process_request=server.admit,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
    ) as serving:
        server.port = port_of(serving)
        yield server


def port_of(serving: Server) -> int:
    port: int = next(iter(serving.sockets)).getsockname()[1]
    return port


Network = Callable[[list[int]], list[int]]


def perfect(indices: list[int]) -> list[int]:
    return indices


async def air(
    server: TinyServer,
    connection: ServerConnection,
    programme: Tape,
    network: Network = perfect,
    *,
    until_ns: int | None = None,
) -> None:
    """Send each packet when its last sample has been captured."""
    for index in network(list(range(len(programme.payloads)))):
        if until_ns is not None and programme.captured_ns(index) >= until_ns:
            break
        due_ns = programme.captured_ns(index) + FRAME_NS
        await asyncio.sleep(max(0, due_ns - server.now_ns()) / 1e9)
        await connection.send(join([programme.packet(index)]))


@dataclass
class Heard:
    """What a WAV sink heard, on the server's clock."""

    pcm: Pcm
    start_ns: int
    server_shift_ns: int
    ppm: float

    @classmethod
    def read(cls, path: Path, server: TinyServer) -> Heard:
        with wave.open(str(path)) as file:
            assert file.getparams()[:3] == (1, 2, SAMPLE_RATE_HZ)
            data = file.readframes(file.getnframes())
        sidecar = json.loads(Path(f"{path}.json").read_text())
        pcm = (np.frombuffer(data, dtype="<i2") / 32_767).astype(np.float32)
        return cls(pcm, sidecar["monotonic_ns"], server.shift_ns, sidecar["ppm"])

    def sample_at(self, server_ns: int) -> int:
        elapsed_ns = server_ns - self.server_shift_ns - self.start_ns
        return round(ns_to_samples(elapsed_ns) * (1 + self.ppm * 1e-6))

    def error_of(self, shape: Pcm, captured_ns: int) -> int | None:
        """Return by how many samples the chirp captured then came too late.

        None when there is none within 40 ms of where it ought to be.
        """
        reach = 1_920
        expected = self.sample_at(captured_ns + DELAY_NS)
        window = self.pcm[expected - reach : expected + reach + CHIRP_SAMPLES]
        found = np.correlate(window, shape, mode="valid")
        best = int(np.argmax(found))
        alike = found[best] / float(np.dot(shape, shape))
        return best - reach if alike > 0.5 else None

    def errors(self, shape: Pcm, programme: Tape, count: int) -> list[int | None]:
        lookahead_ns = 6_500_000
        start_ns = programme.origin_ns + lookahead_ns + 100_000_000
        return [
            self.error_of(shape, start_ns + index * 250_000_000)
            for index in range(count)
        ]


@asynccontextmanager
async def speaking(
    server: TinyServer, device: Device, credential: str = CREDENTIAL
) -> AsyncIterator[Speaker]:
    async with Speaker(
        url=server.url,
        credential=credential,
        device=device,
        # Reconnection is tested, not waited for: a hundredth of the jitter.
        uniform=lambda low, high: random.uniform(low, high) / 100,
    ) as speaker:
        yield speaker


async def until(condition: Callable[[], bool], *, timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is watched has no event
            await asyncio.sleep(0.01)


async def play_out() -> None:
    await asyncio.sleep(DELAY_MS / 1000 + 0.2)


@pytest.mark.parametrize("ppm", [0, 200])
async def test_a_chirp_leaves_at_its_capture_plus_the_delay(
    tmp_path: Path, ppm: float
) -> None:
    device = wav_file(tmp_path / "heard.wav", ppm=ppm)
    async with running(TinyServer()) as server, speaking(server, device) as speaker:
        connection = await server.connections.get()
        programme = tape(UP, 16, ssrc=1, start_ns=server.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await air(server, connection, programme)
        await send(connection, Idle(programme.end_ns // 1000))
        assert speaker.status.playing == programme.announcement(
            from_ns=programme.origin_ns
        )
        await play_out()
        assert speaker.status.playing is None
        counters = speaker.status.counters
        assert counters.packets_received == len(programme.payloads)
        assert counters.concealed_samples == counters.packets_lost == 0
    heard = Heard.read(tmp_path / "heard.wav", server)
    errors = [error for error in heard.errors(UP, programme, 16) if error is not None]
    assert len(errors) == 16
    assert max(map(abs, errors)) <= TOLERANCE


async def test_a_stronger_programme_cuts_in_at_its_sample(tmp_path: Path) -> None:
    async with (
        running(TinyServer()) as server,
        speaking(server, wav_file(tmp_path / "heard.wav")),
    ):
        connection = await server.connections.get()
        weak = tape(UP, 8, ssrc=1, start_ns=server.now_ns())
        await send(connection, weak.announcement(from_ns=weak.origin_ns))
        # In the middle of a packet, and of silence between chirps.
        cut_ns = weak.origin_ns + 953_000_000
        await air(server, connection, weak, until_ns=cut_ns)
        strong = tape(DOWN, 6, ssrc=2, start_ns=cut_ns)
        strong.origin_ns = cut_ns
        await send(connection, strong.announcement(from_ns=cut_ns))
        await air(server, connection, strong)
        await send(connection, Idle(strong.end_ns // 1000))
        await play_out()
    heard = Heard.read(tmp_path / "heard.wav", server)
    first = heard.errors(UP, weak, 8)
    assert all(error is not None and abs(error) <= TOLERANCE for error in first[:4])
    assert first[4:] == [None] * 4
    second = heard.errors(DOWN, strong, 6)
    assert all(error is not None and abs(error) <= TOLERANCE for error in second)
    # Nothing clicks: the chirps' own slope at 6 kHz is the steepest there is.
    assert np.abs(np.diff(heard.pcm)).max() < 0.5 * 2 * np.pi * 6_000 / SAMPLE_RATE_HZ


async def test_loss_copies_and_disorder_cost_only_what_is_lost(tmp_path: Path) -> None:
    rng = random.Random(5)
    lost = {25, 72, 73}  # between chirps

    def network(indices: list[int]) -> list[int]:
        arriving = [i for i in indices if i not in lost]
        arriving += rng.sample(arriving, 15)
        # Up to 80 ms out of order, well within D.
        return sorted(arriving, key=lambda i: i + rng.uniform(0, 4))

    async with (
        running(TinyServer()) as server,
        speaking(server, wav_file(tmp_path / "heard.wav")) as speaker,
    ):
        connection = await server.connections.get()
        programme = tape(UP, 10, ssrc=1, start_ns=server.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await air(server, connection, programme, network)
        await send(connection, Idle(programme.end_ns // 1000))
        await play_out()
        counters = speaker.status.counters
    assert counters.packets_lost == len(lost)
    assert counters.packets_discarded == 15
    assert counters.concealed_samples == 960 * len(lost)
    assert counters.concealment_events == 2
    heard = Heard.read(tmp_path / "heard.wav", server)
    errors = [error for error in heard.errors(UP, programme, 10) if error is not None]
    assert len(errors) == 10
    assert max(map(abs, errors)) <= TOLERANCE


async def test_comes_back_after_its_server_was_killed(tmp_path: Path) -> None:
    async with running(TinyServer()) as killed:
        stack = speaking(killed, wav_file(tmp_path / "heard.wav"))
        speaker = await stack.__aenter__()
        connection = await killed.connections.get()
        first = tape(UP, 4, ssrc=1, start_ns=killed.now_ns())
        await send(connection, first.announcement(from_ns=first.origin_ns))
        await air(killed, connection, first)
        connection.transport.abort()
    # On another machine, whose clock is another one.
    other = TinyServer(shift_ns=killed.shift_ns + 3_600 * 10**9, port=killed.port)
    async with running(other) as server:
        connection = await asyncio.wait_for(server.connections.get(), 10)
        second = tape(DOWN, 8, ssrc=2, start_ns=server.now_ns())
        await send(connection, second.announcement(from_ns=second.origin_ns))
        await air(server, connection, second)
        await send(connection, Idle(second.end_ns // 1000))
        await play_out()
        assert speaker.status.connected
        assert speaker.status.connections >= 2
        await stack.__aexit__(None, None, None)
    heard = Heard.read(tmp_path / "heard.wav", server)
    # Its clock is learnt anew within the first period.
    errors = heard.errors(DOWN, second, 8)[1:]
    assert all(error is not None and abs(error) <= TOLERANCE for error in errors)


async def test_a_refused_credential_is_said_and_not_hammered() -> None:
    async with (
        running(TinyServer(refuses=True)) as server,
        speaking(server, null()) as speaker,
    ):
        await until(lambda: speaker.status.last_mishap is not None)
        await asyncio.sleep(0.5)
        assert len(server.attempts) == 1
        mishap = speaker.status.last_mishap or ""
        assert "refused the credential (HTTP 401)" in mishap
        assert not speaker.status.connected


async def test_obeys_the_hint_of_a_goodbye() -> None:
    async with running(TinyServer()) as server, speaking(server, null()) as speaker:
        connection = await server.connections.get()
        await send(connection, Goodbye("shutdown", 700))
        await connection.close(1001, "shutdown")
        await asyncio.wait_for(server.connections.get(), 5)
        waited_ns = server.attempts[1] - server.attempts[0]
        assert 0.7e9 <= waited_ns < 2e9
        assert "goodbye: shutdown" in (speaker.status.last_mishap or "")


async def test_a_server_that_answers_no_ping_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clients.speaker.link.SILENCE_LIMIT_S", 0.5)
    async with (
        running(TinyServer(answers_pings=False)) as server,
        speaking(server, null()) as speaker,
    ):
        await server.connections.get()
        await asyncio.wait_for(server.connections.get(), 5)
        assert speaker.status.last_mishap == "the server did not answer in time"


async def test_survives_nonsense_from_its_server() -> None:
    async with running(TinyServer()) as server, speaking(server, null()) as speaker:
        connection = await server.connections.get()
        for nonsense in ("{", '{"type":"future"}', b"\x00\x05abc", b"\x00\x01x"):
            await connection.send(nonsense)
        await send(connection, Settings(40, 250))
        await until(lambda: speaker.status.settings == Settings(40, 250))
        assert speaker.status.connected
        assert server.attempts == server.attempts[:1]


async def test_reports_what_it_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.speaker.link.REPORT_PERIOD_S", 0.5)
    async with running(TinyServer()) as server, speaking(server, null()):
        connection = await server.connections.get()
        programme = tape(UP, 6, ssrc=9, start_ns=server.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await air(server, connection, programme)
        await until(lambda: len(server.reports) > 2)
    report = server.reports[-1]
    assert report.broadcast == "b9"
    assert report.packets_received > 0
    assert report.total_samples_received > 0
    assert -60 < report.audio_level_dbfs < 0
    assert abs(report.clock_offset_us - server.shift_ns // 1000) < 2_000


async def test_leaves_nothing_behind() -> None:
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    async with running(TinyServer()) as server:
        for _ in range(3):
            async with speaking(server, null()):
                await server.connections.get()
    await until(lambda: threading.active_count() <= threads + 1)  # to_thread's pool
    assert len(asyncio.all_tasks()) == tasks


COMMAND = """
from pathlib import Path
from clients.speaker.app import SpeakerConfig, main
config = SpeakerConfig({url!r}, {credential!r}, output="wav", wav_path=Path({path!r}))
raise SystemExit(main(config))
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
async def test_a_process_that_is_ended_leaves_a_readable_recording(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    path = tmp_path / "heard.wav"
    async with running(TinyServer()) as server:
        command = COMMAND.format(url=server.url, credential=CREDENTIAL, path=str(path))
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", command)
        await asyncio.wait_for(server.connections.get(), 10)
        await asyncio.sleep(1.5)
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), 5) == status
    assert len(Heard.read(path, server).pcm) >= SAMPLE_RATE_HZ
