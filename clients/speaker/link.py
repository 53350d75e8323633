"""The WebSocket to the server: connect, listen, ask for the clock, report, come back.

Adapter: every decision about audio is the receiver's. Whatever the network or the
server does ends in an attempt to connect again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic_ns
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.typing import Data, Subprotocol

from clients.speaker.backoff import Backoff
from clients.speaker.mishaps import Mishap, explain
from clients.speaker.receiver import Receiver
from streamer.media.clocksync import ClockSync
from streamer.wire.control import (
    SUBPROTOCOL,
    Audio,
    Goodbye,
    Idle,
    Ping,
    Pong,
    Programme,
    Settings,
    UnknownMessageError,
    Welcome,
    parse_from_server,
    serialize,
)
from streamer.wire.errors import RemoteWireError
from streamer.wire.framing import split
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 3.0
SILENCE_LIMIT_S = 22.0
"A server that answers no ping for so long is dead, whatever TCP believes."
PING_PERIOD_S = 10.0
REPORT_PERIOD_S = 10.0
RECEIPT_PERIOD_S = 1.0
"How long at most a broadcast that ended goes unaccounted for."
QUICK_PINGS = 10
QUICK_PERIOD_S = 0.025
SEARCH_PERIOD_S = 0.25
"Between pings while the burst was not enough; the server allows 20 a second."
_MAX_MESSAGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Address:
    """Which server, and who we are to it."""

    url: str
    "Such as ``wss://host:8081/v1/listen``."
    credential: str
    ptime_ms: int = 20

    def __repr__(self) -> str:
        return f"Address({self.url!r}, ptime_ms={self.ptime_ms})"  # no secrets

    @property
    def full_url(self) -> str:
        """The URL with the packet time asked for."""
        parts = urlsplit(self.url)
        asked = urlencode({"ptime_ms": self.ptime_ms})
        query = f"{parts.query}&{asked}" if parts.query else asked
        return urlunsplit(parts._replace(query=query))


class _Connection(ClientConnection):
    """Knows when the last bytes arrived, whatever the loop was doing meanwhile."""

    received_ns = 0

    def data_received(self, data: bytes) -> None:
        self.received_ns = monotonic_ns()
        super().data_received(data)


class Link:
    """Keeps a speaker connected for as long as :meth:`run` runs.

    Args:
        address: Server and credential.
        receiver: Gets everything but the clock.
        clock: Is kept on the server's time.
        uniform: Randomness of the reconnection delays.
    """

    def __init__(
        self,
        address: Address,
        receiver: Receiver,
        clock: ClockSync,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.address = address
        self._receiver = receiver
        self._clock = clock
        self._backoff = Backoff(uniform)
        self._goodbye: Goodbye | None = None
        self._fault: Exception | None = None  # of a task beside the listening one
        self._answered_ns = 0
        self._audio_wanted = True
        self._audio_changed = asyncio.Event()
        self.welcome: Welcome | None = None
        "Who the server says we are, while connected."
        self.last_mishap: Mishap | None = None
        "Why the last connection failed or ended."
        self.connections = 0
        self.malformed_messages = 0

    @property
    def connected(self) -> bool:
        """Whether the server has welcomed us and the connection stands."""
        return self.welcome is not None

    def want_audio(self, wanted: bool) -> None:
        """Have packets sent over this and later connections, or control alone."""
        self._audio_wanted = wanted
        self._audio_changed.set()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled.

        Raises:
            websockets.exceptions.InvalidURI: The URL is not one of a WebSocket.
        """
        while True:
            mishap = await self._live()
            self.last_mishap = mishap
            delay_s = self._backoff.delay_s(
                hint_s=mishap.retry_after_s, refused=mishap.refused
            )
            _log.warning("%s; next attempt in %.1f s", mishap.text, delay_s)
            await asyncio.sleep(delay_s)

    async def _live(self) -> Mishap:
        """Live through one connection; return how it ended."""
        self._goodbye = self._fault = None
        try:
            async with self._connect() as connection:
                if connection.subprotocol != SUBPROTOCOL:
                    return Mishap(f"the server does not speak {SUBPROTOCOL}", True)
                await self._listen(connection)
        except InvalidURI:
            raise  # no waiting mends it
        except (OSError, WebSocketException) as error:
            return self._farewell() or explain(error)
        except Exception as error:
            # A bug must not silence a pole for good: say so, and connect again.
            _log.exception("the connection ended by a fault of ours")
            return explain(error)
        finally:
            if self.welcome is not None:
                self.welcome = None
                self._receiver.on_link_lost()
        return self._farewell() or Mishap("the server closed the connection")

    def _connect(self) -> connect:
        return connect(
            self.address.full_url,
            additional_headers={"Authorization": f"Bearer {self.address.credential}"},
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,  # Opus does not compress, and frames are shared
            open_timeout=CONNECT_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,  # our own pings carry the clock
            max_size=_MAX_MESSAGE_BYTES,
            create_connection=_Connection,
        )

    def _farewell(self) -> Mishap | None:
        """Return why it ended, if we or the server said so before."""
        if self._fault is not None:
            return explain(self._fault)
        if self._goodbye is None:
            return None
        text = f"the server said goodbye: {self._goodbye.reason[:80]}"
        return Mishap(text, retry_after_s=self._goodbye.retry_after_ms / 1000)

    async def _listen(self, connection: ClientConnection) -> None:
        assert isinstance(connection, _Connection)  # we asked for it
        self._answered_ns = monotonic_ns()
        tasks = [
            asyncio.create_task(self._ask(connection), name="link clock"),
            asyncio.create_task(self._report(connection), name="link report"),
            asyncio.create_task(self._account(connection), name="link receipts"),
            asyncio.create_task(self._tell(connection), name="link audio"),
        ]
        for task in tasks:
            task.add_done_callback(partial(self._end_with, connection))
        try:
            async for message in connection:
                self._take(message, connection.received_ns)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _ask(self, connection: ClientConnection) -> None:
        """Ask for the clock until the server no longer answers."""
        count = 0
        while monotonic_ns() - self._answered_ns < SILENCE_LIMIT_S * 1e9:
            await _send(connection, serialize(Ping(monotonic_ns() // 1000)))
            count += 1
            await asyncio.sleep(self._ping_period_s(count))
        raise TimeoutError("no pong")

    def _ping_period_s(self, count: int) -> float:
        if count < QUICK_PINGS:
            return QUICK_PERIOD_S
        return PING_PERIOD_S if self._clock.synchronised else SEARCH_PERIOD_S

    def _end_with(self, connection: ClientConnection, task: asyncio.Task[None]) -> None:
        """A task that ended by itself takes the connection with it."""
        if not task.cancelled():
            error = task.exception()
            self._fault = error if isinstance(error, Exception) else None
            connection.transport.abort()

    async def _report(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(REPORT_PERIOD_S)
            await _send(connection, serialize(self._receiver.report()))

    async def _account(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(RECEIPT_PERIOD_S)
            # One by one: a receipt and a ping leave in the order of their instants.
            while receipt := self._receiver.next_receipt(monotonic_ns() // 1000):
                await _send(connection, serialize(receipt))

    async def _tell(self, connection: ClientConnection) -> None:
        """Tell the server whenever it believes other than what is wanted."""
        told = True
        while True:
            self._audio_changed.clear()
            if (wanted := self._audio_wanted) is not told:
                await _send(connection, serialize(Audio(wanted)))
                told = wanted
            await self._audio_changed.wait()

    def _take(self, message: Data, received_ns: int) -> None:
        try:
            if isinstance(message, str):
                self._obey(message, received_ns)
            else:
                for packet in split(message):
                    self._receiver.on_packet(RtpPacket.parse(packet))
        except UnknownMessageError as error:
            _log.debug("skipped: %s", error)  # of a later version
        except RemoteWireError as error:
            self.malformed_messages += 1
            _log.warning("the server sent what FORMAT.md does not allow: %s", error)

    def _obey(self, text: str, received_ns: int) -> None:
        match parse_from_server(text):
            case Welcome() as welcome:
                self._on_welcome(welcome)
            case Settings() as settings:
                self._receiver.on_settings(settings)
            case Programme() as programme:
                self._receiver.on_programme(programme)
            case Idle() as idle:
                self._receiver.on_idle(idle)
            case Pong() as pong:
                self._on_pong(pong, received_ns)
            case Goodbye() as goodbye:
                self._goodbye = goodbye

    def _on_welcome(self, welcome: Welcome) -> None:
        self.welcome = welcome
        self.connections += 1
        self._backoff.succeeded()
        _log.info("connected as %s, zone %s", welcome.speaker, welcome.zone)
        self._receiver.on_welcome(welcome)

    def _on_pong(self, pong: Pong, received_ns: int) -> None:
        self._answered_ns = monotonic_ns()
        self._clock.add(
            pong.sent_us * 1000,
            pong.received_us * 1000,
            pong.transmitted_us * 1000,
            received_ns,
        )
        self._receiver.on_pong(pong.sent_us)


async def _send(connection: ClientConnection, text: str) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await connection.send(text)
