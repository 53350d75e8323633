"""A bad link for UDP: a NAT between WebRTC listeners and our server (adapter).

It listens on the server's port at another address of loopback, which is what the server
is told to call its public address: nobody's SDP is changed. Each listener gets a socket
of its own towards the server, which is its address as the server sees it; after an
outage another one. All listeners meet the same weather and the same losses.

Run by `bench.badlink.Relay`:
``python -m bench.relay PROFILE SEED LISTEN_HOST SERVER_HOST PORT [OUTAGE_S]``.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import TypeAlias

from bench.impair import PROFILES, Link, Profile

Address: TypeAlias = tuple[str, int]

IP_AND_UDP_BYTES = 28
MAX_DATAGRAM_BYTES = 2048
MAX_LISTENERS = 100
_IDLE_MS = 200


class Nat:
    """One listener's way: its link, and the socket that the server sees."""

    def __init__(self, listener: Address, link: Link[bytes], server: Address) -> None:
        self.listener = listener
        self.link = link
        self._server = server
        self._address = 0
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.connect(self._server)
        return made

    def rebind(self, now_ns: int) -> socket.socket | None:
        """Take another address if there was an outage; return the old socket then."""
        address = self.link.weather.address(now_ns)
        if address == self._address:
            return None
        self._address, old = address, self.socket
        self.socket = self._connect()
        return old


class Relay:
    """Moves datagrams until told to end; a context manager.

    Args:
        profile: Of the link.
        seed: Of its losses and delays.
        listen: Where listeners send to.
        server: Where the server listens.
        outage_at_ns: When the first outage begins; as the profile says when None.
    """

    def __init__(
        self,
        profile: Profile,
        seed: str,
        listen: Address,
        server: Address,
        *,
        outage_at_ns: int | None = None,
    ) -> None:
        self._profile, self._seed = profile, seed
        self._listen, self._server = listen, server
        self._outage_at_ns = outage_at_ns
        self._start_ns = time.monotonic_ns()
        self._by_listener: dict[Address, Nat] = {}
        self._by_socket: dict[int, Nat] = {}
        self._outside: socket.socket
        self._poll = select.poll()

    def __enter__(self) -> Relay:
        self._outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._outside.setblocking(False)
        self._outside.bind(self._listen)
        self._poll.register(self._outside, select.POLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        self._outside.close()
        for nat in self._by_listener.values():
            nat.socket.close()

    def run(self, until_readable: int) -> None:
        """Move datagrams until the descriptor *until_readable* is readable or closed.

        The descriptor is that of standard input: whoever started us says by closing
        it, or by dying, that we are done.
        """
        self._poll.register(until_readable, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll(self._wait_ms()):
                if descriptor == until_readable:
                    return
                self._read(descriptor)
            self._deliver()

    def account(self) -> dict[str, int]:
        """Return what became of the datagrams, both ways and of all listeners."""
        links = [nat.link for nat in self._by_listener.values()]
        return {
            f"{way}_{what}": sum(getattr(getattr(link, way), what) for link in links)
            for way in ("down", "up")
            for what in ("sent", "lost", "dropped")
        }

    @property
    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def _wait_ms(self) -> int:
        nexts = [
            at
            for nat in self._by_listener.values()
            if (at := nat.link.next_ns) is not None
        ]
        if not nexts:
            return _IDLE_MS
        return max(0, min(_IDLE_MS, -((self._now_ns - min(nexts)) // 1_000_000)))

    def _read(self, descriptor: int) -> None:
        if descriptor == self._outside.fileno():
            for data, listener in _received(self._outside):
                nat = self._nat(listener)
                if nat is not None:
                    size = len(data) + IP_AND_UDP_BYTES
                    nat.link.up.send(self._now_ns, data, size)
        elif (nat := self._by_socket.get(descriptor)) is not None:
            for data, _ in _received(nat.socket):
                size = len(data) + IP_AND_UDP_BYTES
                nat.link.down.send(self._now_ns, data, size)

    def _deliver(self) -> None:
        now_ns = self._now_ns
        for nat in self._by_listener.values():
            if (old := nat.rebind(now_ns)) is not None:
                self._forget(old)
                self._watch(nat)
            for data in nat.link.up.due(now_ns):
                _send(nat.socket, data, None)
            for data in nat.link.down.due(now_ns):
                _send(self._outside, data, nat.listener)

    def _nat(self, listener: Address) -> Nat | None:
        """Return the way of *listener*; None: there are too many."""
        nat = self._by_listener.get(listener)
        if nat is None and len(self._by_listener) < MAX_LISTENERS:
            link: Link[bytes] = Link(
                self._profile, self._seed, outage_at_ns=self._outage_at_ns
            )
            nat = Nat(listener, link, self._server)
            self._by_listener[listener] = nat
            self._watch(nat)
        return nat

    def _watch(self, nat: Nat) -> None:
        self._by_socket[nat.socket.fileno()] = nat
        self._poll.register(nat.socket, select.POLLIN)

    def _forget(self, old: socket.socket) -> None:
        self._poll.unregister(old)
        del self._by_socket[old.fileno()]
        old.close()


def _received(source: socket.socket) -> list[tuple[bytes, Address]]:
    found = []
    try:
        while True:
            found.append(source.recvfrom(MAX_DATAGRAM_BYTES))
    except OSError:  # nothing more, or an ICMP error that is not for us
        return found


def _send(to: socket.socket, data: bytes, address: Address | None) -> None:
    try:
        if address is None:
            to.send(data)
        else:
            to.sendto(data, address)
    except OSError:
        return  # a full or dead socket loses datagrams, as on any network


def main(arguments: list[str]) -> None:
    """Relay until standard input ends; then say what became of the datagrams."""
    profile, seed, listen_host, server_host, port, *outage_s = arguments
    with Relay(
        PROFILES[profile],
        seed,
        (listen_host, int(port)),
        (server_host, int(port)),
        outage_at_ns=round(float(outage_s[0]) * 1e9) if outage_s else None,
    ) as relay:
        print("ready", flush=True)
        relay.run(sys.stdin.fileno())
        print(json.dumps(relay.account()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
