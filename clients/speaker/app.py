"""The command ``loacast speaker``: what it was told, and a speaker that lives by it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from websockets.exceptions import InvalidURI

from clients.speaker.device import Device, null, wav_file
from clients.speaker.gateway import Gateway, OnAirCommand
from clients.speaker.handshake import Address
from clients.speaker.mode import Mode
from clients.speaker.modem import ModemManager
from clients.speaker.notify import Notifier, keep_told
from clients.speaker.pantry import Diet
from clients.speaker.playout import Playout
from clients.speaker.policy import Transport
from clients.speaker.soundcard import SoundCard
from clients.speaker.speaker import Speaker
from clients.speaker.standin import StandIn
from clients.speaker.state import StateFile
from clients.speaker.trust import Trust
from clients.speaker.vitals import VitalsWatch
from streamer.media.clocksync import ClockSync

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
    state_directory: Path | None = None
    "Kept through restarts; None: nothing is, and nothing is played without a server."
    signing_key: str | None = None
    "Whose documents are believed; None: those of the first server met."
    delay_ms: int = 0
    "It plays later than its neighbours by so much: 0 to 1000."
    on_air: OnAirCommand | None = None
    "What keys an amplifier or a transmitter."
    diet: Diet = field(default_factory=Diet)
    "What is kept to be played without a server."


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


def make_vitals(config: SpeakerConfig) -> VitalsWatch:
    """Return what looks at the box and its modem."""
    if config.state_directory is None:
        return VitalsWatch(ModemManager())
    return VitalsWatch(ModemManager(), StateFile(config.state_directory / "modem.json"))


def keying(
    config: SpeakerConfig, speaker: Speaker
) -> AbstractAsyncContextManager[object]:
    """Return what keys the amplifier while it is entered.

    Raises:
        ValueError: The command cannot be split into words.
    """
    if config.on_air is None:
        return nullcontext()
    return Gateway(config.on_air, speaker.coming)


def make_stand_in(
    config: SpeakerConfig,
) -> Callable[[Playout, ClockSync, Address], StandIn] | None:
    """Return what makes the part that can do without a server; None: none is wanted.

    Raises:
        ValueError: The signing key is none.
    """
    if config.state_directory is None:
        return None
    if config.signing_key is not None and Trust(config.signing_key).key is None:
        raise ValueError("the signing key is not 32 bytes in base64")
    return partial(
        StandIn,
        config.state_directory,
        api_url=config.api_url,
        signing_key=config.signing_key,
        diet=config.diet,
    )


def drop_order(path: Path, state_directory: Path) -> None:
    """Hand a signed order to the speaker that runs with this state directory.

    Raises:
        OSError: It cannot be read, or not be put there.
    """
    orders = state_directory / "orders"
    orders.mkdir(parents=True, exist_ok=True)
    # Under another name first: the speaker must not read half of it.
    part = orders / f"{path.name}.part"
    part.write_bytes(path.read_bytes())
    part.replace(orders / f"{path.name}.order")


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
    async with (
        Speaker(
            url=config.url,
            credential=config.credential,
            device=make_device(config),
            ptime_ms=config.ptime_ms or config.mode.ptime_ms,
            transport=config.transport,
            api_url=config.api_url,
            stand_in=make_stand_in(config),
            mode=config.mode,
            delay_ms=config.delay_ms,
            vitals=make_vitals(config),
        ) as speaker,
        keying(config, speaker),
    ):
        await _until_stopped(speaker, stopping)


async def _until_stopped(speaker: Speaker, stopping: asyncio.Event) -> None:
    """Tell systemd how it goes; take leave when told to stop."""
    notifier = Notifier(os.environ)
    waits = [
        asyncio.ensure_future(speaker.ended()),
        asyncio.ensure_future(stopping.wait()),
        asyncio.ensure_future(keep_told(notifier, speaker.sign)),
    ]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in done:
            wait.result()
    finally:
        for wait in waits:
            wait.cancel()
        notifier.send("STOPPING=1", "STATUS=taking leave")
    await speaker.leave()


def main(config: SpeakerConfig) -> int:
    """Run the command ``loacast speaker``; return its exit status."""
    try:
        asyncio.run(run_speaker(config))
    except (InvalidURI, ValueError) as error:
        _log.error("%s", error)
        return EXIT_USAGE
    return 0
