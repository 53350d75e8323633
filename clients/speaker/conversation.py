"""One WebSocket to the server, from the handshake to its end (asyncio adapter).

It asks for the clock, reports, accounts and hands on what comes; whether to have
another one, and when, is the link's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from time import monotonic_ns
from typing import Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.typing import Data

from clients.speaker.handshake import Address, StampedConnection, open_socket
from clients.speaker.mishaps import Mishap, explain, farewell
from streamer.wire.control import (
    SUBPROTOCOL,
    Audio,
    Goodbye,
    ListenerMessage,
    Ping,
    Pong,
    ServerMessage,
    UnknownMessageError,
    parse_from_server,
    serialize,
)
from streamer.wire.errors import RemoteWireError
from streamer.wire.framing import split
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)

SEND_TIMEOUT_S = 10.0
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
LEARN_PERIOD_S = 2.0
"Behind a jittery link, where only a mean of many exchanges tells the time."
LEARN_PINGS = 30
"So many of these: a minute. For ever they would cost a SIM 400 MB a month."
JITTERY_NS = 5_000_000
"Neighbours that err by more are heard apart: the bar is 20 ms (NUMBERS.md, row 13)."


class Owner(Protocol):
    """What a conversation is led for; called on the event loop."""

    @property
    def synchronised(self) -> bool:
        """Whether the server's clock is known: else it is asked for often."""
        ...

    @property
    def clock_jitter_ns(self) -> int:
        """How much an exchange of the clock commonly errs."""
        ...

    def on_message(
        self, conversation: Conversation, message: ServerMessage, received_ns: int
    ) -> None:
        """Obey; goodbyes are the conversation's own."""
        ...

    def on_packet(self, conversation: Conversation, rtp: RtpPacket) -> None:
        """Keep a packet until its time."""
        ...

    def on_asked(self, conversation: Conversation) -> None:
        """A ping was sent."""
        ...

    def reports(self) -> list[ListenerMessage]:
        """Return what is to be told every 10 s."""
        ...

    def next_receipt(self, now_us: int) -> ListenerMessage | None:
        """Account for a broadcast, in a message that is sent at *now_us* (ours)."""
        ...


class Conversation:
    """Runs one connection, in a task of the link's.

    Args:
        address: Server and credential.
        owner: Gets what comes.
    """

    def __init__(self, address: Address, owner: Owner) -> None:
        self._address = address
        self._owner = owner
        self._connection: StampedConnection | None = None
        self._goodbye: Goodbye | None = None
        self._fault: Exception | None = None  # of a task beside the listening one
        self._answered_ns = 0
        self._audio_wanted = True
        self._audio_changed = asyncio.Event()
        self._nudged = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.malformed_messages = 0

    def lead(self, *, audio_wanted: bool) -> None:
        """Be the one that reports, accounts and says whether packets are wanted."""
        assert self._connection is not None  # welcomed over it
        self.want_audio(audio_wanted)
        for work in (self._report, self._account, self._tell):
            self._spawn(work(self._connection))

    def relieve(self) -> None:
        """Say nothing any more, only listen."""
        for task in self._tasks:
            task.cancel()

    def want_audio(self, wanted: bool) -> None:
        """Have packets sent, or control alone."""
        self._audio_wanted = wanted
        self._audio_changed.set()

    def nudge(self) -> None:
        """Ask the server for a sign of life at once."""
        self._nudged.set()

    async def account_now(self) -> None:
        """Send every receipt that is owed."""
        if self._connection is not None:
            await self._send_receipts(self._connection)

    async def live(self) -> Mishap:
        """Live through the connection; return how it ended.

        Raises:
            websockets.exceptions.InvalidURI: The URL is not one of a WebSocket.
        """
        try:
            async with open_socket(self._address) as connection:
                if connection.subprotocol != SUBPROTOCOL:
                    return Mishap(f"the server does not speak {SUBPROTOCOL}", True)
                try:
                    await self._listen(connection)
                except asyncio.CancelledError:
                    await connection.close()  # 1000: we leave, nothing is wrong
                    raise
        except InvalidURI:
            raise  # no waiting mends it
        except (OSError, WebSocketException) as error:
            return self._farewell() or explain(error)
        except Exception as error:
            # A bug must not silence a pole for good: say so, and connect again.
            _log.exception("the connection ended by a fault of ours")
            return explain(error)
        return self._farewell() or Mishap("the server closed the connection")

    def _farewell(self) -> Mishap | None:
        """Return why it ended, if we or the server said so before."""
        if self._fault is not None:
            return explain(self._fault)
        return None if self._goodbye is None else farewell(self._goodbye)

    async def _listen(self, connection: ClientConnection) -> None:
        assert isinstance(connection, StampedConnection)  # we asked for it
        self._connection = connection
        self._answered_ns = monotonic_ns()
        self._spawn(self._ask(connection))
        try:
            async for message in connection:
                self._take(message, connection.received_ns)
        finally:
            self._connection = None
            self.relieve()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        assert self._connection is not None  # only called while there is one
        task = asyncio.create_task(work, name="link")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(self._end_with, self._connection))

    def _end_with(self, connection: ClientConnection, task: asyncio.Task[None]) -> None:
        """A task that ended by itself takes the connection with it."""
        if not task.cancelled():
            error = task.exception()
            self._fault = error if isinstance(error, Exception) else None
            connection.transport.abort()

    async def _ask(self, connection: ClientConnection) -> None:
        """Ask for the clock until the server no longer answers."""
        count = 0
        while monotonic_ns() - self._answered_ns < SILENCE_LIMIT_S * 1e9:
            await _send(connection, serialize(Ping(monotonic_ns() // 1000)))
            self._owner.on_asked(self)
            count += 1
            owner = self._owner
            period_s = ping_period_s(
                count, synchronised=owner.synchronised, jitter_ns=owner.clock_jitter_ns
            )
            await _pause(self._nudged, period_s)
        raise TimeoutError("no pong")

    async def _report(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(REPORT_PERIOD_S)
            for message in self._owner.reports():
                await _send(connection, serialize(message))

    async def _account(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(RECEIPT_PERIOD_S)
            await self._send_receipts(connection)

    async def _send_receipts(self, connection: ClientConnection) -> None:
        # One by one: a receipt and a ping leave in the order of their instants.
        while receipt := self._owner.next_receipt(monotonic_ns() // 1000):
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
                self._obey(parse_from_server(message), received_ns)
            else:
                for packet in split(message):
                    self._owner.on_packet(self, RtpPacket.parse(packet))
        except UnknownMessageError as error:
            _log.debug("skipped: %s", error)  # of a later version
        except RemoteWireError as error:
            self.malformed_messages += 1
            _log.warning("the server sent what FORMAT.md does not allow: %s", error)

    def _obey(self, message: ServerMessage, received_ns: int) -> None:
        match message:
            case Goodbye():
                self._goodbye = message
                return
            case Pong():
                self._answered_ns = monotonic_ns()
        self._owner.on_message(self, message, received_ns)


async def _pause(cut_short: asyncio.Event, seconds: float) -> None:
    cut_short.clear()
    try:
        async with asyncio.timeout(seconds):
            await cut_short.wait()
    except TimeoutError:
        pass


async def _send(connection: ClientConnection, text: str) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await connection.send(text)


def ping_period_s(pings: int, *, synchronised: bool, jitter_ns: int) -> float:
    """Return how long after so many *pings* of a connection the next one is due."""
    if pings < QUICK_PINGS:
        return QUICK_PERIOD_S
    if not synchronised:
        return SEARCH_PERIOD_S
    learning = jitter_ns > JITTERY_NS and pings < QUICK_PINGS + LEARN_PINGS
    return LEARN_PERIOD_S if learning else PING_PERIOD_S
