"""The speaker's process as systemd sees it: ready, alive, hung, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.media.opus import OpusEncoder
from tests.end_to_end.chirps import Heard, Tape, until
from tests.end_to_end.test_speaker import CREDENTIAL, TinyServer, air, running, send

pytestmark = pytest.mark.end_to_end

COMMAND = """
import clients.speaker.notify
from clients.speaker.app import SpeakerConfig, main
from pathlib import Path
clients.speaker.notify.HANG_NS = 600_000_000
config = SpeakerConfig({url!r}, {credential!r}, output="wav", wav_path=Path({path!r}))
raise SystemExit(main(config))
"""


HUM_HZ = 200


def hum(*, start_ns: int) -> Tape:
    """Five seconds that are never silent: a cut would click."""
    seconds = np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    pcm = (0.5 * np.sin(2 * np.pi * HUM_HZ * seconds)).astype(np.float32)
    with OpusEncoder(64_000) as encoder:
        payloads = [encoder.encode(frame) for frame in pcm.reshape(-1, 960)]
    return Tape(1, payloads, start_ns)


class Manager:
    """Listens as systemd does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.words: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Manager:
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        self.words += self._socket.recv(4096).decode().split("\n")


@asynccontextmanager
async def process(
    server: TinyServer, path: Path, manager: Manager
) -> AsyncIterator[asyncio.subprocess.Process]:
    command = COMMAND.format(url=server.url, credential=CREDENTIAL, path=str(path))
    environment = os.environ | {
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": "400000",
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", command, env=environment
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def stopped(child: asyncio.subprocess.Process) -> float:
    """Tell it to stop; return how long that took."""
    began_s = monotonic()
    child.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(child.wait(), 10) == 0
    return monotonic() - began_s


async def test_ready_alive_and_gone_in_good_order(tmp_path: Path) -> None:
    path = tmp_path / "heard.wav"
    with Manager(tmp_path / "notify") as manager:
        async with (
            running(TinyServer()) as server,
            process(server, path, manager) as it,
        ):
            connection = await asyncio.wait_for(server.connections.get(), 10)
            await until(lambda: "READY=1" in manager.words)
            await until(lambda: manager.words.count("WATCHDOG=1") >= 3)
            programme = hum(start_ns=server.now_ns())
            await send(connection, programme.announcement(from_ns=programme.origin_ns))
            ends_ns = server.now_ns() + 900_000_000
            airing = asyncio.create_task(air(server, connection, programme))
            await until(lambda: "STATUS=playing (normal): Thử loa" in manager.words)
            await until(lambda: server.now_ns() > ends_ns)
            took_s = await stopped(it)
            airing.cancel()
        assert took_s < 3
        assert "STOPPING=1" in manager.words
        assert connection.close_code == 1000
        (receipt,) = server.receipts[-1:]
        assert not receipt.complete
        assert receipt.played_samples > SAMPLE_RATE_HZ // 4
    heard = Heard.read(path, server_shift_ns=server.shift_ns)
    # Faded: the steepest slope is about the hum's own.
    assert np.abs(np.diff(heard.pcm)).max() < 2 * 0.5 * 2 * np.pi * HUM_HZ / 48_000
    assert heard.pcm[-1] == 0


async def test_a_device_that_hangs_stops_the_watchdog_and_not_the_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "heard.wav"
    os.mkfifo(path)  # the device's thread waits in open(2) for a reader
    with Manager(tmp_path / "notify") as manager:
        async with (
            running(TinyServer()) as server,
            process(server, path, manager) as it,
        ):
            await until(lambda: "READY=1" in manager.words, timeout_s=10)
            assert "WATCHDOG=1" in manager.words
            await asyncio.sleep(0.9)
            fed = manager.words.count("WATCHDOG=1")
            await asyncio.sleep(0.6)  # longer than the manager would wait
            assert manager.words.count("WATCHDOG=1") == fed
            assert await stopped(it) < 3.5
