"""Tests of streamer.fanout.uring, on real sockets; left out where io_uring is not."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import uvloop

from streamer.fanout.uring import SendRing

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def ring() -> Iterator[SendRing]:
    try:
        opened = SendRing.open(8)
    except OSError as error:
        pytest.skip(f"this machine lets nobody use io_uring: {error}")
    yield opened
    opened.close()


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(20)]
    yield made
    for pair in made:
        for end in pair:
            end.close()


def descriptors(pairs: list[Pair]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([ours.fileno() for ours, _ in pairs], np.int32)


def fill(sock: socket.socket) -> None:
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(1000))
    sock.setblocking(True)


def test_everybody_gets_the_bytes_in_order_also_more_than_the_ring_holds(
    ring: SendRing, pairs: list[Pair]
) -> None:
    for number in range(50):
        data = b"packet %02d" % number
        assert list(ring.send(descriptors(pairs), data)) == [len(data)] * 20
    expected = b"".join(b"packet %02d" % number for number in range(50))
    for _, theirs in pairs:
        assert theirs.recv(10_000) == expected


def test_a_full_and_a_broken_socket_are_told_and_nobody_waits(
    ring: SendRing, pairs: list[Pair]
) -> None:
    fill(pairs[3][0])  # blocking sockets: the flags alone keep the ring from waiting
    pairs[5][1].close()
    results = ring.send(descriptors(pairs), b"hello")
    expected = [5] * 20
    expected[3], expected[5] = -errno.EAGAIN, -errno.EPIPE
    assert list(results) == expected


def test_what_the_kernel_takes_of_a_large_parcel_is_counted(
    ring: SendRing, pairs: list[Pair]
) -> None:
    data = bytes(range(256)) * 40_000
    server = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(server.getsockname()) as theirs:
        ours, _ = server.accept()
        with server, ours:
            taken = int(ring.send(np.array([ours.fileno()], np.int32), data)[0])
            assert 0 < taken < len(data)
            ours.close()
            received = b"".join(iter(lambda: theirs.recv(65_536), b""))
    assert received == data[:taken]


def test_nobody_is_no_work(ring: SendRing) -> None:
    assert len(ring.send(np.zeros(0, np.int32), b"hello")) == 0


def test_a_closed_ring_takes_nothing_for_anybody(
    ring: SendRing, pairs: list[Pair]
) -> None:
    ring.close()
    results = ring.send(descriptors(pairs), b"hello")
    assert list(results) == [-errno.EAGAIN] * 20


def test_where_the_kernel_refuses_it_says_so() -> None:
    with pytest.raises(OSError, match="io_uring_setup"):
        SendRing.open(0)


class Witness(asyncio.Protocol):
    """Looks, when told of a connection's end, whether its socket is still open."""

    def __init__(self) -> None:
        self.is_open: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._descriptor = transport.get_extra_info("socket").fileno()
        self._inode = os.fstat(self._descriptor).st_ino

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open.set_result(os.fstat(self._descriptor).st_ino == self._inode)


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
@pytest.mark.parametrize("how", ["abort", "close", "lost"])
def test_the_loops_close_a_socket_only_after_they_said_so(
    loop: Callable[[], asyncio.AbstractEventLoop], how: str
) -> None:
    """Else a number could be another connection's while the hub still sends to it."""

    async def see() -> bool:
        running = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            transport, witness = await running.create_connection(Witness, *address)
            peer, _ = server.accept()
            with peer:
                if how == "lost":
                    peer.close()
                else:
                    getattr(transport, how)()
                return await asyncio.wait_for(witness.is_open, 5)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(see())


MARK_BYTES = 3584
SIOCOUTQNSD = 0x894B
"linux/sockios.h: asks for the bytes not sent yet."


def frozen_link() -> Pair:
    """Return a TCP connection whose reader takes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.socket()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        theirs.connect(listening.getsockname())
        ours, _ = listening.accept()
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MARK_BYTES)
    return ours, theirs


def test_a_frozen_link_holds_the_mark_and_one_message_unsent(ring: SendRing) -> None:
    ours, theirs = frozen_link()
    with ours, theirs:
        message = bytes(240)
        for _ in range(1000):
            if ring.send(descriptors([(ours, theirs)]), message)[0] != len(message):
                break
        held = fcntl.ioctl(ours.fileno(), SIOCOUTQNSD, bytes(4))
        assert 0 < struct.unpack("i", held)[0] <= MARK_BYTES + len(message)
