"""A whole speaker: link, clock, playout and device put together.

`main` is the command's; `Speaker` is the same thing for other programs (demo, bench).
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from clients.speaker.device import Device, null, wav_file
from clients.speaker.link import Address, Link
from clients.speaker.playout import Playout
from clients.speaker.soundcard import SoundCard
from clients.speaker.stream import Counters
from streamer.media.clocksync import ClockSync
from streamer.media.frame import Pcm, silence
from streamer.wire.control import (
    PTIMES_MS,
    Idle,
    Programme,
    Report,
    Settings,
    Welcome,
)
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)

EXIT_USAGE = 2
_FLOOR_DBFS = -127


@dataclass(frozen=True, slots=True, repr=False)
class SpeakerConfig:
    """What the command was told; it has no repr, for it holds the credential."""

    url: str
    "Such as ``ws://host:8081/v1/listen``."
    credential: str
    ptime_ms: int = 20
    output: Literal["soundcard", "wav", "null"] = "soundcard"
    wav_path: Path | None = None
    "Where to write; needed for the output *wav*."
    device_name: str | None = None
    "Sound card; None for the default one."
    ppm: float = 0.0
    "Error of the clock of a WAV or null device, for tests of drift."


@dataclass(frozen=True, slots=True)
class SpeakerStatus:
    """How a speaker is doing now."""

    connected: bool
    welcome: Welcome | None
    settings: Settings
    playing: Programme | None
    "What is heard now: broadcast, title, class."
    clock_synchronised: bool
    clock_offset_ns: int
    "Server's clock minus ours."
    clock_uncertainty_ns: int
    device_drift_ppm: float
    round_trip_ns: int
    counters: Counters
    connections: int
    "How often the server welcomed us."
    last_mishap: str | None


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
    """

    def __init__(
        self,
        *,
        url: str,
        credential: str,
        device: Device,
        ptime_ms: int = PTIMES_MS[0],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._device = device
        self._playout = Playout()
        self._clock = ClockSync()
        self._link = Link(
            Address(url, credential, ptime_ms), self, self._clock, uniform=uniform
        )
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        parse_uri(self._link.address.full_url)
        self._device.start(self._render)
        self._running = asyncio.create_task(self._link.run(), name="speaker link")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.wait([self._running])
        await asyncio.to_thread(self._device.stop)

    async def ended(self) -> None:
        """Wait for the end of the link, which only a bug brings about: it is raised."""
        assert self._running is not None
        await asyncio.shield(self._running)

    @property
    def status(self) -> SpeakerStatus:
        """How it is doing now."""
        mishap = self._link.last_mishap
        return SpeakerStatus(
            connected=self._link.connected,
            welcome=self._link.welcome,
            settings=self._playout.settings,
            playing=self._playout.playing,
            clock_synchronised=self._clock.synchronised,
            clock_offset_ns=self._clock.offset_ns,
            clock_uncertainty_ns=self._clock.uncertainty_ns,
            device_drift_ppm=self._playout.drift_ppm,
            round_trip_ns=self._clock.round_trip_ns,
            counters=self._playout.counters(),
            connections=self._link.connections,
            last_mishap=None if mishap is None else mishap.text,
        )

    # What the link brings.

    def on_settings(self, settings: Settings) -> None:
        """Sound as told."""
        self._playout.on_settings(settings)

    def on_programme(self, programme: Programme) -> None:
        """Hear a programme from its instant on."""
        _log.info("%s: %s", programme.programme_class, programme.title)
        self._playout.on_programme(programme)

    def on_idle(self, message: Idle) -> None:
        """Hear nothing from its instant on."""
        self._playout.on_idle(message)

    def on_packet(self, rtp: RtpPacket) -> None:
        """Keep a packet until its time."""
        self._playout.on_packet(rtp)

    def on_link_lost(self) -> None:
        """Play what is held."""
        self._playout.on_link_lost()

    def report(self) -> Report:
        """Say what was received and played since the start."""
        counters, playing = self._playout.counters(), self._playout.playing
        return Report(
            broadcast=None if playing is None else playing.broadcast,
            packets_received=counters.packets_received,
            packets_lost=counters.packets_lost,
            packets_discarded=counters.packets_discarded,
            total_samples_received=counters.total_samples_received,
            concealed_samples=counters.concealed_samples,
            silent_concealed_samples=counters.silent_concealed_samples,
            concealment_events=counters.concealment_events,
            round_trip_time_us=self._clock.round_trip_ns // 1000,
            clock_offset_us=self._clock.offset_ns // 1000,
            clock_drift_ppm=round(self._clock.drift_ppm),
            audio_level_dbfs=_dbfs(self._playout.take_level()),
            volume_percent=self._playout.settings.volume_percent,
        )

    def _render(self, samples: int, local_ns: int) -> Pcm:
        """Called by the device's thread."""
        if not self._clock.synchronised:
            return silence(samples)
        return self._playout.render(samples, self._clock.to_server_ns(local_ns))


def _dbfs(power: float) -> int:
    return max(_FLOOR_DBFS, round(10 * math.log10(max(power, 1e-13))))


def make_device(config: SpeakerConfig) -> Device:
    """Return the device that *config* names.

    Raises:
        ValueError: The output *wav* has no path.
    """
    if config.output == "soundcard":
        return SoundCard(config.device_name)
    if config.output == "null":
        return null(ppm=config.ppm)
    if config.wav_path is None:
        raise ValueError("the output wav needs a path")
    return wav_file(config.wav_path, ppm=config.ppm)


async def run_speaker(config: SpeakerConfig) -> None:
    """Run a speaker until SIGTERM or SIGINT.

    Raises:
        ValueError: The output *wav* has no path.
        websockets.exceptions.InvalidURI: The URL is not one of a WebSocket.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with Speaker(
        url=config.url,
        credential=config.credential,
        device=make_device(config),
        ptime_ms=config.ptime_ms,
    ) as speaker:
        waits = [
            asyncio.ensure_future(speaker.ended()),
            asyncio.ensure_future(stopping.wait()),
        ]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        for wait in done:
            wait.result()


def main(config: SpeakerConfig) -> int:
    """Run the command ``loacast speaker``; return its exit status."""
    try:
        asyncio.run(run_speaker(config))
    except (InvalidURI, ValueError) as error:
        _log.error("%s", error)
        return EXIT_USAGE
    return 0
