"""Tells systemd how it goes (sd_notify(3)): one datagram per word, no library."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic_ns

from clients.speaker.status import SpeakerStatus

HANG_NS = 12_000_000_000
"A device's thread opens a card within seconds, and tries again each 5."
TICK_S = 1.0


class Notifier:
    """Sends words to the socket that the service manager named, if it did.

    Args:
        environment: Such as `os.environ`.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is abstract: no file (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = _watchdog_s(environment)
        "How often the manager wants a sign of life at least; 0: it does not."

    def send(self, *words: str) -> None:
        """Send; a manager that does not listen changes nothing."""
        if not self._address:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto("\n".join(words).encode(), self._address)


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Source: sd_watchdog_enabled(3)."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    with suppress(ValueError):
        return max(0.0, int(environment.get("WATCHDOG_USEC", "")) / 1e6)
    return 0.0


@dataclass(frozen=True, slots=True)
class Sign:
    """What is told of a speaker."""

    ready: bool
    alive: bool
    text: str


def read_sign(
    status: SpeakerStatus, *, offline: bool, beat_ns: int, now_ns: int
) -> Sign:
    """Return what to tell (pure).

    Args:
        status: Of the speaker.
        offline: Whether it has something to play without its server.
        beat_ns: When the device's thread was last known not to hang.
        now_ns: Same clock.
    """
    return Sign(
        ready=status.connected or (offline and status.last_mishap is not None),
        alive=now_ns - beat_ns < HANG_NS,
        text=describe(status),
    )


def describe(status: SpeakerStatus) -> str:
    """Return one line for whoever asks ``systemctl status``."""
    if not status.connected:
        text = f"no connection: {status.last_mishap or 'connecting'}"
    elif status.playing is not None:
        playing = status.playing
        text = f"playing ({playing.programme_class}): {playing.title}"
    else:
        text = "connected, nothing is on air"
    if not status.sounding:
        text = f"NO SOUND, the output does not work; {text}"
    return " ".join(text.split())


async def keep_told(
    notifier: Notifier, look: Callable[[], Sign], *, tick_s: float = TICK_S
) -> None:
    """Tell what changes, and that both loop and device go on; until cancelled.

    The loop proves itself by running this; the device by its beat.
    """
    told, ready, fed_ns = "", False, 0
    if notifier.watchdog_s:
        tick_s = min(tick_s, notifier.watchdog_s / 4)
    while True:
        sign, now_ns = look(), monotonic_ns()
        words = []
        if sign.ready and not ready:
            ready = True
            words.append("READY=1")
        if sign.text != told:
            told = sign.text
            words.append(f"STATUS={told}")
        # Half of what is allowed, as sd_watchdog_enabled(3) advises.
        due = now_ns - fed_ns >= notifier.watchdog_s * 0.4e9
        if notifier.watchdog_s and sign.alive and due:
            fed_ns = now_ns
            words.append("WATCHDOG=1")
        if words:
            notifier.send(*words)
        await asyncio.sleep(tick_s)
