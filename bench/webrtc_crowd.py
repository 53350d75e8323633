"""All WebRTC listeners of the load generator, and the two ways of reading them.

*Eager* ones, a uniform sample, are read as soon as the loop hears of a datagram; the
*lazy* ones in turn, forty at a time and each every 200 ms, by recvmmsg into one matrix.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from time import monotonic_ns

import numpy as np
import numpy.typing as npt

from bench.account import Mapping
from bench.crowd import spread
from bench.ledger import ClockLedger, LoopLedger
from bench.receive import DatagramReader
from bench.rtp_account import ONE_STREAM, Expectations
from bench.webrtc_connection import WebRtcConnection
from bench.webrtc_signalling import Listener, Signalling

AT_ONCE = 32
"Joins in flight."
JOIN_TIMEOUT_S = 60.0
TEND_PERIOD_S = 0.05
"Between two looks at who is still shaking hands."
LAZY_PERIOD_S = 0.2
SLICE_LISTENERS = 40
PER_LISTENER = 24
"Datagrams read of one at its turn: twice what comes in a period, and some control."
STRIDE_BYTES = 512
"What is longer is cut: no packet of ours is."
MIN_SLICE_S = 0.002
ONE_DECRYPTED_IN = 50

AnyLedger = ClockLedger | LoopLedger


class JoinFailed(Exception):
    """A listener could not join."""


class WebRtcCrowd:
    """The listeners by place; who leaves frees its place for another."""

    def __init__(
        self,
        signalling: Signalling,
        ledger: AnyLedger,
        listener: Callable[[int], Listener],
        *,
        host: str,
        places: int,
        eager: int,
    ) -> None:
        self.ledger = ledger
        self.due_ns = array("q")
        self.lateness_ns = array("q")
        self._signalling = signalling
        self._listener = listener
        self._host = host
        self.eager_places = spread(eager, places)
        self._decrypting = spread(-(-places // ONE_DECRYPTED_IN), places)
        self._placed: dict[int, WebRtcConnection] = {}
        self._joining: dict[WebRtcConnection, asyncio.Future[None]] = {}
        self._read_now: dict[int, WebRtcConnection] = {}
        "Those that the loop watches, by descriptor."
        self._lazy: list[WebRtcConnection] = []
        self._cursor = 0
        self._expectations = Expectations(places)
        self._reader = DatagramReader(SLICE_LISTENERS * PER_LISTENER, STRIDE_BYTES)
        self._loop = asyncio.get_running_loop()

    @property
    def mappings(self) -> dict[int, Mapping]:
        """The grid, as `bench.findings` wants it."""
        return self.ledger.mappings

    @property
    def connections(self) -> list[WebRtcConnection]:
        """Every listener that is there."""
        return list(self._placed.values())

    def is_there(self, place: int) -> bool:
        """Whether somebody is at *place*."""
        return place in self._placed

    async def join(self, places: Sequence[int]) -> None:
        """Let a listener join at each of *places*, `AT_ONCE` at a time.

        Raises:
            JoinFailed: One did not connect in time.
        """
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(place: int) -> None:
            async with turns:
                await self.join_one(place)

        async with asyncio.TaskGroup() as group:
            for place in places:
                group.create_task(one(place))

    async def join_one(self, place: int) -> WebRtcConnection:
        """Let a listener join at *place*; return it, connected.

        Raises:
            JoinFailed: It did not connect in time.
        """
        connection = WebRtcConnection(
            self._listener(place),
            self.ledger,
            place,
            host=self._host,
            decrypting=place in self._decrypting,
        )
        connection.joined_ns = monotonic_ns()
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                await self._connect(connection)
        except BaseException as error:
            self._forget(connection)
            connection.leave(told=False)
            if isinstance(error, TimeoutError):
                raise JoinFailed(f"listener {place} did not connect") from None
            raise
        if place not in self.eager_places:
            self._watch(connection, on=False)
            self._lazy.append(connection)
        return connection

    async def leave(self, place: int, *, deleted: bool, told: bool) -> None:
        """End the listener at *place*.

        Args:
            place: Whose.
            deleted: Whether its resource is deleted.
            told: Whether it says goodbye itself; neither is vanishing.
        """
        connection = self._placed[place]
        self._forget(connection)
        try:
            if deleted:
                await self._signalling.leave(connection.resource)
        finally:
            connection.leave(told=told)

    def _forget(self, connection: WebRtcConnection) -> None:
        """Read it no more."""
        self._watch(connection, on=False)
        self._joining.pop(connection, None)
        self._lazy = [one for one in self._lazy if one is not connection]
        if self._placed.get(connection.place) is connection:
            del self._placed[connection.place]
            self.settle_one(connection)
            self._expectations.expect(connection.place, None)

    def settle(self) -> None:
        """Bring every account up to date with what was read."""
        for connection in self.connections:
            self.settle_one(connection)

    def settle_one(self, connection: WebRtcConnection) -> None:
        """Bring one account up to date."""
        self._expectations.settle(connection.place, connection.account)

    async def run(self) -> None:
        """Read lazy listeners and tend to all, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tend_joining())
            group.create_task(self._tend_eager())
            group.create_task(self._read_lazy())

    # ------------------------------------------------------------- joining

    async def _connect(self, connection: WebRtcConnection) -> None:
        listener, place = connection.listener, connection.place
        address = connection.sock.getsockname()
        connection.resource = await self._signalling.join(listener, place, address)
        connection.connect()
        self._expectations.expect(place, None)
        self._placed[place] = connection
        self._watch(connection, on=True)
        if not listener.connected:
            self._joining[connection] = self._loop.create_future()
            connection.tend(monotonic_ns())
            await self._joining[connection]
            del self._joining[connection]
        if connection.account.closed:
            raise JoinFailed(f"listener {place} failed to shake hands")

    # ------------------------------------------------------------- reading

    def _watch(self, connection: WebRtcConnection, *, on: bool) -> None:
        descriptor = connection.sock.fileno()
        if on:
            self._read_now[descriptor] = connection
            self._loop.add_reader(descriptor, self._read_eager, connection)
        elif self._read_now.pop(descriptor, None) is not None:
            self._loop.remove_reader(descriptor)

    def _read_eager(self, connection: WebRtcConnection) -> None:
        now_ns = monotonic_ns()
        head = connection.receive(now_ns)
        if head is None:
            self._see_joined(connection)
        elif connection.place in self.eager_places and connection.account.aligned:
            timestamp = connection.account.timestamp(head)
            due_ns = self.mappings[ONE_STREAM].due_ns(timestamp)
            self.due_ns.append(due_ns)
            self.lateness_ns.append(now_ns - due_ns)

    def _see_joined(self, connection: WebRtcConnection) -> None:
        over = connection.listener.connected or connection.account.closed
        joined = self._joining.get(connection) if over else None
        if joined is not None and not joined.done():
            joined.set_result(None)

    async def _read_lazy(self) -> None:
        due_s = self._loop.time()
        while True:
            slices = max(1, -(-len(self._lazy) // SLICE_LISTENERS))
            period_s = max(MIN_SLICE_S, LAZY_PERIOD_S / slices)
            due_s = max(due_s + period_s, self._loop.time() - LAZY_PERIOD_S)
            await asyncio.sleep(due_s - self._loop.time())
            if self._cursor >= len(self._lazy):
                self._cursor = 0
            chunk = self._lazy[self._cursor : self._cursor + SLICE_LISTENERS]
            self._cursor += SLICE_LISTENERS
            self.read_slice(chunk)

    def read_slice(self, chunk: Sequence[WebRtcConnection]) -> None:
        """Read what there is for each of *chunk*, at most `SLICE_LISTENERS`."""
        reader, end = self._reader, 0
        some, counts = [], []
        for connection in chunk:
            count = reader.read(connection.sock.fileno(), end, PER_LISTENER)
            if count:
                some.append(connection)
                counts.append(count)
                end += count
        if some:
            self._take(some, np.array(counts, np.intp), end)
        now_ns = monotonic_ns()
        for connection in chunk:
            connection.tend(now_ns)

    def _take(
        self, some: Sequence[WebRtcConnection], counts: npt.NDArray[np.intp], end: int
    ) -> None:
        places = np.array([connection.place for connection in some], np.intp)
        rows, sizes = self._reader.rows[:end], self._reader.lengths[:end]
        taken = self._expectations.match(rows, sizes, places, counts)
        now_ns = monotonic_ns()
        for position in np.flatnonzero(~taken).tolist():
            connection = some[position]
            self.settle_one(connection)
            start = int(counts[:position].sum())
            for row in range(start, start + int(counts[position])):
                connection.take(self._reader.datagram(row), now_ns)
            fits = connection.account.aligned and not connection.decrypting
            last = connection.account.last if fits else None
            self._expectations.expect(connection.place, last)

    # ------------------------------------------------------------- tending

    async def _tend_joining(self) -> None:
        while True:
            await asyncio.sleep(TEND_PERIOD_S)
            now_ns = monotonic_ns()
            for connection in list(self._joining):
                connection.tend(now_ns)

    async def _tend_eager(self) -> None:
        while True:
            await asyncio.sleep(LAZY_PERIOD_S)
            now_ns = monotonic_ns()
            for connection in list(self._read_now.values()):
                if connection not in self._joining:
                    connection.tend(now_ns)
