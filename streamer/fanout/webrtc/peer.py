"""One WebRTC listener: its credentials, association, address and numbering."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from streamer.fanout.webrtc.dtls import DtlsTransport
from streamer.fanout.webrtc.srtp import Outlet, SrtpSession
from streamer.wire.rtcp import ReceiverReport
from streamer.wire.stun import Address

REMEMBERED_SEGMENTS = 24
"Stretches in which a lost packet can be named; where programmes overlap, one each."

REMEMBERED_TRANSACTIONS = 16


@dataclass(frozen=True, slots=True)
class Target:
    """What a peer listens to: a zone, or one broadcast whatever the air says."""

    zone_id: str | None = None
    broadcast_id: str | None = None
    "All its takes, one after the other."


@dataclass(frozen=True, slots=True)
class Admission:
    """By what right a peer listens; its end is decided by whoever let it in."""

    token_id: str | None = None
    speaker_id: str | None = None
    client: str = ""
    "Whence it asked, when it showed neither: an IP address."

    @property
    def is_public(self) -> bool:
        """Whether it showed nothing."""
        return self.token_id is None and self.speaker_id is None


NOBODY = Admission()


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a peer's stream that came from one programme without a break."""

    ssrc: int
    first_sequence: int
    first_index: int
    shift_samples: int
    octets_before: int
    "Payload octets the peer was sent before it, less the programme's so far."


Kind: TypeAlias = tuple[bool, bool]
"Whether it gets RED, whether it keeps the clock."
KINDS: tuple[Kind, ...] = ((False, False), (True, False), (False, True), (True, True))


@dataclass(slots=True, eq=False)
class Peer:
    """A listener, from its offer to its end."""

    id: str
    target: Target
    ufrag: str
    "Ours: what its checks name first."
    password: bytes
    "Ours: what its checks are proven with."
    dtls: DtlsTransport
    payload_type: int
    redundant: bool
    "It gets RED (RFC 2198)."
    first_sequence: int
    created_ns: int
    heard_ns: int
    "When it last proved to be there; at first, when it was accepted."
    admission: Admission = NOBODY
    keeps_clock: bool = False
    "A synchronised speaker: timestamps are never shifted."
    address: Address | None = None
    selected_heard_ns: int = 0
    "When `address` was last proven."
    addresses: set[Address] = field(default_factory=set)
    "All that carried a valid check."
    dtls_due_ns: int | None = None
    report_due_ns: int = 0
    srtp: SrtpSession | None = None
    outlet: Outlet | None = None
    segments: deque[Segment] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED_SEGMENTS)
    )
    report: ReceiverReport | None = None
    round_trip_ns: int | None = None
    resend_budget: int = 0
    "Retransmissions left until the next sender report: a NACK flood is cut there."
    transactions: dict[bytes, Address] = field(default_factory=dict)
    "STUN checks seen lately, oldest first."

    def has_replayed(self, transaction_id: bytes, source: Address) -> bool:
        """Tell whether a check was seen before from another address; remember it.

        A retransmission comes from where the original came from; the same check
        from elsewhere is somebody who would have the stream sent to himself.
        """
        known = self.transactions.setdefault(transaction_id, source)
        if len(self.transactions) > REMEMBERED_TRANSACTIONS:
            del self.transactions[next(iter(self.transactions))]
        return known != source

    @property
    def kind(self) -> Kind:
        """Peers of one kind and programme share a matrix."""
        return self.redundant, self.keeps_clock

    @property
    def connected(self) -> bool:
        """Whether it can be sent audio."""
        return self.outlet is not None
