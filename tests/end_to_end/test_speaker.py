"""A whole speaker against a small real server: what its WAV sink heard, and when."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import threading
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
from websockets.protocol import State
from websockets.typing import Subprotocol

from clients.speaker.device import Device, null, wav_file
from clients.speaker.speaker import Speaker
from streamer.media.frame import FRAME_NS, SAMPLE_RATE_HZ
from streamer.wire.control import (
    SUBPROTOCOL,
    Goodbye,
    Idle,
    ListenerMessage,
    Message,
    Ping,
    Pong,
    Receipt,
    Report,
    Settings,
    Welcome,
    parse_from_listener,
    serialize,
)
from streamer.wire.framing import join
from streamer.wire.health import Health
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

CREDENTIAL = "loas_7_secret"


@dataclass
class TinyServer:
    """Speaks FORMAT.md to one speaker at a time; its clock is shifted from ours."""

    shift_ns: int = 5_000_000_000_000
    answers_pings: bool = True
    refuses: bool = False
    attempts: list[int] = field(default_factory=list)
    "When somebody tried to connect."
    reports: list[Report] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    connections: asyncio.Queue[ServerConnection] = field(default_factory=asyncio.Queue)
    port: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/listen"

    def now_ns(self) -> int:
        return monotonic_ns() + self.shift_ns

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts.append(monotonic_ns())
        assert request.path.startswith("/v1/listen?ptime_ms=")
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
        elif isinstance(message, Health):
            self.healths.append(message)
        elif isinstance(message, Receipt):
            self.receipts.append(message)
        elif isinstance(message, Ping) and self.answers_pings:
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
    heard = Heard.read(tmp_path / "heard.wav", server_shift_ns=server.shift_ns)
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
    heard = Heard.read(tmp_path / "heard.wav", server_shift_ns=server.shift_ns)
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
    heard = Heard.read(tmp_path / "heard.wav", server_shift_ns=server.shift_ns)
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
    heard = Heard.read(tmp_path / "heard.wav", server_shift_ns=server.shift_ns)
    # Its clock is learnt anew within the first period.
    errors = heard.errors(DOWN, second, 8)[1:]
    assert all(error is not None and abs(error) <= TOLERANCE for error in errors)


async def test_makes_a_new_connection_before_it_breaks_a_frozen_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old path brings nothing any more; what is held lasts until the new one."""
    monkeypatch.setattr("clients.speaker.standby.AUDIO_LIMIT_NS", 80_000_000)
    monkeypatch.setattr("clients.speaker.standby.SPEAKING_NS", 60_000_000)
    monkeypatch.setattr("clients.speaker.link.LOOK_PERIOD_S", 0.02)
    async with (
        running(TinyServer()) as server,
        speaking(server, wav_file(tmp_path / "heard.wav")) as speaker,
    ):
        frozen = await server.connections.get()
        await until(lambda: speaker.status.clock_synchronised)
        programme = tape(UP, 10, ssrc=1, start_ns=server.now_ns())
        announcement = programme.announcement(from_ns=programme.origin_ns)
        await send(frozen, announcement)
        freeze = programme.origin_ns + 900_000_000
        await air(server, frozen, programme, until_ns=freeze)
        server.answers_pings = False
        alive = await asyncio.wait_for(server.connections.get(), 2)
        server.answers_pings = True
        assert frozen.state is State.OPEN  # it still stood when the other one came
        await send(alive, announcement)
        await air(server, alive, programme, resumed(server, programme))
        await send(alive, Idle(programme.end_ns // 1000))
        await play_out()
        status = speaker.status
        assert frozen.close_code == 1000  # closed by the speaker, in good order
    assert (status.connections, status.takeovers) == (2, 1)
    assert status.counters.concealed_samples == 0
    assert status.counters.packets_lost == 0
    heard = Heard.read(tmp_path / "heard.wav", server_shift_ns=server.shift_ns)
    errors = heard.errors(UP, programme, 10)
    assert all(error is not None and abs(error) <= TOLERANCE for error in errors)


def resumed(server: TinyServer, programme: Tape) -> Network:
    """A join: the last D of the programme and the pre-roll, then what is live."""
    oldest_ns = server.now_ns() - (DELAY_MS + 80) * 1_000_000
    return lambda indices: [i for i in indices if programme.captured_ns(i) > oldest_ns]


async def test_a_second_connection_that_fails_harms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clients.speaker.standby.AUDIO_LIMIT_NS", 80_000_000)
    monkeypatch.setattr("clients.speaker.link.LOOK_PERIOD_S", 0.02)
    async with running(TinyServer()) as server, speaking(server, null()) as speaker:
        connection = await server.connections.get()
        server.refuses = True
        programme = tape(UP, 12, ssrc=1, start_ns=server.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await until(lambda: len(server.attempts) == 2)
        await asyncio.sleep(0.3)
        assert len(server.attempts) == 2  # refused: not again within a minute
        await send(connection, Settings(40, 250))
        await until(lambda: speaker.status.settings == Settings(40, 250))
        assert (speaker.status.connections, speaker.status.takeovers) == (1, 0)
        assert "refused the credential" in (speaker.status.last_mishap or "")


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


async def test_a_credential_revoked_while_playing_ends_in_silence(
    tmp_path: Path,
) -> None:
    """What is held is played, then nothing, and nobody is hammered."""
    async with (
        running(TinyServer()) as server,
        speaking(server, wav_file(tmp_path / "heard.wav")) as speaker,
    ):
        connection = await server.connections.get()
        programme = tape(UP, 4, ssrc=1, start_ns=server.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await air(server, connection, programme)
        server.refuses = True
        await send(connection, Goodbye("revoked", 300_000))
        await connection.close(1008, "revoked")
        await play_out()
        assert speaker.status.playing is None
        assert "the credential is no longer good" in (speaker.status.last_mishap or "")
        assert len(server.attempts) == 1
        assert speaker.status.counters.concealed_samples == 0
    heard = Heard.read(tmp_path / "heard.wav", server_shift_ns=server.shift_ns)
    errors = heard.errors(UP, programme, 4)
    assert all(error is not None and abs(error) <= TOLERANCE for error in errors)
    assert not heard.pcm[-SAMPLE_RATE_HZ // 20 :].any()


async def test_a_server_clock_that_steps_an_hour_is_learnt_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.speaker.conversation.PING_PERIOD_S", 0.05)
    async with (
        running(TinyServer()) as server,
        speaking(server, wav_file(tmp_path / "heard.wav")) as speaker,
    ):
        connection = await server.connections.get()
        await until(lambda: speaker.status.clock_synchronised)
        before_ns = speaker.status.clock_offset_ns
        server.shift_ns += 3_600 * 10**9
        await until(
            lambda: (
                speaker.status.clock_offset_ns - before_ns > 3_599 * 10**9
                and speaker.status.clock_synchronised
            )
        )
        programme = tape(UP, 4, ssrc=1, start_ns=server.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await air(server, connection, programme)
        await send(connection, Idle(programme.end_ns // 1000))
        await play_out()
        assert speaker.status.connections == 1
    heard = Heard.read(tmp_path / "heard.wav", server_shift_ns=server.shift_ns)
    errors = heard.errors(UP, programme, 4)
    assert all(error is not None and abs(error) <= TOLERANCE for error in errors)


async def test_a_server_that_answers_no_ping_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clients.speaker.conversation.SILENCE_LIMIT_S", 0.5)
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
    monkeypatch.setattr("clients.speaker.conversation.REPORT_PERIOD_S", 0.5)
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
    health = server.healths[-1]
    assert health.sound
    assert health.dbfs == report.audio_level_dbfs
    assert health.age_ms is not None
    assert health.age_ms < 1_000
    assert 0 < health.buf_ms <= DELAY_MS


async def test_accounts_for_a_broadcast_once_the_link_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends while there is no link; what was sent just before may be lost."""
    monkeypatch.setattr("clients.speaker.conversation.REPORT_PERIOD_S", 0.4)
    monkeypatch.setattr("clients.speaker.conversation.RECEIPT_PERIOD_S", 0.1)
    async with running(TinyServer()) as server, speaking(server, null()):
        connection = await server.connections.get()
        programme = tape(UP, 4, ssrc=9, start_ns=server.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await air(server, connection, programme)
        await until(lambda: len(server.receipts) > 0)
        assert not server.receipts[-1].complete
        connection.transport.abort()
        server.receipts.clear()
        connection = await asyncio.wait_for(server.connections.get(), 5)
        await send(connection, Idle(programme.end_ns // 1000))
        await until(lambda: any(receipt.complete for receipt in server.receipts))
    receipt = server.receipts[-1]
    assert receipt.broadcast == "b9"
    assert receipt.packets_received == len(programme.payloads)
    assert receipt.first_played_us is not None
    # The clock has to be learnt before anything is played.
    late_samples = (receipt.first_played_us * 1000 - programme.origin_ns) * 48 // 10**6
    assert late_samples < 0.3 * SAMPLE_RATE_HZ
    missed_samples = len(programme.payloads) * 960 - receipt.total_samples_received
    assert abs(missed_samples - late_samples) <= 1
    assert receipt.concealed_samples == 0


async def test_accounts_to_a_server_with_another_clock_without_instants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clients.speaker.conversation.RECEIPT_PERIOD_S", 0.1)
    async with running(TinyServer()) as killed:
        stack = speaking(killed, null())
        await stack.__aenter__()
        connection = await killed.connections.get()
        programme = tape(UP, 4, ssrc=1, start_ns=killed.now_ns())
        await send(connection, programme.announcement(from_ns=programme.origin_ns))
        await air(killed, connection, programme)
        connection.transport.abort()
    other = TinyServer(shift_ns=killed.shift_ns - 3_600 * 10**9, port=killed.port)
    async with running(other) as server:
        await until(lambda: len(server.receipts) > 0, timeout_s=10)
        await stack.__aexit__(None, None, None)
    (receipt,) = server.receipts
    assert receipt.complete
    assert receipt.played_samples > 0
    assert (receipt.first_played_us, receipt.last_played_us) == (None, None)


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
    assert len(Heard.read(path, server_shift_ns=server.shift_ns).pcm) >= SAMPLE_RATE_HZ
