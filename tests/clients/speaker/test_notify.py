"""What systemd is told, and when it is not told any more."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clients.speaker.notify import (
    HANG_NS,
    Notifier,
    Sign,
    describe,
    keep_told,
    read_sign,
)
from clients.speaker.stream import Counters
from streamer.wire.control import Programme, ProgrammeClass
from tests.clients.speaker.test_health import status

CONNECTED = status(Counters())
ALONE = replace(CONNECTED, connected=False)
PROGRAMME = Programme("b", ProgrammeClass.NORMAL, "Bản tin\nsáng", 1, 111, 0, 0, 0)


class TestSign:
    """Ready, alive, and in plain words."""

    def test_ready_when_connected(self) -> None:
        assert read_sign(CONNECTED, offline=False, beat_ns=0, now_ns=0).ready

    def test_ready_without_a_server_when_there_is_something_to_play(self) -> None:
        failed = replace(ALONE, last_mishap="nobody answers at the server's port")
        assert read_sign(failed, offline=True, beat_ns=0, now_ns=0).ready
        assert not read_sign(failed, offline=False, beat_ns=0, now_ns=0).ready
        assert not read_sign(ALONE, offline=True, beat_ns=0, now_ns=0).ready

    def test_not_alive_when_the_device_hangs(self) -> None:
        for age_ns, alive in ((HANG_NS - 1, True), (HANG_NS, False)):
            sign = read_sign(CONNECTED, offline=False, beat_ns=5, now_ns=5 + age_ns)
            assert sign.alive is alive

    def test_one_line_says_what_is_the_matter(self) -> None:
        assert describe(CONNECTED) == "connected, nothing is on air"
        playing = replace(CONNECTED, playing=PROGRAMME)
        assert describe(playing) == "playing (normal): Bản tin sáng"
        mute = describe(replace(playing, sounding=False))
        assert mute.startswith("NO SOUND")
        assert "the port" in describe(replace(ALONE, last_mishap="the port"))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


async def told(manager: socket.socket) -> set[str]:
    data = await asyncio.to_thread(manager.recv, 4096)
    return set(data.decode().split("\n"))


async def test_tells_what_changes_and_stays_silent_when_the_device_hangs(
    manager: socket.socket,
) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000"}
    sign = Sign(ready=False, alive=True, text="connecting")
    task = asyncio.create_task(
        keep_told(Notifier(environment), lambda: sign, tick_s=0.01)
    )
    assert await told(manager) == {"STATUS=connecting", "WATCHDOG=1"}
    assert await told(manager) == {"WATCHDOG=1"}  # again and again
    sign = Sign(ready=True, alive=True, text="on")
    words = set[str]()
    while "READY=1" not in words:
        words = await told(manager)
    assert "STATUS=on" in words
    sign = Sign(ready=True, alive=False, text="on")
    await asyncio.sleep(0.05)
    manager.setblocking(False)
    while True:  # what was sent before
        try:
            manager.recv(4096)
        except BlockingIOError:
            break
    await asyncio.sleep(0.3)  # longer than the watchdog's time
    with pytest.raises(BlockingIOError):
        manager.recv(4096)
    task.cancel()


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0loacast-test-{os.getpid()}")
        listening.settimeout(5)
        environment = {"NOTIFY_SOCKET": f"@loacast-test-{os.getpid()}"}
        Notifier(environment).send("READY=1")
        assert listening.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environment",
    [{}, {"NOTIFY_SOCKET": "/nowhere"}, {"NOTIFY_SOCKET": "/" + "x" * 200}],
)
def test_a_manager_that_is_not_there_changes_nothing(
    environment: dict[str, str],
) -> None:
    Notifier(environment).send("READY=1")


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    environment = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}
    assert Notifier(environment).watchdog_s == 0
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_s == 30
    assert Notifier({"WATCHDOG_USEC": "x"}).watchdog_s == 0
