"""The stream port on real sockets, against the `websockets` client and raw ones."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from time import monotonic_ns
from urllib.parse import quote

import pytest
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from streamer.bus.bus import AirChange, OnAir, Switch
from streamer.fanout import endings
from streamer.fanout.directory import FakeDirectory
from streamer.fanout.endings import Ending
from streamer.fanout.hub import Hub
from streamer.fanout.listener import ListenerIdentity
from streamer.fanout.websocket import Endpoint, WebSocketServer
from streamer.media.frame import ProgrammePacket
from streamer.metrics import Metrics
from streamer.wire import framing
from streamer.wire.control import (
    SUBPROTOCOL,
    Goodbye,
    Idle,
    Ping,
    Pong,
    Programme,
    ProgrammeClass,
    Receipt,
    Report,
    ServerMessage,
    Settings,
    Welcome,
    parse_from_server,
    serialize,
)
from streamer.wire.rtp import RtpPacket

pytestmark = pytest.mark.end_to_end

SSRC = 42
RECEIPT = Receipt("b", 3, 960, 960, 0, True, 1, 2)
REPORT = Report(None, 1, 0, 0, 960, 0, 0, 0, 40_000, -3, 12, -20, 70)


@dataclass
class Port:
    """A running stream port and what the tests do to it."""

    server: WebSocketServer
    hub: Hub
    registry: CollectorRegistry
    directory: FakeDirectory
    receipts: list[tuple[ListenerIdentity, Receipt]] = field(default_factory=list)
    packets: int = 0

    def url(self, query: str = "?ptime_ms=20", path: str = "/v1/listen") -> str:
        return f"ws://127.0.0.1:{self.server.port}{path}{query}"

    def connect(
        self,
        credential: str = "secret",
        *,
        query: str = "?ptime_ms=20",
        path: str = "/v1/listen",
        subprotocol: str | None = SUBPROTOCOL,
    ) -> connect:
        return connect(
            self.url(query, path),
            subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
            additional_headers={"Authorization": f"Bearer {credential}"},
            compression=None,
            ping_interval=None,
        )

    def start(self) -> None:
        on_air = OnAir(SSRC, "b", ProgrammeClass.NORMAL, "Bản tin", 0, monotonic_ns())
        switch = Switch(("a",), SSRC, on_air.origin_ns)
        self.hub.on_air_change(AirChange((on_air,), (switch,)))

    def send(self, count: int = 1, *, payload: bytes = b"opus" * 25) -> None:
        for _ in range(count):
            index = self.packets
            rtp = RtpPacket(111, index % 65_536, index * 960, SSRC, payload).serialize()
            now_ns = monotonic_ns()
            self.hub.on_packet(ProgrammePacket(SSRC, index, rtp, now_ns, now_ns))
            self.packets += 1

    def metric(self, name: str, **labels: str) -> float:
        labels = {"transport": "websocket", **labels}
        return self.registry.get_sample_value(f"loacast_{name}_total", labels) or 0.0

    async def until(self, name: str, reason: str) -> None:
        """Wait until something was counted with *reason*."""
        for _ in range(1000):
            if self.metric(name, reason=reason) > 0:
                return
            await asyncio.sleep(0.01)
        raise TimeoutError(name, reason)


@asynccontextmanager
async def running(*, max_listeners: int = 1000) -> AsyncIterator[Port]:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    loop = asyncio.get_running_loop()
    hub = Hub(clock_ns=monotonic_ns, defer=loop.call_soon, metrics=metrics)
    directory = FakeDirectory(
        {
            "secret": ListenerIdentity("s", "a", 70, 400),
            **{
                f"secret{n}": ListenerIdentity(f"s{n}", "a", 70, 400)
                for n in range(100)
            },
        }
    )
    endpoint = Endpoint("127.0.0.1", 0, max_listeners=max_listeners)
    receipts: list[tuple[ListenerIdentity, Receipt]] = []
    server = WebSocketServer(
        hub,
        directory,
        endpoint,
        metrics=metrics,
        on_receipt=lambda *told: receipts.append(told),
    )
    async with server:
        yield Port(server, hub, registry, directory, receipts)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with running() as port:
        yield port


async def control(connection: ClientConnection) -> ServerMessage:
    """Return the next control message; audio before it is skipped."""
    async with asyncio.timeout(5):
        while not isinstance(message := await connection.recv(), str):
            pass
    return parse_from_server(message)


async def audio(connection: ClientConnection) -> list[int]:
    """Return the sequence numbers in the next message, which must be audio."""
    async with asyncio.timeout(5):
        message = await connection.recv()
    assert isinstance(message, bytes)
    return [RtpPacket.parse(p).sequence for p in framing.split(message)]


async def greeted(connection: ClientConnection) -> ClientConnection:
    assert isinstance(await control(connection), Welcome)
    assert isinstance(await control(connection), Settings)
    assert isinstance(await control(connection), Idle)
    return connection


async def ended(connection: ClientConnection) -> tuple[Goodbye | None, int, str]:
    """Return the goodbye, the close code and its reason."""
    goodbye = None
    try:
        while True:
            message = await control(connection)
            goodbye = message if isinstance(message, Goodbye) else goodbye
    except ConnectionClosed:
        return goodbye, connection.close_code or 0, connection.close_reason or ""


def expected(ending: Ending) -> tuple[Goodbye, int, str]:
    goodbye = Goodbye(ending.reason, ending.retry_after_ms)
    return goodbye, ending.code, ending.reason


class TestJoining:
    """What FORMAT.md's example says."""

    async def test_the_joining_sequence(self, port: Port) -> None:
        async with port.connect(query="?ptime_ms=40") as connection:
            assert connection.subprotocol == SUBPROTOCOL
            assert await control(connection) == Welcome("s", "a", 40)
            assert await control(connection) == Settings(70, 400)
            assert await control(connection) == Idle(0)
            port.start()
            programme = await control(connection)
            assert isinstance(programme, Programme)
            assert (programme.ssrc, programme.title) == (SSRC, "Bản tin")
            port.send(4)
            heard = await audio(connection)
            while len(heard) < 3:
                heard += await audio(connection)
            assert heard == list(range(len(heard)))

    async def test_ptime_is_twenty_when_not_asked_for(self, port: Port) -> None:
        async with port.connect(query="") as connection:
            assert await control(connection) == Welcome("s", "a", 20)

    async def test_a_thousand_packets_arrive_in_order(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            port.start()
            await control(connection)
            heard: list[int] = []
            for _ in range(100):
                port.send(10)
                while len(heard) < port.packets:
                    heard += await audio(connection)
            assert heard == list(range(1000))

    async def test_accepted_sockets_have_the_options(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            (listener,) = port.server._listeners
            sock = listener._connection.transport.get_extra_info("socket")
            tcp = socket.IPPROTO_TCP
            assert sock.getsockopt(tcp, socket.TCP_NODELAY)
            assert sock.getsockopt(tcp, socket.TCP_NOTSENT_LOWAT) == 3584
            assert sock.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 15_000
            # The kernel doubles what it is told (socket(7)).
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 131_072


class TestRefusals:
    """Handshakes that get a clear answer instead of a stream."""

    @pytest.mark.parametrize(
        ("credential", "query", "path", "answer"),
        [
            ("wrong", "", "/v1/listen", (401, "credential")),
            ("", "", "/v1/listen", (401, "credential")),
            ("secret", "?ptime_ms=30", "/v1/listen", (400, "ptime")),
            ("secret", "?ptime_ms=", "/v1/listen", (400, "ptime")),
            ("secret", "?ptime_ms=20&ptime_ms=40", "/v1/listen", (400, "ptime")),
            ("secret", "?" + "a=1&" * 50, "/v1/listen", (400, "ptime")),
            ("secret", "", "/" + quote("lạ"), (404, "path")),
        ],
    )
    async def test_are_answered_and_counted(
        self,
        port: Port,
        credential: str,
        query: str,
        path: str,
        answer: tuple[int, str],
    ) -> None:
        status, reason = answer
        with pytest.raises(InvalidStatus) as refused:
            await port.connect(credential, query=query, path=path)
        response = refused.value.response
        assert response.status_code == status
        assert response.body
        assert ("WWW-Authenticate" in response.headers) == (status == 401)
        assert port.metric("listener_rejections", reason=reason) == 1
        assert len(port.hub) == 0

    async def test_the_subprotocol_is_required(self, port: Port) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await port.connect(subprotocol=None)
        assert refused.value.response.status_code == 400
        assert port.metric("listener_rejections", reason="handshake") == 1

    async def test_a_full_server_says_when_to_return(self) -> None:
        async with running(max_listeners=1) as port, port.connect():
            with pytest.raises(InvalidStatus) as refused:
                await port.connect("secret1")
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "60"

    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x00" * 64 + b"\r\n",
            b"GET\r\n\r\n",
            b"\xff\xfe" * 9000,
            b"GET / HTTP/1.1\r\n\r\n",
        ],
    )
    async def test_garbage_ends_in_a_closed_socket(
        self, port: Port, garbage: bytes
    ) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port.server.port)
        writer.write(garbage)
        async with asyncio.timeout(5):
            try:
                answer = await reader.read()
            except ConnectionResetError:
                answer = b""
        writer.close()
        assert b" 101 " not in answer
        assert len(port.hub) == 0


class TestBadInput:
    """What a listener may not send: closed and counted, and nobody else notices."""

    @pytest.mark.parametrize(
        ("message", "code", "reason"),
        [
            (b"binary", 1003, "binary"),
            ("not json", 1007, "malformed"),
            ('{"type":"ping"}', 1007, "malformed"),
            ('{"type":"ping","sent_us":1e3}', 1007, "malformed"),
            ('{"type":"receipt","broadcast":"b","complete":true}', 1007, "malformed"),
            (serialize(RECEIPT).replace("960", "-960"), 1007, "malformed"),
            ("[" * 4000, 1007, "malformed"),
            ("x" * 5000, 1009, "too_big"),
        ],
    )
    async def test_closes_that_connection_only(
        self, port: Port, message: str | bytes, code: int, reason: str
    ) -> None:
        async with port.connect() as bad, port.connect("secret1") as good:
            await greeted(bad)
            await greeted(good)
            port.start()
            await bad.send(message)
            _, got_code, _ = await ended(bad)
            assert got_code == code
            await port.until("listener_closes", reason)
            port.send(3)
            assert isinstance(await control(good), Programme)
            assert await audio(good) == [0]
        assert port.metric("listener_closes", reason=reason) == 1

    async def test_a_flood_of_receipts_is_one_of_messages(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            for _ in range(50):
                await connection.send(serialize(RECEIPT))
            assert await ended(connection) == expected(endings.FLOOD)
        assert 0 < len(port.receipts) <= 41

    async def test_text_that_is_not_utf8_is_malformed(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            await connection.send(b"\xff\xfe", text=True)
            assert (await ended(connection))[1] == 1007
            await port.until("listener_closes", "malformed")

    async def test_unknown_types_are_counted_and_ignored(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            await connection.send('{"type":"from the future","x":[1]}')
            await connection.send(serialize(Ping(1)))
            assert isinstance(await control(connection), Pong)
        assert port.metric("unknown_control_messages") == 1

    async def test_a_flood_of_messages_is_ended(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            with suppress(ConnectionClosed):
                for n in range(1000):
                    await connection.send(serialize(Ping(n)))
            assert (await ended(connection))[1:] == (1008, "flood")
            await port.until("listener_closes", "flood")

    async def test_twenty_quick_pings_are_no_flood(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            for n in range(20):
                await connection.send(serialize(Ping(n)))
            got = [await control(connection) for _ in range(20)]
            assert [p.sent_us for p in got if isinstance(p, Pong)] == list(range(20))

    async def test_a_flood_of_websocket_pings_is_ended(self, port: Port) -> None:
        """The library answers those by itself, so bytes are counted too."""
        async with port.connect() as connection:
            await greeted(connection)
            with suppress(ConnectionClosed):
                for _ in range(2000):
                    await connection.ping(os.urandom(100))
            assert (await ended(connection))[1:] == (1008, "flood")
            await port.until("listener_closes", "flood")


class TestClock:
    """The exchange of RFC 5905, section 8."""

    async def test_a_pong_has_the_servers_instants_in_order(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            before_us = monotonic_ns() // 1000
            await connection.send(serialize(Ping(-7)))
            pong = await control(connection)
            after_us = monotonic_ns() // 1000
        assert isinstance(pong, Pong)
        assert pong.sent_us == -7
        assert before_us <= pong.received_us <= pong.transmitted_us <= after_us
        assert pong.transmitted_us - pong.received_us < 20_000


class TestReceipts:
    """What speakers say that they played."""

    async def test_are_handed_on_with_who_and_where_it_is_now(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            await connection.send(serialize(RECEIPT))
            await connection.send(serialize(Ping(1)))
            assert isinstance(await control(connection), Pong)
            moved = ListenerIdentity("s", "b", 70, 400)
            port.hub.update(moved)
            later = replace(RECEIPT, complete=False, first_played_us=None)
            await connection.send(serialize(later))
            await connection.send(serialize(Ping(2)))
            while not isinstance(await control(connection), Pong):
                pass
        joined = ListenerIdentity("s", "a", 70, 400)
        assert port.receipts == [(joined, RECEIPT), (moved, later)]


class TestPresence:
    """What the API shows of a speaker."""

    async def test_the_last_report_is_kept(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            await connection.send(serialize(REPORT))
            await connection.send(serialize(Ping(1)))
            await control(connection)
            attendance = port.server.presence.of("s")
            assert attendance is not None
            assert attendance.connections == 1
            assert attendance.report == REPORT
            heard_ns = attendance.heard_ns
        await port.until("listener_closes", "left")
        assert attendance.connections == 0
        assert attendance.heard_ns >= heard_ns

    async def test_listeners_are_scraped_by_zone(self, port: Port) -> None:
        async with port.connect(), port.connect("secret1") as connection:
            await greeted(connection)
            assert port.hub.listeners_by_zone() == {"a": 2}


class TestEndings:
    """Who goes, and what it is told."""

    async def test_a_revoked_speaker_is_told_and_closed(self, port: Port) -> None:
        async with port.connect() as connection:
            await greeted(connection)
            port.hub.revoke("s")
            assert await ended(connection) == expected(endings.REVOKED)
            await port.until("listener_closes", "revoked")

    async def test_a_lost_connection_is_counted(self, port: Port) -> None:
        connection = await greeted(await port.connect())
        connection.transport.abort()
        await port.until("listener_closes", "lost")
        assert len(port.hub) == 0

    async def test_nothing_is_written_after_the_peers_close(self, port: Port) -> None:
        """RFC 6455, section 5.5.1; and the pass over the others goes on."""
        async with port.connect("secret1") as other:
            await greeted(other)
            connection = await greeted(await port.connect())
            port.start()
            await connection.close()
            port.send(2)
            assert isinstance(await control(other), Programme)
            assert await audio(other) == [0]
            assert await audio(other) == [1]

    async def test_shutdown_spreads_the_returns(self) -> None:
        async with running() as port:
            connections = [
                await greeted(await port.connect(f"secret{n}")) for n in range(30)
            ]
            endings_told = asyncio.gather(*map(ended, connections))
            await asyncio.sleep(0)
        told = await endings_told
        assert {(code, reason) for _, code, reason in told} == {(1001, "shutdown")}
        hints = sorted(goodbye.retry_after_ms for goodbye, _, _ in told if goodbye)
        assert len(hints) == 30
        assert hints[0] == 1000
        assert hints[-1] == 1000 + 29 * 1000 // 300

    async def test_shutdown_waits_for_nobody_who_does_not_answer(self) -> None:
        started_ns = monotonic_ns()
        async with running() as port:
            half_open = socket.create_connection(("127.0.0.1", port.server.port))
            silent = await port.connect()
            await greeted(silent)
            silent.transport.pause_reading()
            await asyncio.sleep(0.05)
        assert monotonic_ns() - started_ns < 5_000_000_000
        half_open.close()
        silent.transport.abort()
        await silent.wait_closed()

    async def test_nothing_is_left_behind(self) -> None:
        def held() -> tuple[int, int]:
            return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())

        async def visit() -> None:
            async with running() as port:
                for n in range(10):
                    async with port.connect(f"secret{n}") as connection:
                        await greeted(connection)
                    with pytest.raises(InvalidStatus):
                        await port.connect("wrong")
                connection = await port.connect()
                connection.transport.abort()
                await connection.wait_closed()

        await visit()  # whatever is made once is made now
        gc.collect()
        before = held()
        for _ in range(3):
            await visit()
        gc.collect()
        assert held() == before


class TestStalledListener:
    """A peer that stops reading (NUMBERS.md, row 10)."""

    def stalling_socket(self, port: Port) -> socket.socket:
        """Join by hand, with a small receive buffer, and never read."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port.server.port))
        sock.sendall(
            b"GET /v1/listen HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Protocol: loacast.v1\r\n"
            b"Authorization: Bearer secret\r\n\r\n"
        )
        return sock

    async def test_is_skipped_bounded_and_recovers(self, port: Port) -> None:
        async with port.connect("secret1") as other:
            await greeted(other)
            port.start()
            sock = self.stalling_socket(port)
            await asyncio.sleep(0.1)
            (listener,) = [
                x for x in port.server._listeners if x.identity.speaker_id == "s"
            ]
            assert isinstance(await control(other), Programme)
            for number in range(150):
                port.send(payload=b"x" * 1200)
                assert await audio(other) == [number]
            assert port.metric("packets_skipped") > 0
            assert listener.unsent_bytes() < 64 * 1024
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            marker = b"the live edge"
            async with asyncio.timeout(1):
                received = b""
                while marker not in received:
                    port.send(payload=marker)
                    assert await audio(other)
                    received += await loop.sock_recv(sock, 1 << 20)
                    await asyncio.sleep(0.01)
            sock.close()

    async def test_is_closed_after_ten_seconds(
        self, port: Port, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("streamer.fanout.supply.STALL_LIMIT_NS", 200_000_000)
        port.start()
        sock = self.stalling_socket(port)
        await asyncio.sleep(0.1)
        for _ in range(300):
            port.send(payload=b"x" * 1200)
            await asyncio.sleep(0.002)
        assert len(port.hub) == 0
        await port.until("listener_closes", "stalled")
        sock.close()

    async def test_a_silent_listener_is_closed(
        self, port: Port, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("streamer.fanout.websocket.SILENCE_LIMIT_NS", 100_000_000)
        async with port.connect() as connection:
            await greeted(connection)
            assert await ended(connection) == expected(endings.SILENT)
