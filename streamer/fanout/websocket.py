"""The speakers' stream port: handshake, control messages, orderly ends.

What is sent to whom is the hub's business; FORMAT.md has the messages.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from time import monotonic_ns
from typing import Any, Self, cast
from urllib.parse import urlsplit
from weakref import WeakSet

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Data, Subprotocol

from streamer.fanout import endings
from streamer.fanout.connection import (
    CLOSE_TIMEOUT_S,
    ListenerConnection,
    WebSocketListener,
)
from streamer.fanout.delivery import TRANSPORT
from streamer.fanout.directory import Directory
from streamer.fanout.endings import Ending
from streamer.fanout.frames import text_frame
from streamer.fanout.handshake import PATH, REFUSALS, credential_of, ptime_ms_of
from streamer.fanout.hub import Hub
from streamer.fanout.listener import ListenerIdentity
from streamer.fanout.presence import Presence
from streamer.metrics import Metrics
from streamer.wire.control import (
    MAX_CONTROL_BYTES,
    SUBPROTOCOL,
    Audio,
    ListenerMessage,
    Ping,
    Pong,
    Receipt,
    Report,
    UnknownMessageError,
    parse_from_listener,
    serialize,
)
from streamer.wire.errors import RemoteWireError
from streamer.wire.health import Health

BACKLOG = 4096  # a province's speakers come back within a second
SILENCE_LIMIT_NS = 28_000_000_000
TEND_S = 1

# Accepted sockets inherit these from the listening one (tcp(7), Linux).
_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    # Unsent bytes the kernel takes before it says "full": 0.8 s at 32 kb/s. The last
    # message goes beyond (all that fits its last buffer where there is no ring).
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 3584),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000),
    # Fixed, so that the kernel's autotuning does not grow it to megabytes.
    (socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen, and for how many."""

    host: str
    port: int
    "0 for any free one."
    max_listeners: int = 10_000


class WebSocketServer:
    """Admits speakers to *hub* while it is entered.

    Args:
        hub: Gets every listener.
        directory: Knows the credentials.
        endpoint: Where to listen.
        metrics: Where joins, refusals and ends are counted.
        on_report: Called with the speaker's identifier and each report.
        on_receipt: Called with who and where the speaker is now, and each receipt.
        clock_ns: The server's media clock, the one of pongs.
    """

    def __init__(
        self,
        hub: Hub,
        directory: Directory,
        endpoint: Endpoint,
        *,
        metrics: Metrics,
        on_report: Callable[[str, Report], None] = lambda *_: None,
        on_receipt: Callable[[ListenerIdentity, Receipt], None] = lambda *_: None,
        clock_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self.presence = Presence()
        self.port = endpoint.port
        "The bound port, once entered."
        self._hub = hub
        self._directory = directory
        self._endpoint = endpoint
        self._metrics = metrics
        self._on_report = on_report
        self._on_receipt = on_receipt
        self._clock_ns = clock_ns
        self._listeners: dict[WebSocketListener, None] = {}
        self._opening: WeakSet[ListenerConnection] = WeakSet()
        self._leaving = False
        self._server: Server | None = None
        self._tending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        sock = _listening_socket(self._endpoint)
        self.port = sock.getsockname()[1]
        self._server = await serve(
            self._listen,
            sock=sock,
            backlog=BACKLOG,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,  # frames are shared, so they must not differ
            process_request=self._admit,
            process_response=self._count_refusal,
            server_header=None,
            ping_interval=None,  # the listener pings; see SILENCE_LIMIT_NS
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_CONTROL_BYTES,
            max_queue=4,
            # The hub does its own flow control and never waits for a drain.
            write_limit=2**20,
            create_connection=cast("type[ServerConnection]", self._connect),
        )
        self._tending = asyncio.create_task(self._tend(), name="stream port")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._tending is not None
        self._leaving = True
        self._tending.cancel()
        self._server.close(close_connections=False)
        for connection in self._opening:
            connection.transport.abort()
        # Each is told another time to come back, so that they do not come at once.
        for number, listener in enumerate(tuple(self._listeners)):
            listener.close(endings.shutdown(number))
        await asyncio.wait([self._tending])
        await self._server.wait_closed()

    # The handshake.

    def _connect(self, *args: Any, **options: Any) -> ListenerConnection:
        connection = ListenerConnection(*args, **options)
        self._opening.add(connection)
        return connection

    def _admit(self, plain: ServerConnection, request: Request) -> Response | None:
        """Return why not, or None."""
        connection = cast("ListenerConnection", plain)
        url = urlsplit(request.path)
        if url.path != PATH:
            return _refuse(connection, "path", HTTPStatus.NOT_FOUND)
        identity = self._directory.authenticate(credential_of(request.headers))
        if identity is None:
            response = _refuse(connection, "credential", HTTPStatus.UNAUTHORIZED)
            response.headers["WWW-Authenticate"] = "Bearer"  # RFC 6750, section 3
            return response
        ptime_ms = ptime_ms_of(url.query)
        if ptime_ms is None:
            return _refuse(connection, "ptime", HTTPStatus.BAD_REQUEST)
        if len(self._hub) >= self._endpoint.max_listeners:
            response = _refuse(connection, "full", HTTPStatus.SERVICE_UNAVAILABLE)
            response.headers["Retry-After"] = "60"  # RFC 9110, section 10.2.3
            return response
        connection.identity, connection.ptime_ms = identity, ptime_ms
        return None

    def _count_refusal(
        self, plain: ServerConnection, _: Request, response: Response
    ) -> None:
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            refusal = cast("ListenerConnection", plain).refusal
            self._metrics.rejections.labels(TRANSPORT, refusal).inc()

    # The connection.

    async def _listen(self, plain: ServerConnection) -> None:
        connection = cast("ListenerConnection", plain)
        self._opening.discard(connection)
        listener = self._enter(connection)
        if self._leaving:
            listener.close(endings.SHUTDOWN)
        try:
            connection.take = partial(self._receive, listener)
            async for message in connection:  # fragmented ones, and early ones
                self._receive(listener, message)
        except ConnectionClosed:
            pass  # counted below
        finally:
            self._hub.remove(listener)
            del self._listeners[listener]
            await listener.closed()
            self._metrics.closes.labels(TRANSPORT, listener.count_end()).inc()

    def _enter(self, connection: ListenerConnection) -> WebSocketListener:
        speaker_id = connection.identity.speaker_id
        attendance = self.presence.came(speaker_id, now_ns=self._clock_ns())
        listener = connection.listener = WebSocketListener(
            connection,
            attendance=attendance,
            clock_ns=self._clock_ns,
            forget=self._hub.remove,
            queued=self._hub.queued,
        )
        self._listeners[listener] = None
        self._metrics.joins.labels(TRANSPORT).inc()
        self._hub.add(listener)
        return listener

    def _receive(self, listener: WebSocketListener, message: Data) -> None:
        if listener.ending is None:
            ending = self._take(listener, message)
            if ending is not None:
                listener.close(ending)

    def _take(self, listener: WebSocketListener, message: Data) -> Ending | None:
        """Act on what a listener sent; return why to end it, if so."""
        if not listener.may_speak():
            return endings.FLOOD
        if not isinstance(message, str):
            return endings.BINARY
        try:
            parsed = parse_from_listener(message)
        except UnknownMessageError:
            self._metrics.unknown_messages.labels(TRANSPORT).inc()
            return None
        except RemoteWireError:
            return endings.MALFORMED
        self._obey(listener, parsed)
        return None

    def _obey(self, listener: WebSocketListener, message: ListenerMessage) -> None:
        match message:
            case Ping():
                self._answer(listener, message)
            case Audio():
                self._hub.set_audio(listener, enabled=message.enabled)
            case Report():
                listener.note(message)
                self._on_report(listener.identity.speaker_id, message)
            case Health():
                listener.note(message)
            case Receipt():
                self._on_receipt(self._hub.identity_of(listener), message)

    def _answer(self, listener: WebSocketListener, ping: Ping) -> None:
        pong = Pong(
            sent_us=ping.sent_us,
            received_us=listener.received_ns // 1000,
            transmitted_us=self._clock_ns() // 1000,
        )
        self._hub.reply(listener, text_frame(serialize(pong)))

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            self._hub.tend()
            oldest_ns = self._clock_ns() - SILENCE_LIMIT_NS
            for listener in tuple(self._listeners):
                if listener.received_ns < oldest_ns:
                    listener.close(endings.SILENT)


def _listening_socket(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    sock = socket.create_server(
        (endpoint.host, endpoint.port), family=family, backlog=BACKLOG
    )
    for level, option, value in _SOCKET_OPTIONS:
        sock.setsockopt(level, option, value)
    return sock


def _refuse(
    connection: ListenerConnection, reason: str, status: HTTPStatus
) -> Response:
    connection.refusal = reason
    return connection.respond(status, REFUSALS[reason] + "\n")
