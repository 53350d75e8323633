"""A whole speaker: link, clock, playout and device put together.

For programs of any kind: the command (`clients.speaker.app`), the demo, the bench.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Self

from websockets.uri import parse_uri

from clients.speaker.carrier import make_carrier
from clients.speaker.device import Device
from clients.speaker.handshake import Address
from clients.speaker.link import Link
from clients.speaker.placing import Placed
from clients.speaker.playout import Playout
from clients.speaker.policy import Transport
from clients.speaker.status import SpeakerStatus, make_report
from clients.speaker.whep import WhepAddress, whep_url
from streamer.media.clocksync import ClockSync
from streamer.media.frame import Pcm, silence
from streamer.wire.control import (
    PTIMES_MS,
    Idle,
    Programme,
    Receipt,
    Report,
    Settings,
    Welcome,
)
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)


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
    """

    def __init__(
        self,
        *,
        url: str,
        credential: str,
        device: Device,
        ptime_ms: int = PTIMES_MS[0],
        uniform: Callable[[float, float], float] = random.uniform,
        transport: Transport = Transport.WEBSOCKET,
        api_url: str | None = None,
    ) -> None:
        self._device = device
        self._api_url = api_url
        self._playout = Playout()
        self._clock = ClockSync()
        self._clock_steps = 0
        self._link = Link(
            Address(url, credential, ptime_ms), self, self._clock, uniform=uniform
        )
        self._carrier = None
        if transport is not Transport.WEBSOCKET:
            self._carrier = make_carrier(transport, self, self._clock, uniform)
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        parse_uri(self._link.address.full_url)
        self._device.start(self._render)
        runs = [self._link.run()]
        if self._carrier is not None:
            runs.append(self._carrier.run())
        self._running = [asyncio.create_task(run, name="speaker") for run in runs]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running)
        await asyncio.to_thread(self._device.stop)

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
            last_mishap=None if mishap is None else mishap.text,
            transport=self.transport,
            webrtc_mishap=None if webrtc_mishap is None else webrtc_mishap.text,
            takeovers=self._link.takeovers,
            receipts_dropped=self._playout.receipts_dropped,
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
        self._look()

    def on_settings(self, settings: Settings) -> None:
        """Sound as told."""
        self._playout.on_settings(settings)

    def on_programme(self, programme: Programme) -> None:
        """Hear a programme from its instant on."""
        _log.info("%s: %s", programme.programme_class, programme.title)
        self._playout.on_programme(programme)
        self._look()

    def on_idle(self, message: Idle) -> None:
        """Hear nothing from its instant on."""
        self._playout.on_idle(message)

    def on_packet(self, rtp: RtpPacket) -> None:
        """Keep a packet until its time."""
        self._playout.on_packet(rtp)

    def on_link_lost(self) -> None:
        """Play what is held, and what WebRTC still brings."""
        self._playout.on_receipts_lost()
        if self._carrier is None:
            self._playout.on_link_lost()
        else:
            self._carrier.link_lost()

    def on_pong(self, sent_us: int) -> None:
        """Know what the server has, and whether its clock is still the same."""
        self._playout.on_receipts_arrived(sent_us)
    def on_link_changed(self) -> None:
        """Owe again what the server may not have got over the former connection."""
        self._playout.on_receipts_lost()

        if self._clock.steps != self._clock_steps:
            self._clock_steps = self._clock.steps
            self._playout.on_other_clock()

    def report(self) -> Report:
        """Say what was received and played since the start; a receipt follows."""
        self._playout.owe_receipt()
        return make_report(self.status, audio_power=self._playout.take_level())

    def next_receipt(self, now_us: int) -> Receipt | None:
        """Account for a broadcast, by the server's clock."""
        if not self._clock.synchronised:  # it may turn out to be another one
            return None
        return self._playout.next_receipt(now_us)

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
        return self._playout.settings.playout_delay_ms

    def on_placed(self, placed: Placed) -> bool:
        """Keep a packet; return whether it is of what is on air."""
        return self._playout.on_placed(placed)

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
        if not self._clock.synchronised:
            return silence(samples)
        return self._playout.render(samples, self._clock.to_server_ns(local_ns))
