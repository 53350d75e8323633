"""All connections of the load generator and the two ways of reading them."""

from __future__ import annotations

import select
from array import array
from itertools import islice
from time import monotonic_ns

from bench.account import Mapping
from bench.connection import Connection
from bench.stream import Chunk, programmes

JOIN_BATCH = 64
LAZY_PERIOD_NS = 200_000_000
LAZY_SLICE_NS = 2_000_000
SPEAK_PERIOD_NS = 5_000_000_000  # ping and report in turn
"""Between two pings of one listener, as of a speaker; every second time it reports too.

One that says nothing would be taken for gone (FORMAT.md).
"""
LIVE_EDGE_NS = 60_000_000
"A stalled listener is back when what it reads is at most this late."


class Seat:
    """What a listener is to be: its credential, and how it is read."""

    __slots__ = ("credential", "eager", "stallable")

    def __init__(self, credential: str, *, eager: bool, stallable: bool) -> None:
        self.credential = credential
        self.eager = eager
        self.stallable = stallable


def seats(credentials: list[str], eager: int, stallable: int) -> list[Seat]:
    """Return a seat per credential, *eager* and *stallable* ones spread evenly."""
    eager_places = spread(eager, len(credentials))
    stallable_places = spread(stallable, len(credentials))
    return [
        Seat(
            credential,
            eager=place in eager_places,
            stallable=place in stallable_places,
        )
        for place, credential in enumerate(credentials)
    ]


def spread(count: int, total: int) -> set[int]:
    """Return *count* places in ``range(total)``, evenly spaced; all when too many."""
    count = min(count, total)
    return {place * total // count for place in range(count)}


class Crowd:
    """All connections, the two ways of reading them, and what was seen."""

    def __init__(
        self,
        address: tuple[str, int],
        path: str,
        seats: list[Seat],
        *,
        speaking: bool = False,
    ) -> None:
        self._address = address
        self._path = path
        self._seats = seats
        self._speaking = speaking
        self.epoll = select.epoll()
        self.connections: list[Connection] = []
        self.mappings: dict[int, Mapping] = {}
        self.due_ns = array("q")
        self.lateness_ns = array("q")
        self._eager: dict[int, Connection] = {}
        self._lazy: list[Connection] = []
        self._cursor = 0
        self._slice_due_ns = 0
        self._live_watch: set[Connection] = set()
        self._spoken = 0
        self._speak_start_ns = 0

    def join(self, count: int) -> None:
        """Connect *count* more, some at a time."""
        seats = iter(self._seats[len(self.connections) :][:count])
        while batch := list(islice(seats, JOIN_BATCH)):
            opened = [Connection(stallable=seat.stallable) for seat in batch]
            for connection, seat in zip(opened, batch, strict=True):
                connection.open(self._address, self._path, seat.credential)
            for connection, seat in zip(opened, batch, strict=True):
                self._learn(connection.upgraded())
                self._register(connection, eager=seat.eager)
            self.connections += opened
            for fd, _ in self.epoll.poll(0):  # what is on air meanwhile
                self.read(fd)
        self._spoken, self._speak_start_ns = 0, monotonic_ns()

    def leave(self) -> None:
        """Close every connection."""
        for connection in self.connections:
            self._unregister(connection)
            connection.sock.close()
        self.connections, self._lazy, self._cursor = [], [], 0

    def read(self, fd: int) -> None:
        """Read the eager listener *fd* and note how late its message is."""
        # A stall may have taken it out after epoll reported it.
        if (connection := self._eager.get(fd)) is None:
            return
        if (received := connection.receive()) is not None:
            chunk, now_ns = received
            self._learn(chunk)
            self._note(chunk, now_ns)
            if chunk.ends and connection in self._live_watch:
                self._watch(connection, now_ns)
        elif connection.account.closed:
            self._unregister(connection)

    def drain(self) -> float:
        """Read the lazy listeners whose turn it is; return seconds to the next turn."""
        now_ns = monotonic_ns()
        if now_ns < self._slice_due_ns:
            return (self._slice_due_ns - now_ns) / 1e9
        self._slice_due_ns = max(self._slice_due_ns + LAZY_SLICE_NS, now_ns)
        share = -(-len(self._lazy) * LAZY_SLICE_NS // LAZY_PERIOD_NS)
        for connection in self._lazy[self._cursor : self._cursor + share]:
            if (received := connection.receive()) is not None:
                self._learn(received[0])
        self._cursor += share
        if self._speaking:
            self._speak(now_ns)
        if self._cursor >= len(self._lazy):
            self._cursor = 0
            self._lazy = [one for one in self._lazy if not one.account.closed]
        return LAZY_SLICE_NS / 1e9

    def stall(self) -> list[Connection]:
        """Stop reading every stallable listener; return them."""
        stalled = [
            connection
            for connection, seat in zip(self.connections, self._seats, strict=False)
            if seat.stallable
        ]
        for connection in stalled:
            connection.stalled = True
            self._unregister(connection)
        return stalled

    def resume(self, stalled: list[Connection]) -> None:
        """Read *stalled* again, eagerly, and watch for them to be live."""
        for connection in stalled:
            connection.stalled = False
            connection.resumed_ns, connection.live_ns = monotonic_ns(), None
            self._live_watch.add(connection)
            self._register(connection, eager=True)

    def _speak(self, now_ns: int) -> None:
        """Let those speak whose turn it is, evenly over the period."""
        count = len(self.connections)
        due = (now_ns - self._speak_start_ns) * count // SPEAK_PERIOD_NS
        for number in range(self._spoken, due):
            period, place = divmod(number, count)
            if not (connection := self.connections[place]).stalled:
                connection.speak(now_ns, reporting=period % 2 == 1)
        self._spoken = max(self._spoken, due)

    def _register(self, connection: Connection, *, eager: bool) -> None:
        if eager:
            self._eager[connection.sock.fileno()] = connection
            self.epoll.register(connection.sock.fileno(), select.EPOLLIN)
        else:
            self._lazy.append(connection)

    def _unregister(self, connection: Connection) -> None:
        if self._eager.pop(connection.sock.fileno(), None) is not None:
            self.epoll.unregister(connection.sock.fileno())
        elif connection in self._lazy:
            self._lazy.remove(connection)

    def _learn(self, chunk: Chunk) -> None:
        for programme in programmes(chunk) if chunk.controls else ():
            self.mappings.setdefault(programme.ssrc, Mapping.of(programme))

    def _note(self, chunk: Chunk, now_ns: int) -> None:
        """Note the lateness of every message, also of those read together."""
        for ssrc, timestamp in chunk.ends:
            if (mapping := self.mappings.get(ssrc)) is not None:
                due_ns = mapping.due_ns(timestamp)
                self.due_ns.append(due_ns)
                self.lateness_ns.append(now_ns - due_ns)

    def _watch(self, connection: Connection, now_ns: int) -> None:
        """Note when a listener that read again has caught up; its message is noted."""
        if self.lateness_ns and self.lateness_ns[-1] <= LIVE_EDGE_NS:
            connection.live_ns = now_ns
            self._live_watch.discard(connection)
