"""One listener of the WebRTC load generator: a UDP socket and its account."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import Protocol

from bench.rtp_account import Head, RtpAccount, read_head
from bench.webrtc_signalling import Listener
from streamer.wire.errors import RemoteWireError

MAX_DATAGRAM_BYTES = 2048
KEPT_MARKS = 16
REPORT_INTERVAL_NS = 5_000_000_000
"As a browser reports on audio (RFC 3550, section 6.2)."


class Ledger(Protocol):
    """What all listeners share: which packet is which, and what should be in it."""

    def align(self, account: RtpAccount, head: Head, payload: bytes | None) -> None:
        """Bring *account* to the common grid, if *payload* or *head* tells how."""
        ...

    @property
    def aligns_by_payload(self) -> bool:
        """Whether :meth:`align` needs the payload."""
        ...

    def compare(self, timestamp: int, payload: bytes | None) -> None:
        """Hold the payload of the packet with *timestamp* against the truth."""
        ...


class WebRtcConnection:
    """A listener's socket, from its offer to its end."""

    __slots__ = (
        *("_ledger", "_report_due_ns", "account", "decrypting", "first_media_ns"),
        *("joined_ns", "listener", "marks_ns", "place", "resource", "sock"),
    )

    def __init__(
        self,
        listener: Listener,
        ledger: Ledger,
        place: int,
        *,
        host: str,
        decrypting: bool,
    ) -> None:
        self.listener = listener
        self.place = place
        self.decrypting = decrypting
        "Whether every payload is compared."
        self.account = RtpAccount()
        self.joined_ns = 0
        "When it began to join."
        self.first_media_ns: int | None = None
        self.marks_ns: deque[int] = deque(maxlen=KEPT_MARKS)
        "When the first packet after each of the latest switches was read."
        self.resource = ""
        "What the server calls it."
        self._ledger = ledger
        self._report_due_ns = 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((host, 0))

    def connect(self) -> None:
        """Begin: there is an answer."""
        self.sock.connect(self.listener.server)

    def receive(self, now_ns: int) -> Head | None:
        """Read once; return the head when it was media."""
        try:
            datagram = self.sock.recv(MAX_DATAGRAM_BYTES)
        except OSError:  # nothing there; or the server is gone, as its silence tells
            return None
        return self.take(datagram, now_ns)

    def take(self, datagram: bytes, now_ns: int) -> Head | None:
        """Account for a datagram; return the head when it was media."""
        if (head := read_head(datagram)) is None:
            self._take_other(datagram)
            return None
        account = self.account
        by_payload = not account.aligned and self._ledger.aligns_by_payload
        payload = self._decrypt(datagram) if self.decrypting or by_payload else None
        if not account.aligned:
            self._ledger.align(account, head, payload)
            if not account.aligned:  # what it may be will count as lost
                return head
        if self.first_media_ns is None:
            self.first_media_ns = now_ns
        if head.marker:
            self.marks_ns.append(now_ns)
        account.take(head, len(datagram))
        if self.decrypting:
            self._ledger.compare(account.timestamp(head), payload)
        return head

    def _decrypt(self, datagram: bytes) -> bytes | None:
        packet = self.listener.decrypt(datagram) if self.listener.connected else None
        return None if packet is None else packet.payload

    def tend(self, now_ns: int) -> None:
        """Let it speak when it is due: checks, consent, reports, retransmissions."""
        self.listener.poll(now_ns=now_ns)
        last = self.account.last
        if last is not None and now_ns >= self._report_due_ns:
            if self._report_due_ns:
                self.listener.report(last.ssrc, last.sequence)
            else:  # spread over the period by when the first packet came
                now_ns -= REPORT_INTERVAL_NS * (self.place % 16) // 16
            self._report_due_ns = now_ns + REPORT_INTERVAL_NS
        self._send()

    def leave(self, *, told: bool) -> None:
        """Close; say goodbye before when *told*."""
        if told:
            self.listener.leave()
            self._send()
        self.sock.close()
        self.account.closed = True

    def _take_other(self, datagram: bytes) -> None:
        try:
            self.listener.receive(datagram)
        except (ConnectionError, RemoteWireError):
            self.account.closed = True
        self._send()
        if self.listener.closed:
            self.account.closed = True

    def _send(self) -> None:
        for datagram in self.listener.outgoing():
            with contextlib.suppress(OSError):  # lost, as a datagram may be
                self.sock.send(datagram)
