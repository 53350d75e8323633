"""A whole speaker: link, clock, playout and device put together.

For programs of any kind: the command (`clients.speaker.app`), the demo, the bench.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from time import monotonic_ns
from typing import Self

from websockets.exceptions import WebSocketException
from websockets.uri import parse_uri

from clients.speaker.carrier import make_carrier
from clients.speaker.device import Device
from clients.speaker.fade import Fader
from clients.speaker.handshake import Address
from clients.speaker.health import HealthTeller, Moment
from clients.speaker.keying import Coming
from clients.speaker.link import Link
from clients.speaker.mode import Mode
from clients.speaker.notify import Sign, read_sign
from clients.speaker.placing import Placed
from clients.speaker.playout import Playout
from clients.speaker.policy import Transport
from clients.speaker.standin import StandIn
from clients.speaker.status import FLOOR_DBFS, SpeakerStatus, make_report
from clients.speaker.timeline import SWITCH_OUT_SAMPLES
from clients.speaker.vitals import VitalsWatch
from clients.speaker.whep import WhepAddress, whep_url
from streamer.media.clocksync import ClockSync
from streamer.media.frame import Pcm, silence
from streamer.wire.control import (
    PTIMES_MS,
    Idle,
    ManifestChanged,
    Ordered,
    Programme,
    Receipt,
    Report,
    Settings,
    Welcome,
)
from streamer.wire.health import Health
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)

MAX_EXTRA_DELAY_MS = 1_000
LEAVE_TIMEOUT_S = 1.0
"For the last receipts."
FADE_TIMEOUT_S = 0.3
"A device whose thread hangs does not fade."


class Speaker:
    """Plays what a server sends, on a device, while it is entered.

    Such as ``async with Speaker(url=..., credential=..., device=null()):``. Entering
    it raises `websockets.exceptions.InvalidURI` for what is no WebSocket's URL.

    Args:
        url: Of the server's stream port, ``ws://host:8081/v1/listen``.
        credential: The speaker's own.
        device: What it plays on; started and stopped here.
        ptime_ms: Audio per message to ask for: 20, 40 or 60.
        uniform: Randomness of the reconnection delays.
        transport: What may bring the audio; but for the WebSocket it needs aiortc.
        api_url: Of the server's API, where it is not on the stream's host and the port
            it names.
        mode: Whether it plays at capture + D, or as soon as it can.
        delay_ms: It plays later by so much, and by what the server adds to it; 0 to
            1000 together.
        vitals: Looks at the box and its modem; None: at the box alone.
        stand_in: Makes what plays without a server; None: nothing does.
    """

    def __init__(  # noqa: PLR0913 - one for each thing it can be told
        self,
        *,
        url: str,
        credential: str,
        device: Device,
        ptime_ms: int = PTIMES_MS[0],
        uniform: Callable[[float, float], float] = random.uniform,
        transport: Transport = Transport.WEBSOCKET,
        api_url: str | None = None,
        mode: Mode = Mode.SYNCED,
        delay_ms: int = 0,
        vitals: VitalsWatch | None = None,
        stand_in: Callable[[Playout, ClockSync, Address], StandIn] | None = None,
    ) -> None:
        self._device = device
        self._api_url = api_url
        self._playout = Playout(mode)
        self._clock = ClockSync()
        self._clock_steps = 0
        self._delay_ms = delay_ms
        self._vitals = vitals or VitalsWatch(None)
        self._health = HealthTeller()
        self._level_dbfs = FLOOR_DBFS
        self._began_ns = 0
        self._leaving = False
        self._farewell = Fader(1.0)  # the device's thread alone moves it
        self._audio_ns: int | None = None  # arrival of the last packet
        self._link = Link(
            Address(url, credential, ptime_ms), self, self._clock, uniform=uniform
        )
        self._stand_in = None
        if stand_in is not None:
            self._stand_in = stand_in(self._playout, self._clock, self._link.address)
        self._carrier = None
        if transport is not Transport.WEBSOCKET:
            self._carrier = make_carrier(transport, self, self._clock, uniform)
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        parse_uri(self._link.address.full_url)
        self._device.start(self._render)
        self._began_ns = monotonic_ns()
        runs = [self._link.run(), self._vitals.run()]
        if self._carrier is not None:
            runs.append(self._carrier.run())
        if self._stand_in is not None:
            runs.append(self._stand_in.run())
        self._running = [asyncio.create_task(run, name="speaker") for run in runs]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running)
        await asyncio.to_thread(self._device.stop)

    async def leave(self) -> None:
        """Fade out and hand in what is owed, before the end; takes a moment."""
        self._leaving = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FADE_TIMEOUT_S):
                while not self._farewell.silent:  # noqa: ASYNC110 - on another thread
                    await asyncio.sleep(0.01)
        self._playout.owe_receipt()
        with contextlib.suppress(TimeoutError, OSError, WebSocketException):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._link.account_now()

    def sign(self) -> Sign:
        """Say what systemd is to be told."""
        return read_sign(
            self.status,
            offline=self._stand_in is not None,
            beat_ns=max(self._device.beat_ns, self._began_ns),
            now_ns=monotonic_ns(),
        )

    def coming(self, within_ms: int) -> Coming | None:
        """Say what sounds now, or will within so many milliseconds."""
        programme = self._playout.coming(within_ms)
        if programme is None:
            return None
        return Coming(str(programme.programme_class), programme.broadcast)

    async def ended(self) -> None:
        """Wait for the end of a part, which only a bug brings about: it is raised."""
        done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    @property
    def status(self) -> SpeakerStatus:
        """How it is doing now."""
        mishap, carrier = self._link.last_mishap, self._carrier
        webrtc_mishap = None if carrier is None else carrier.last_mishap
        return SpeakerStatus(
            connected=self._link.connected,
            welcome=self._link.welcome,
            settings=self._playout.settings,
            playing=self._playout.playing,
            clock_synchronised=self._clock.synchronised,
            clock_offset_ns=self._clock.offset_ns,
            clock_drift_ppm=self._clock.drift_ppm,
            clock_uncertainty_ns=self._clock.uncertainty_ns,
            device_drift_ppm=self._playout.drift_ppm,
            round_trip_ns=self._clock.round_trip_ns,
            counters=self._playout.counters(),
            connections=self._link.connections,
            takeovers=self._link.takeovers,
            last_mishap=None if mishap is None else mishap.text,
            transport=self.transport,
            webrtc_mishap=None if webrtc_mishap is None else webrtc_mishap.text,
            receipts_dropped=self._playout.receipts_dropped,
            sounding=self._device.sounding,
        )

    @property
    def transport(self) -> Transport:
        """What brings the audio now: WebSocket or WebRTC."""
        carried = self._carrier is not None and self._carrier.carries
        return Transport.WEBRTC if carried else Transport.WEBSOCKET

    # What the link brings.

    def on_welcome(self, welcome: Welcome) -> None:
        """Find WebRTC where the server says it is."""
        if self._carrier is not None and self.whep is None:
            _log.warning("the server offers no WebRTC")
        if self._stand_in is not None:
            self._stand_in.on_welcome(welcome)
        self._look()

    def on_settings(self, settings: Settings) -> None:
        """Sound as told, and as late as this speaker's place wants it."""
        if self._stand_in is not None:
            self._stand_in.on_settings(settings)
        extra_ms = self._delay_ms + (settings.extra_delay_ms or 0)
        extra_ms = min(max(extra_ms, 0), MAX_EXTRA_DELAY_MS)
        delay_ms = settings.playout_delay_ms + extra_ms
        self._playout.on_settings(replace(settings, playout_delay_ms=delay_ms))

    def on_programme(self, programme: Programme) -> None:
        """Hear a programme from its instant on."""
        _log.info("%s: %s", programme.programme_class, programme.title)
        heard: Programme | None = programme
        if self._stand_in is not None:
            heard = self._stand_in.on_programme(programme)
        if heard is not None:
            self._playout.on_programme(heard)
        self._look()

    def on_idle(self, message: Idle) -> None:
        """Hear nothing from its instant on."""
        if self._stand_in is None or self._stand_in.on_idle(message) is not None:
            self._playout.on_idle(message)

    def on_manifest_changed(self, message: ManifestChanged) -> None:
        """Ask for the manifest."""
        if self._stand_in is not None:
            self._stand_in.on_manifest_changed()

    def on_order(self, message: Ordered) -> None:
        """Obey an order."""
        if self._stand_in is not None:
            self._stand_in.on_order(message)

    def on_packet(self, rtp: RtpPacket) -> None:
        """Keep a packet until its time."""
        self._audio_ns = monotonic_ns()
        self._playout.on_packet(rtp, self._now_ns())

    def on_link_lost(self) -> None:
        """Play what is held, and what WebRTC still brings."""
        self._playout.on_receipts_lost()
        if self._stand_in is not None:
            self._stand_in.on_link_lost()
        if self._carrier is None:
            self._playout.on_link_lost()
        else:
            self._carrier.link_lost()

    def on_link_changed(self) -> None:
        """Owe again what the server may not have got over the former connection."""
        self._playout.on_receipts_lost()

    def on_pong(self, sent_us: int) -> None:
        """Know what the server has, and whether its clock is still the same."""
        self._playout.on_receipts_arrived(sent_us)
        if self._stand_in is not None:
            self._stand_in.on_pong(sent_us)
        if self._clock.steps != self._clock_steps:
            self._clock_steps = self._clock.steps
            self._playout.on_other_clock()

    def report(self) -> Report:
        """Say what was received and played since the start; a receipt follows."""
        self._playout.owe_receipt()
        report = make_report(self.status, audio_power=self._playout.take_level())
        self._level_dbfs = report.audio_level_dbfs
        return report

    def health(self) -> Health:
        """Say how the box is, and how it sounds."""
        now_ns, audio_ns = monotonic_ns(), self._audio_ns
        moment = Moment(
            uptime_s=(now_ns - self._began_ns) // 1_000_000_000,
            held_ms=self._playout.held_ms,
            audio_age_ms=None if audio_ns is None else (now_ns - audio_ns) // 1_000_000,
            audio_level_dbfs=self._level_dbfs,
            sounding=self._device.sounding,
        )
        return self._health.tell(self.status, moment, self._vitals.latest)

    def next_receipt(self, now_us: int) -> Receipt | None:
        """Account for a broadcast, by the server's clock."""
        if not self._clock.synchronised:  # it may turn out to be another one
            return None
        receipt = self._playout.next_receipt(now_us)
        if receipt is None and self._stand_in is not None:
            receipt = self._stand_in.next_receipt(now_us)
        return receipt

    # What the carrier sees and moves.

    @property
    def whep(self) -> WhepAddress | None:
        """Where the server takes offers for WebRTC."""
        welcome, address = self._link.welcome, self._link.address
        if welcome is None:
            return None
        url = whep_url(address.url, welcome, self._api_url)
        return None if url is None else WhepAddress(url, address.credential)

    @property
    def expects_packets(self) -> bool:
        """Whether a programme is on air."""
        return self._playout.expects_packets

    @property
    def playout_delay_ms(self) -> int:
        """D."""
        return self._playout.delay_ms

    def on_placed(self, placed: Placed) -> bool:
        """Keep a packet; return whether it is of what is on air."""
        self._audio_ns = monotonic_ns()
        return self._playout.on_placed(placed, self._now_ns())

    def want_audio(self, wanted: bool) -> None:
        """Have the server send packets over the WebSocket, or not."""
        self._link.want_audio(wanted)

    def on_starved(self) -> None:
        """Play what is held."""
        self._playout.on_link_lost()

    def _look(self) -> None:
        if self._carrier is not None:
            self._carrier.look()

    def _render(self, samples: int, local_ns: int) -> Pcm:
        """Called by the device's thread."""
        if self._leaving:
            self._farewell.to(0.0, SWITCH_OUT_SAMPLES)
        if self._farewell.silent:
            return silence(samples)
        if not self._clock.synchronised and self._stand_in is None:
            self._farewell.take(samples)
            return silence(samples)
        lead_ns = max(0, local_ns - monotonic_ns())
        if self._stand_in is None:
            server_ns = self._clock.to_server_ns(local_ns)
        else:
            server_ns = self._stand_in.media_ns(local_ns)
        pcm = self._playout.render(samples, server_ns, lead_ns)
        if self._leaving:
            pcm = pcm * self._farewell.take(samples)
        return pcm

    def _now_ns(self) -> int | None:
        """Return the server's clock; None while it is unknown."""
        if not self._clock.synchronised:
            return None
        return self._clock.to_server_ns(monotonic_ns())
