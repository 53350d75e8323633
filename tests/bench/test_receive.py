"""Tests of bench.receive, on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from bench.receive import DatagramReader


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    with receiver, sender:
        yield receiver, sender


def test_what_was_sent_is_read_in_order_where_it_is_wanted(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    receiver, sender = pair
    reader = DatagramReader(8, 16)
    for number in range(5):
        sender.send(bytes([number]) * (number + 1))
    assert reader.read(receiver.fileno(), 2, 3) == 3
    assert [reader.datagram(row) for row in (2, 3, 4)] == [b"\0", b"\1\1", b"\2\2\2"]
    assert reader.read(receiver.fileno(), 5, 10) == 2
    assert reader.datagram(6) == b"\4" * 5
    assert reader.read(receiver.fileno(), 0, 8) == 0


def test_no_more_is_read_than_there_are_rows_and_bytes(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    receiver, sender = pair
    reader = DatagramReader(2, 4)
    for _ in range(3):
        sender.send(b"longer than four")
    assert reader.read(receiver.fileno(), 1, 5) == 1
    assert reader.datagram(1) == b"long"


def test_a_server_that_is_gone_is_silence_and_a_closed_socket_a_fault(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    receiver, sender = pair
    descriptor = sender.fileno()
    receiver.close()
    sender.send(b"x")  # answered by ICMP: connection refused
    reader = DatagramReader(1, 4)
    assert reader.read(descriptor, 0, 1) == 0
    sender.close()
    with pytest.raises(OSError, match="descriptor"):
        reader.read(descriptor, 0, 1)
