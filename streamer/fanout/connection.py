"""One speaker's WebSocket connection, as a `Listener`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from streamer.fanout.endings import FLOOD, Ending
from streamer.fanout.frames import text_frame
from streamer.fanout.listener import ListenerIdentity
from streamer.fanout.presence import Attendance
from streamer.fanout.ratelimit import TokenBucket
from streamer.wire.control import Goodbye, Report, serialize
from streamer.wire.health import Health

CLOSE_TIMEOUT_S = 3
MAX_UNSENT_BYTES = 256 * 1024  # far above any burst: the peer pings and never reads
MESSAGES_BURST, MESSAGES_PER_SECOND = 40, 20
BYTES_BURST, BYTES_PER_SECOND = 65_536, 8_192


class ListenerConnection(ServerConnection):
    """Tells its listener when bytes come in, and at once when it is no longer open.

    After a close frame no data may follow (RFC 6455, section 5.5.1), so the hub has
    to know in the very iteration in which the peer's arrives.
    """

    identity: ListenerIdentity
    ptime_ms: int
    refusal = "handshake"
    "Why the handshake was refused, if it was; label of the metric."
    listener: WebSocketListener | None = None
    take: Callable[[str | bytes], None] | None = None
    "Gets whole messages as they come in; before it is set they wait to be received."

    def data_received(self, data: bytes) -> None:
        """Stamp the arrival, then let the protocol read."""
        if self.listener is not None:
            self.listener.on_bytes(len(data))
        super().data_received(data)
        self._look()

    def process_event(self, event: Event) -> None:
        """Hand on a message at once; a queue and a task per message cost twice that.

        Fragments are left to the library, and so is what is no UTF-8: it closes then.
        """
        if self.take is not None and isinstance(event, Frame) and event.fin:
            if event.opcode is Opcode.TEXT:
                with suppress(UnicodeDecodeError):
                    return self.take(bytes(event.data).decode())
            elif event.opcode is Opcode.BINARY:
                return self.take(bytes(event.data))
        return super().process_event(event)

    def eof_received(self) -> None:
        """Tell the listener."""
        super().eof_received()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the listener."""
        super().connection_lost(exc)
        self._look()

    def _look(self) -> None:
        if self.listener is not None and self.state is not State.OPEN:
            self.listener.on_closing()


class WebSocketListener:
    """A `Listener` over an open connection.

    Args:
        connection: After its handshake.
        attendance: Where signs of life are noted.
        clock_ns: The server's media clock.
        forget: Called once nothing may be written any more.
        queued: Called when the transport may hold what the hub did not write.
    """

    __slots__ = (
        "_attendance",
        "_bytes",
        "_clock_ns",
        "_connection",
        "_forget",
        "_messages",
        "_queued",
        "_shutting",
        "descriptor",
        "ending",
        "identity",
        "ptime_ms",
        "received_ns",
        "unsent_bytes",
        "write",
    )

    def __init__(
        self,
        connection: ListenerConnection,
        *,
        attendance: Attendance,
        clock_ns: Callable[[], int],
        forget: Callable[[WebSocketListener], None],
        queued: Callable[[WebSocketListener], None],
    ) -> None:
        self.identity = connection.identity
        self.ptime_ms = connection.ptime_ms
        self.write = connection.transport.write
        self.unsent_bytes = connection.transport.get_write_buffer_size
        self.descriptor = _descriptor(connection.transport)
        self.received_ns = now_ns = clock_ns()
        "Instant at which the last bytes arrived."
        self.ending: Ending | None = None
        "Why the server ended it, if it did."
        self._connection = connection
        self._attendance = attendance
        self._clock_ns = clock_ns
        self._forget = forget
        self._queued = queued
        self._messages = TokenBucket(MESSAGES_BURST, MESSAGES_PER_SECOND, now_ns=now_ns)
        self._bytes = TokenBucket(BYTES_BURST, BYTES_PER_SECOND, now_ns=now_ns)
        self._shutting: asyncio.Task[None] | None = None

    def on_bytes(self, count: int) -> None:
        """Note a sign of life; end a flood, also one of WebSocket pings."""
        self.received_ns = self._attendance.heard_ns = self._clock_ns()
        self._queued(self)  # the library answers pings by itself
        if (
            not self._bytes.spend(count, now_ns=self.received_ns)
            or self.unsent_bytes() > MAX_UNSENT_BYTES
        ):
            self.close(FLOOD)

    def note(self, message: Report | Health) -> None:
        """Keep what the speaker said last of itself."""
        if isinstance(message, Report):
            self._attendance.report = message
            self._attendance.report_ns = self.received_ns
        else:
            self._attendance.health = message
            self._attendance.health_ns = self.received_ns

    def on_closing(self) -> None:
        """Note that nothing may be written any more."""
        self._forget(self)

    def may_speak(self) -> bool:
        """Count a control message; return whether there were too many."""
        return self._messages.spend(1, now_ns=self.received_ns)

    def close(self, ending: Ending) -> None:
        """Say goodbye and close in the background; idempotent."""
        if self.ending is not None:
            return
        self.ending = ending
        self._forget(self)
        if self._connection.state is State.OPEN:
            goodbye = Goodbye(ending.reason, ending.retry_after_ms)
            self.write(text_frame(serialize(goodbye)))
        self._shutting = asyncio.create_task(self._shut(ending))

    async def closed(self) -> None:
        """Wait until the server's own closing, if it began one, is over."""
        if self._shutting is not None:
            await self._shutting

    async def _shut(self, ending: Ending) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close(ending.code, ending.reason)
        except TimeoutError:
            pass  # the peer does not read
        finally:
            self._connection.transport.abort()

    def count_end(self) -> str:
        """Return why the connection ended, as the metric's label."""
        self._attendance.connections -= 1
        if self.ending is not None:
            return self.ending.reason
        sent = self._connection.protocol.close_sent
        return "lost" if sent is None else _REASONS.get(sent.code, "left")


# What the library closes with by itself (RFC 6455, section 7.4.1); else it echoes
# the peer's close.
_REASONS = {1002: "protocol", 1007: "malformed", 1009: "too_big"}


def _descriptor(transport: asyncio.BaseTransport) -> int | None:
    """Return the socket's number; the loops close it after `connection_lost` only."""
    if transport.get_extra_info("sslcontext") is not None:
        return None
    number: int = transport.get_extra_info("socket").fileno()
    return number
