"""``loacast speaker --check``: looks at all that a speaker needs, and says what fails.

Each part is tried as the speaker itself uses it; nothing is changed by it.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time_ns
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import InvalidURI, WebSocketException

from clients.speaker import durable, findings
from clients.speaker.app import EXIT_USAGE, SpeakerConfig
from clients.speaker.findings import Finding
from clients.speaker.handshake import Address, open_socket
from clients.speaker.policy import Transport
from clients.speaker.soundcard import load_sounddevice
from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.wire.control import (
    Ping,
    Pong,
    UnknownMessageError,
    Welcome,
    parse_from_server,
    serialize,
)
from streamer.wire.errors import RemoteWireError
from streamer.wire.stun import MessageType, StunMessage
from streamer.wire.stun import serialize as serialize_stun

ANSWER_TIMEOUT_S = 5.0
UDP_TRIES, UDP_WAIT_S = 3, 0.5
DEFAULT_PORTS = {"ws": 80, "wss": 443}


def main(config: SpeakerConfig) -> int:
    """Look at everything and print it; return 0 if a speaker can play here, else 1."""
    try:
        found = asyncio.run(look(config))
    except InvalidURI as error:
        print(f"loacast: {error}", file=sys.stderr)
        return EXIT_USAGE
    for finding in found:
        print("\n".join(finding.lines()))
    return int(any(each.counts and not each.ok for each in found))


async def look(
    config: SpeakerConfig, *, load: Callable[[], Any] = load_sounddevice
) -> list[Finding]:
    """Look at the box, then at the way to the server.

    Args:
        config: What the speaker is told.
        load: Gets the `sounddevice` module.
    """
    found = await asyncio.to_thread(lambda: list(look_at_box(config, load)))
    return [*found, *await look_at_server(config)]


def look_at_box(config: SpeakerConfig, load: Callable[[], Any]) -> Iterator[Finding]:
    """Look at codec, sound and disk; blocks."""
    yield _codec()
    if config.output == "soundcard":
        yield _sound_card(config.device_name, load)
    elif config.output == "wav" and config.wav_path is not None:
        yield _directory(config.wav_path.absolute().parent)
    if config.state_directory is not None:
        yield _directory(config.state_directory)


def _codec() -> Finding:
    try:
        opus = importlib.import_module("streamer.media.opus")
        opus.OpusDecoder().close()
    except Exception as error:  # whatever a missing library raises
        return findings.codec(None, error)
    return findings.codec(opus.libopus_version(), None)


def _sound_card(name: str | None, load: Callable[[], Any]) -> Finding:
    shown = name or "the default sound card"
    try:
        load().check_output_settings(
            device=name, channels=1, samplerate=SAMPLE_RATE_HZ, dtype="float32"
        )
    except Exception as error:  # PortAudioError, OSError, ValueError: no such device
        return findings.sound(shown, error)
    return findings.sound(shown, None)


def _directory(path: Path) -> Finding:
    trial = path / f".check-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        durable.write(trial, bytes(4096))
        trial.unlink()
        free_bytes = shutil.disk_usage(path).free
    except OSError as error:
        return findings.directory(str(path), error, 0)
    return findings.directory(str(path), None, free_bytes)


async def look_at_server(config: SpeakerConfig) -> list[Finding]:
    """Look at name, port, encryption, credential, clock, and UDP.

    Raises:
        websockets.exceptions.InvalidURI: The URL is none.
    """
    parts = urlsplit(config.url)
    host = parts.hostname or ""
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            loop = asyncio.get_running_loop()
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return [findings.name_not_found(host, error)]
    except TimeoutError:
        late = socket.gaierror(socket.EAI_AGAIN, "DNS does not answer")
        return [findings.name_not_found(host, late)]
    counts = config.transport is not Transport.WEBSOCKET
    # The port beside the speakers': where the server puts it unless told otherwise.
    answered = asyncio.ensure_future(udp_answers(host, port + 1))
    try:
        found = await _stream_port(config, host, port)
        return [*found, findings.udp(port + 1, answered=await answered, counts=counts)]
    finally:
        answered.cancel()


async def _stream_port(config: SpeakerConfig, host: str, port: int) -> list[Finding]:
    address = Address(config.url, config.credential)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            async with open_socket(address) as connection:
                await connection.send(serialize(Ping(0)))
                welcome, pong = await _greeted(connection)
                utc_us = time_ns() // 1000
    except InvalidURI:
        raise
    except (OSError, WebSocketException, RemoteWireError) as error:
        encrypted = config.url.startswith("wss:")
        return [
            findings.server_refused(error, host=host, port=port, encrypted=encrypted)
        ]
    off_s = None
    if welcome.clock_utc_us is not None:
        off_s = (welcome.clock_utc_us + pong.transmitted_us - utc_us) / 1e6
    who = f"{welcome.speaker} in zone {welcome.zone}"
    return [
        Finding("stream port", True, f"TCP {port} answers", f"Cổng TCP {port} thông."),
        Finding("credential", True, f"this is {who}", f"Mã của loa đúng: {who}."),
        findings.clock(off_s),
    ]


async def _greeted(connection: Any) -> tuple[Welcome, Pong]:
    """Return the welcome and the answer to our ping, whatever comes between."""
    welcome: Welcome | None = None
    pong: Pong | None = None
    while welcome is None or pong is None:
        text = await connection.recv()
        if not isinstance(text, str):
            continue  # audio
        try:
            message = parse_from_server(text)
        except UnknownMessageError:
            continue
        if isinstance(message, Welcome):
            welcome = message
        elif isinstance(message, Pong):
            pong = message
    return welcome, pong


async def udp_answers(host: str, port: int) -> bool:
    """Return whether a STUN server answers there, be it with an error (RFC 8489)."""
    loop = asyncio.get_running_loop()
    transaction_id = os.urandom(12)
    request = serialize_stun(MessageType.REQUEST, transaction_id, [])
    answered: asyncio.Future[bool] = loop.create_future()

    class Waiting(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _: Any) -> None:
            try:
                same = StunMessage.parse(data).transaction_id == transaction_id
            except RemoteWireError:
                return
            if same and not answered.done():
                answered.set_result(True)

    try:
        transport, _ = await loop.create_datagram_endpoint(
            Waiting, remote_addr=(host, port)
        )
    except OSError:
        return False
    try:
        for _ in range(UDP_TRIES):
            transport.sendto(request)
            await asyncio.wait([answered], timeout=UDP_WAIT_S)
            if answered.done():
                return True
        return False
    finally:
        transport.close()
