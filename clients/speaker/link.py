"""Keeps a speaker connected: connect, take over, come back (asyncio adapter).

Every decision about audio is the receiver's, every one about a second connection
`Standby`'s. Whatever the network or the server does ends in an attempt to connect
again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns

from clients.speaker.backoff import Backoff
from clients.speaker.conversation import Conversation
from clients.speaker.handshake import Address
from clients.speaker.mishaps import Mishap
from clients.speaker.receiver import Receiver
from clients.speaker.standby import DRAIN_NS, Standby
from streamer.media.clocksync import ClockSync
from streamer.wire.control import (
    Idle,
    ListenerMessage,
    ManifestChanged,
    Ordered,
    Pong,
    Programme,
    Receipt,
    ServerMessage,
    Settings,
    Welcome,
)
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)

LOOK_PERIOD_S = 0.25
"How long at most audio that is too old goes unnoticed."


@dataclass(slots=True)
class _Line:
    """A conversation and the task in which it lives."""

    conversation: Conversation
    task: asyncio.Task[Mishap] = field(init=False)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self.conversation.live(), name="connection")


class Link:
    """Keeps a speaker connected for as long as :meth:`run` runs.

    There is one line in service, the *leading* one. While it is suspect there may be
    a spare one; when that is welcomed it leads, and the former one is only listened
    to, until the new one brings what was missing.

    Args:
        address: Server and credential.
        receiver: Gets everything but the clock.
        clock: Is kept on the server's time.
        uniform: Randomness of the delays before connections.
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
        self._standby = Standby(uniform)
        self._leading: _Line | None = None
        self._spare: _Line | None = None
        self._former: _Line | None = None
        self._former_until_ns = 0
        self._retired: set[asyncio.Task[Mishap]] = set()
        self._audio_wanted = True
        self.welcome: Welcome | None = None
        "Who the server says we are, while connected."
        self.last_mishap: Mishap | None = None
        "Why the last connection failed or ended."
        self.connections = 0
        self.takeovers = 0
        "How often a second connection took over from one that was suspect."

    @property
    def connected(self) -> bool:
        """Whether the server has welcomed us and the connection stands."""
        return self.welcome is not None

    def want_audio(self, wanted: bool) -> None:
        """Have packets sent over this and later connections, or control alone."""
        self._audio_wanted = wanted
        if self._leading is not None:
            self._leading.conversation.want_audio(wanted)

    async def account_now(self) -> None:
        """Send the receipts that are owed, without waiting for their turn."""
        if self.connected and self._leading is not None:
            await self._leading.conversation.account_now()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled.

        Raises:
            websockets.exceptions.InvalidURI: The URL is not one of a WebSocket.
        """
        while True:
            mishap = await self._live()
            self.last_mishap = mishap
            delay_s = self._backoff.delay_s(
                hint_s=mishap.retry_after_s, refused=mishap.refused, path=mishap.path
            )
            _log.warning("%s; next attempt in %.1f s", mishap.text, delay_s)
            await asyncio.sleep(delay_s)

    async def _live(self) -> Mishap:
        """Be connected, over one line after another; return how the last one ended."""
        self._leading = self._open()
        try:
            while not self._leading.task.done():
                self._look(monotonic_ns())
                lines = [each.task for each in (self._leading, self._spare) if each]
                await asyncio.wait(
                    lines,
                    timeout=LOOK_PERIOD_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            return self._leading.task.result()
        finally:
            await self._close_all()
            if self.welcome is not None:
                self.welcome = None
                self._receiver.on_link_lost()

    def _open(self) -> _Line:
        return _Line(Conversation(self.address, self))

    async def _close_all(self) -> None:
        for line in (self._leading, self._spare, self._former):
            self._retire(line)
        self._leading = self._spare = self._former = None
        if self._retired:
            await asyncio.wait(self._retired)

    def _retire(self, line: _Line | None) -> None:
        """Let a line close in its own time."""
        if line is None:
            return
        line.task.cancel()
        self._retired.add(line.task)
        line.task.add_done_callback(self._retired.discard)

    # Make before break.

    def _look(self, now_ns: int) -> None:
        """Do what time has made due."""
        if self._former is not None and now_ns >= self._former_until_ns:
            self._part()
        if self._spare is not None and self._spare.task.done():
            self._give_up(self._spare.task.result(), now_ns)
        if self.welcome is None:
            return
        expecting = self._audio_wanted and self._receiver.expects_packets
        self._standby.expecting(expecting, now_ns=now_ns)
        if self._standby.asks(now_ns=now_ns) and self._leading is not None:
            self._leading.conversation.nudge()
        if self._spare is None and self._standby.wants_another(now_ns=now_ns):
            _log.warning("the connection is silent; opening another one beside it")
            self._spare = self._open()

    def _give_up(self, mishap: Mishap, now_ns: int) -> None:
        self._spare, self.last_mishap = None, mishap
        self._standby.failed(
            now_ns=now_ns,
            hint_s=mishap.retry_after_s,
            refused=mishap.refused,
            path=mishap.path,
        )
        _log.warning("the second connection failed: %s", mishap.text)

    def _take_over(self) -> None:
        """Obey the spare line from now on, and only listen to the former."""
        self._part()
        self._former, self._leading, self._spare = self._leading, self._spare, None
        if self._former is not None:
            self._former.conversation.relieve()
        self._former_until_ns = monotonic_ns() + DRAIN_NS
        self.takeovers += 1
        self._receiver.on_link_changed()
        _log.warning("another connection has taken over")

    def _part(self) -> None:
        """Close the former line: the leading one does what is to be done."""
        former, self._former = self._former, None
        self._retire(former)

    # What the lines bring.

    @property
    def synchronised(self) -> bool:
        """Whether the server's clock is known."""
        return self._clock.synchronised

    @property
    def clock_jitter_ns(self) -> int:
        """How much an exchange of the clock commonly errs."""
        return self._clock.jitter_ns

    def reports(self) -> list[ListenerMessage]:
        """Return what is to be told every 10 s."""
        return [self._receiver.report(), self._receiver.health()]

    def next_receipt(self, now_us: int) -> Receipt | None:
        """Account for a broadcast."""
        return self._receiver.next_receipt(now_us)

    def on_asked(self, conversation: Conversation) -> None:
        """A ping was sent."""
        if self._leads(conversation):
            self._standby.asked(now_ns=monotonic_ns())

    def on_packet(self, conversation: Conversation, rtp: RtpPacket) -> None:
        """Keep a packet until its time, whichever line brings it."""
        if self._leads(conversation):
            self._standby.packet(now_ns=monotonic_ns())
            self._part()
        self._receiver.on_packet(rtp)

    def on_message(
        self, conversation: Conversation, message: ServerMessage, received_ns: int
    ) -> None:
        """Obey the leading line; a spare one that is welcomed leads."""
        if isinstance(message, Pong):
            self._on_pong(conversation, message, received_ns)
        elif isinstance(message, Welcome):
            self._on_welcome(conversation, message)
        elif self._leads(conversation):
            self._standby.message(now_ns=monotonic_ns())
            self._obey(message)

    def _obey(self, message: ServerMessage) -> None:
        match message:
            case Settings():
                self._receiver.on_settings(message)
            case Programme():
                self._receiver.on_programme(message)
            case Idle():
                self._receiver.on_idle(message)
            case ManifestChanged():
                self._receiver.on_manifest_changed(message)
            case Ordered():
                self._receiver.on_order(message)

    def _leads(self, conversation: Conversation) -> bool:
        return self._leading is not None and self._leading.conversation is conversation

    def _on_welcome(self, conversation: Conversation, welcome: Welcome) -> None:
        fresh = self.welcome is None
        if self._spare is not None and self._spare.conversation is conversation:
            self._take_over()
            fresh = True
        if not self._leads(conversation):
            return  # of a line that was relieved
        if fresh:
            self.connections += 1
            self._backoff.succeeded()
            self._standby.began(now_ns=monotonic_ns())
            conversation.lead(audio_wanted=self._audio_wanted)
            _log.info("connected as %s, zone %s", welcome.speaker, welcome.zone)
        self._backoff.told(welcome.return_spread_ms)
        self._standby.told(welcome.return_spread_ms)
        self.welcome = welcome
        self._receiver.on_welcome(welcome)

    def _on_pong(
        self, conversation: Conversation, pong: Pong, received_ns: int
    ) -> None:
        self._clock.add(
            pong.sent_us * 1000,
            pong.received_us * 1000,
            pong.transmitted_us * 1000,
            received_ns,
        )
        if self._leads(conversation):
            self._standby.answered(now_ns=monotonic_ns())
            if not self._receiver.expects_packets:
                self._part()
            # Of what was sent over another line a pong says nothing.
            self._receiver.on_pong(pong.sent_us)
