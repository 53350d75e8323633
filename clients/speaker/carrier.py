"""Brings audio over WebRTC while the policy wants it (asyncio adapter)."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import Protocol

from clients.speaker.backoff import Backoff
from clients.speaker.mishaps import Mishap, explain
from clients.speaker.missing import Missing
from clients.speaker.placing import Placed, distances, place
from clients.speaker.policy import Transport, TransportPolicy
from clients.speaker.session import OpenSession, Session
from clients.speaker.whep import WhepAddress, WhepError
from streamer.media.clocksync import ClockSync
from streamer.media.frame import ns_to_samples
from streamer.wire.errors import RemoteWireError
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)

RETRY_BASE_S, RETRY_CAP_S = 60.0, 600.0
"Where UDP is blocked it will be for a while."
LOOK_INTERVAL_S = 0.25
"How long at most a clock that became known, or an end on air, goes unnoticed."


class Surroundings(Protocol):
    """What the carrier sees and moves; called on the event loop."""

    @property
    def whep(self) -> WhepAddress | None:
        """Where the server takes offers; None: nowhere, or there is no link."""
        ...

    @property
    def expects_packets(self) -> bool:
        """Whether a programme is on air."""
        ...

    @property
    def playout_delay_ms(self) -> int:
        """D."""
        ...

    def on_placed(self, placed: Placed) -> bool:
        """Keep a packet; return whether it is of what is on air."""
        ...

    def want_audio(self, wanted: bool) -> None:
        """Have the server send packets over the WebSocket, or not."""
        ...

    def on_starved(self) -> None:
        """Nothing brings audio, nor will until the link is back."""
        ...


class Carrier:
    """Opens sessions, hands their packets on, says when the WebSocket must help.

    Args:
        policy: Decides.
        clock: The server's, as the link keeps it.
        surroundings: The speaker.
        open_session: Makes a session.
    """

    def __init__(
        self,
        policy: TransportPolicy,
        clock: ClockSync,
        surroundings: Surroundings,
        open_session: OpenSession,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._surroundings = surroundings
        self._open_session = open_session
        self._session: Session | None = None
        self._missing = Missing()
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempt: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._bridging = False  # the link is gone and WebRTC goes on
        self.malformed_packets = 0
        self.packets_asked_again = 0

    @property
    def last_mishap(self) -> Mishap | None:
        """Why the last session failed or ended."""
        return self._policy.last_mishap

    @property
    def carries(self) -> bool:
        """Whether WebRTC is what the speaker plays from."""
        return self._policy.carries

    def look(self) -> None:
        """Something changed around: the link, what is on air, the settings."""
        self._changed.set()

    def link_lost(self) -> None:
        """The WebSocket is gone; play on as long as packets come."""
        self._bridging = self.carries
        if not self._bridging:
            self._surroundings.on_starved()
        self.look()

    async def run(self) -> None:
        """Do what the policy wants until cancelled."""
        try:
            while True:
                self._changed.clear()
                self._act(monotonic_ns())
                await self._until_due()
        finally:
            for task in self._tasks:
                if not task.cancelling():  # else it is taking its leave already
                    task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    # What a session tells.

    def on_connected(self) -> None:
        """ICE and DTLS are through."""
        self._policy.connected(now_ns=monotonic_ns())
        self.look()

    def on_rtp(self, rtp: RtpPacket) -> None:
        """Hand on what is in a packet; ask for those that are missing."""
        now_ns = monotonic_ns()
        try:
            placed = place(rtp, near=ns_to_samples(self._clock.to_server_ns(now_ns)))
        except RemoteWireError as error:
            self.malformed_packets += 1
            _log.debug("a packet is not as it ought to be: %s", error)
            return
        on_air = self._surroundings.on_placed(placed[0])
        for copy in placed[1:]:
            self._surroundings.on_placed(copy)
        if on_air and self._policy.packet(now_ns=now_ns):
            self.look()
        # The first after a switch has a copy of its own programme's, not of the last.
        copies = [] if rtp.marker else distances(placed)
        self._missing.received(rtp.sequence, copies=copies, now_ns=now_ns)
        self._ask_again(rtp.ssrc, now_ns)

    def _ask_again(self, ssrc: int, now_ns: int) -> None:
        asked = self._missing.ask(
            now_ns=now_ns,
            round_trip_ns=self._clock.round_trip_ns,
            useful_ns=self._surroundings.playout_delay_ms * 1_000_000,
        )
        if asked and self._session is not None:
            self.packets_asked_again += len(asked)
            self._spawn(self._session.ask_again(ssrc, asked))

    def _act(self, now_ns: int) -> None:
        policy, around = self._policy, self._surroundings
        whep = around.whep
        policy.ready(whep is not None and self._clock.synchronised, now_ns=now_ns)
        policy.expecting(around.expects_packets, now_ns=now_ns)
        policy.delay(around.playout_delay_ms)
        policy.advance(now_ns=now_ns)
        around.want_audio(policy.websocket_audio)
        self._bridging = self._bridging and whep is None
        if self._bridging and not policy.carries:
            self._bridging = False
            around.on_starved()
        if self._attempt is None:
            if policy.session_wanted and whep is not None:
                self._attempt = self._spawn(self._serve(whep))
        elif not policy.session_wanted and not self._attempt.cancelling():
            self._attempt.cancel()

    async def _serve(self, whep: WhepAddress) -> None:
        """Run one session to its end."""
        self._missing = Missing()
        self._session = self._open_session(whep, self)
        mishap = Mishap("the WebRTC connection was lost")
        try:
            await self._session.run()
        except WhepError as error:
            mishap = error.mishap
        except Exception as error:
            # A bug must not silence a pole: the WebSocket goes on.
            _log.exception("the WebRTC session ended by a fault of ours")
            mishap = explain(error)
        finally:
            self._session = self._attempt = None
            self.look()
        self._policy.failed(mishap, now_ns=monotonic_ns())

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="webrtc")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _until_due(self) -> None:
        due_ns, wait_s = self._policy.due_ns, LOOK_INTERVAL_S
        if due_ns is not None:
            wait_s = min(wait_s, (due_ns - monotonic_ns()) / 1e9)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()


def make_carrier(
    transport: Transport,
    surroundings: Surroundings,
    clock: ClockSync,
    uniform: Callable[[float, float], float],
) -> Carrier | None:
    """Return what brings audio over WebRTC; None: not installed, and not insisted on.

    Raises:
        ValueError: *transport* is WebRTC alone, and aiortc is not installed.
    """
    try:
        webrtc = importlib.import_module("clients.speaker.webrtc")
    except ModuleNotFoundError as error:
        missing = f"WebRTC needs {error.name}: pip install 'loacast[webrtc]'"
        if transport is Transport.WEBRTC:
            raise ValueError(missing) from error
        _log.warning("%s; the WebSocket is used", missing)
        return None
    if transport is Transport.WEBRTC:
        backoff = Backoff(uniform)
    else:  # the WebSocket serves meanwhile: there is no hurry
        backoff = Backoff(uniform, base_s=RETRY_BASE_S, cap_s=RETRY_CAP_S)
    policy = TransportPolicy(transport, backoff)
    return Carrier(policy, clock, surroundings, webrtc.WebRtcSession)
