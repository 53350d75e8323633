"""One connection of the load generator: a plain socket and its account."""

from __future__ import annotations

import socket
from time import monotonic_ns

from bench import handshake
from bench.account import Account
from bench.stream import PONG, TEXT, Chunk, masked
from streamer.wire.control import Ping, Report, serialize

JOIN_TIMEOUT_S = 20.0
STALLABLE_RECEIVE_BYTES = 4096
"""SO_RCVBUF of a listener that will stop reading.

The kernel's usual 128 KiB would hide a stall of some seconds from the server.
"""
_READ_BYTES = 16_384
_REPORT = masked(
    TEXT,
    serialize(
        Report(
            broadcast=None,
            packets_received=0,
            packets_lost=0,
            packets_discarded=0,
            total_samples_received=0,
            concealed_samples=0,
            silent_concealed_samples=0,
            concealment_events=0,
            round_trip_time_us=200,
            clock_offset_us=0,
            clock_drift_ppm=0,
            audio_level_dbfs=-20,
            volume_percent=100,
        )
    ).encode(),
)
"As long as a real one; its numbers are of no interest here."


class Connection:
    """A listener's socket, from connecting to closing."""

    __slots__ = (
        *("account", "first_arrival_ns", "joined_ns", "live_ns", "resumed_ns"),
        *("sock", "ssrc", "stalled"),
    )

    def __init__(self, *, stallable: bool) -> None:
        self.account = Account()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.ssrc = 0
        "Of the packet that arrived last."
        self.first_arrival_ns: dict[int, int] = {}
        "SSRC to when the first packet after another programme's was read."
        self.joined_ns = 0
        "When it began to join."
        self.stalled = False
        self.resumed_ns = 0
        self.live_ns: int | None = None
        if stallable:  # must be set before connecting: it limits the window's scale
            option = (socket.SOL_SOCKET, socket.SO_RCVBUF, STALLABLE_RECEIVE_BYTES)
            self.sock.setsockopt(*option)

    def open(self, address: tuple[str, int], path: str, credential: str) -> None:
        """Connect and ask for the upgrade; :meth:`upgraded` reads the answer."""
        self.joined_ns = monotonic_ns()
        self.sock.settimeout(JOIN_TIMEOUT_S)
        self.sock.connect(address)
        host = f"{address[0]}:{address[1]}"
        self.sock.sendall(handshake.request(host, path, credential))

    def upgraded(self) -> Chunk:
        """Wait for the answer; return what the server sent behind it.

        Raises:
            HandshakeFailed: The server refused.
        """
        head = b""
        while handshake.END not in head:
            data = self.sock.recv(_READ_BYTES)
            if not data or len(head) > handshake.MAX_HEAD_BYTES:
                raise handshake.HandshakeFailed(f"answer ended early: {head[:500]!r}")
            head += data
        head, _, rest = head.partition(handshake.END)
        handshake.check(head)
        self.sock.setblocking(False)
        chunk = self.account.take(rest)
        self._note_arrival(chunk, monotonic_ns())
        return chunk

    @property
    def first_media_ns(self) -> int | None:
        """When its first packet of all was read."""
        return min(self.first_arrival_ns.values(), default=None)

    def receive(self) -> tuple[Chunk, int] | None:
        """Read once; return what is complete and when it was read.

        None when nothing is there or the connection is over.
        """
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        now_ns = monotonic_ns()
        if not data:
            self.account.closed = True
            return None
        chunk = self.account.take(data)
        self._note_arrival(chunk, now_ns)
        if chunk.pings:
            self._send(b"".join(masked(PONG, payload) for payload in chunk.pings))
        return chunk, now_ns

    def speak(self, now_ns: int, *, reporting: bool) -> None:
        """Report, or ask for the server's clock: speakers do each every 10 s."""
        ping = masked(TEXT, serialize(Ping(now_ns // 1000)).encode())
        self._send(_REPORT if reporting else ping)

    def _note_arrival(self, chunk: Chunk, now_ns: int) -> None:
        if chunk.runs and (ssrc := chunk.runs[-1].start[0]) != self.ssrc:
            self.ssrc = ssrc
            self.first_arrival_ns.setdefault(ssrc, now_ns)

    def _send(self, data: bytes) -> None:
        try:
            self.sock.send(data)
        except OSError:
            self.account.closed = True
