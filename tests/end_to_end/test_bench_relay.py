"""The bench's bad link for UDP, on real sockets, beside its law in virtual time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from bench.badlink import RELAY_HOST, Relay
from bench.impair import PROFILES, SECOND, Link
from bench.relay import Nat
from bench.theatre import free_udp_port

pytestmark = pytest.mark.end_to_end

PACKETS = 40


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A UDP socket that the relay takes for the server's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", free_udp_port()))
        bound.settimeout(2)
        yield bound


def test_after_an_outage_the_listener_comes_from_another_port() -> None:
    link: Link[bytes] = Link(PROFILES["terrible"], "nat", outage_at_ns=5 * SECOND)
    nat = Nat(("127.0.0.1", 9), link, ("127.0.0.1", 9))
    port = nat.socket.getsockname()[1]
    assert nat.rebind(4 * SECOND) is None
    old = nat.rebind(5 * SECOND)
    assert old is not None
    assert nat.rebind(30 * SECOND) is None
    with old, nat.socket:
        assert old.getsockname()[1] == port != nat.socket.getsockname()[1]


def test_datagrams_go_both_ways_late_and_not_at_all_in_an_outage(
    server: socket.socket,
) -> None:
    port = server.getsockname()[1]
    link = Relay("terrible", "smoke", port, outage_s=0.9)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
        link,
    ):
        listener.connect((RELAY_HOST, port))
        listener.settimeout(2)
        sent_ns = time.monotonic_ns()
        for number in range(PACKETS):
            listener.send(bytes([number]))
        came = server.recvfrom(100)
        assert time.monotonic_ns() - sent_ns > 5_000_000
        for number in range(PACKETS):
            server.sendto(bytes([number]), came[1])
        answers = [listener.recv(100)]
        time.sleep(max(0, 1.1 - (time.monotonic_ns() - sent_ns) / 1e9))
        listener.send(b"lost in the outage")
        account = link.finish()
    assert answers[0][0] < PACKETS
    assert (account["up_sent"], account["down_sent"]) == (PACKETS + 1, PACKETS)
    assert account["up_lost"] >= 1
