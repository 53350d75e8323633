"""A bad link for anything, TCP too: a pump between two TUN devices (adapter).

One device is the host's, the other lies in a network namespace of its own, in which a
speaker runs. Every IP packet between them goes through `bench.impair`. This is the one
way to impair TCP without changing it: a relay of bytes would lose and delay none of
its segments. It needs root, ``/dev/net/tun`` and ``ip``; where it may not, `unfit`
says why.

After an outage the NAT has forgotten its mappings: packets of TCP connections begun
before it lead nowhere, both ways.

Run by `bench.badlink.Tunnel`:
``python -m bench.tunnel PROFILE SEED NUMBER [OUTAGE_S]``.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, Self

from bench.impair import PROFILES, SECOND, Line, Link

TUN = Path("/dev/net/tun")
HOST_ADDRESS = "10.213.0.1"
"Of the host's end, whatever the number of tunnels."
MAX_PACKET_BYTES = 2048
PROTOCOL_TCP = 6
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_IDLE_MS = 200


def unfit() -> str | None:
    """Return why no tunnel can be made here; None: one can."""
    if os.geteuid() != 0:
        return "needs root"
    if not TUN.exists():
        return f"needs {TUN}"
    if shutil.which("ip") is None:
        return "needs the command ip"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True)
    return None if tried.returncode == 0 else "may not make a network namespace"


class Forgetting:
    """Which TCP connections the NAT still knows (pure).

    A connection is known by the speaker's port; those begun before the NAT took
    another address are forgotten.
    """

    def __init__(self) -> None:
        self._address = 0
        self._known: set[int] = set()
        self._gone: set[int] = set()

    def passes(self, packet: bytes, *, address: int, up: bool) -> bool:
        """Whether the NAT knows what to do with *packet*, an IPv4 one."""
        if address != self._address:
            self._address = address
            self._gone, self._known = self._gone | self._known, set()
        if packet[9] != PROTOCOL_TCP:
            return True
        at = 4 * (packet[0] & 0x0F) + (0 if up else 2)  # RFC 9293, section 3.1
        port = int.from_bytes(packet[at : at + 2])
        if port in self._gone:
            return False
        self._known.add(port)
        return True


class Pump:
    """Moves packets between two TUN devices; a context manager that makes them.

    Args:
        link: What lies between them.
        number: Of the tunnel, from 0; gives names and the speaker's address.
    """

    def __init__(self, link: Link[bytes], number: int) -> None:
        self._link = link
        self.namespace = f"loacast-{os.getpid()}"
        self.speaker_address = f"10.213.0.{number + 2}"
        self._names = (f"loa{os.getpid()}h", f"loa{os.getpid()}s")
        self._start_ns = time.monotonic_ns()
        self._nat = Forgetting()
        self._host = self._speaker = -1

    def __enter__(self) -> Self:
        host, speaker = self._names
        self._host, self._speaker = _open_tun(host), _open_tun(speaker)
        _ip("netns", "add", self.namespace)
        _ip("link", "set", speaker, "netns", self.namespace)
        _ip("address", "add", HOST_ADDRESS, "peer", self.speaker_address, "dev", host)
        _ip("link", "set", host, "up")
        inside = ("-n", self.namespace)
        peer = ("peer", HOST_ADDRESS, "dev", speaker)
        _ip(*inside, "address", "add", self.speaker_address, *peer)
        _ip(*inside, "link", "set", speaker, "up")
        _ip(*inside, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._host)
        os.close(self._speaker)
        _ip("netns", "delete", self.namespace)

    def run(self, commands: BinaryIO) -> None:
        """Move packets until *commands* end; a line is ``freeze MILLISECONDS``."""
        poll = select.poll()
        for each in (self._host, self._speaker, commands.fileno()):
            poll.register(each, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll(self._wait_ms()):
                if descriptor == commands.fileno():
                    if not self._obey(commands.readline()):
                        return
                elif descriptor == self._host:
                    self._take(self._host, self._link.down, up=False)
                else:
                    self._take(self._speaker, self._link.up, up=True)
            now_ns = self._now_ns
            _write(self._speaker, self._link.down.due(now_ns))
            _write(self._host, self._link.up.due(now_ns))

    def account(self) -> dict[str, int]:
        """Return what became of the packets."""
        return {
            f"{way}_{what}": getattr(line, what)
            for way, line in (("down", self._link.down), ("up", self._link.up))
            for what in ("sent", "lost", "dropped")
        }

    @property
    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def _obey(self, line: bytes) -> bool:
        words = line.split()
        if not words:
            return False
        until_ns = self._now_ns + int(words[1]) * SECOND // 1000
        self._link.weather.freeze(until_ns)
        print(f"frozen until {self._start_ns + until_ns}", flush=True)
        return True

    def _wait_ms(self) -> int:
        at = self._link.next_ns
        if at is None:
            return _IDLE_MS
        return max(0, min(_IDLE_MS, -((self._now_ns - at) // 1_000_000)))

    def _take(self, device: int, line: Line[bytes], *, up: bool) -> None:
        now_ns = self._now_ns
        address = self._link.weather.address(now_ns)
        while packet := _read(device):
            is_ipv4 = packet[0] >> 4 == 4  # else the kernel's own IPv6 chatter
            if is_ipv4 and self._nat.passes(packet, address=address, up=up):
                line.send(now_ns, packet, len(packet))


def _open_tun(name: str) -> int:
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(device, _TUNSETIFF, request)
    return device


def _read(device: int) -> bytes:
    try:
        return os.read(device, MAX_PACKET_BYTES)
    except BlockingIOError:
        return b""


def _write(device: int, packets: list[bytes]) -> None:
    for packet in packets:
        os.write(device, packet)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def main(arguments: list[str]) -> None:
    """Pump until standard input ends; then say what became of the packets."""
    profile, seed, number, *outage_s = arguments
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # through the contexts
    outage_at_ns = round(float(outage_s[0]) * 1e9) if outage_s else None
    link: Link[bytes] = Link(PROFILES[profile], seed, outage_at_ns=outage_at_ns)
    with Pump(link, int(number)) as pump:
        print(f"ready {pump.namespace}", flush=True)
        pump.run(sys.stdin.buffer)
        print(json.dumps(pump.account()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
