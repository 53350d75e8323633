"""The command ``loacast speaker``: what it was told, and a speaker that lives by it."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from websockets.exceptions import InvalidURI

from clients.speaker.device import Device, null, wav_file
from clients.speaker.mode import Mode
from clients.speaker.policy import Transport
from clients.speaker.soundcard import SoundCard
from clients.speaker.speaker import Speaker

_log = logging.getLogger(__name__)

EXIT_USAGE = 2


@dataclass(frozen=True, slots=True, repr=False)
class SpeakerConfig:
    """What the command was told; it has no repr, for it holds the credential."""

    url: str
    "Such as ``ws://host:8081/v1/listen``."
    credential: str
    ptime_ms: int | None = None
    "Audio per message; None: what the mode advises."
    output: Literal["soundcard", "wav", "null"] = "soundcard"
    wav_path: Path | None = None
    "Where to write; needed for the output *wav*."
    device_name: str | None = None
    "Sound card; None for the default one."
    mode: Mode = Mode.SYNCED
    ppm: float = 0.0
    "Error of the clock of a WAV or null device, for tests of drift."
    transport: Transport = Transport.WEBSOCKET
    api_url: str | None = None
    "Of the server's API, where it is not on the stream's host and the port it names."


def make_device(config: SpeakerConfig) -> Device:
    """Return the device that *config* names.

    Raises:
        ValueError: The output *wav* has no path.
    """
    block_samples = config.mode.block_samples
    if config.output == "soundcard":
        return SoundCard(config.device_name, block_samples=block_samples)
    if config.output == "null":
        return null(ppm=config.ppm, block_samples=block_samples)
    if config.wav_path is None:
        raise ValueError("the output wav needs a path")
    return wav_file(config.wav_path, ppm=config.ppm, block_samples=block_samples)


async def run_speaker(config: SpeakerConfig) -> None:
    """Run a speaker until SIGTERM or SIGINT.

    Raises:
        ValueError: The output *wav* has no path, or aiortc is not installed.
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
        ptime_ms=config.ptime_ms or config.mode.ptime_ms,
        transport=config.transport,
        api_url=config.api_url,
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
