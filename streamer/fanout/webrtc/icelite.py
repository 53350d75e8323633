"""ICE-lite responder (RFC 8445, section 2.5): answers checks, sends none; sans-I/O.

A peer is found by the first half of USERNAME, which is our ufrag for it. Nothing is
remembered of a datagram before its MESSAGE-INTEGRITY proves that the sender read our
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from streamer.wire.errors import RemoteWireError
from streamer.wire.stun import (
    Address,
    Attribute,
    MessageType,
    StunMessage,
    error_code,
    serialize,
    xor_mapped_address,
)


class Credentials(Protocol):
    """What the responder needs of a peer."""

    @property
    def password(self) -> bytes:
        """Our ``a=ice-pwd`` for it."""
        ...


class Outcome(Enum):
    """What became of a datagram; each is counted."""

    CHECK = "check"
    "A valid check: the peer has our consent for this address (RFC 7675)."
    INDICATION = "indication"
    MALFORMED = "malformed"
    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    ROLE_CONFLICT = "role_conflict"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do about one STUN datagram."""

    outcome: Outcome
    datagram: bytes | None = None
    "To send back to where the request came from."
    ufrag: str | None = None
    "Our ufrag for the peer; set when its integrity was proven."
    nominated: bool = False
    "The check carried USE-CANDIDATE (RFC 8445, section 7.3.1.5)."
    transaction_id: bytes = b""


def respond(
    datagram: bytes,
    source: Address,
    find: Callable[[str], Credentials | None],
) -> Answer:
    """Answer *datagram* that came from *source*.

    Args:
        datagram: Whole UDP payload, already told to be STUN (RFC 7983).
        source: Where it came from, as the peer must learn it.
        find: Gives the credentials of the peer with a ufrag of ours, or None.
    """
    try:
        request = StunMessage.parse(datagram)
    except RemoteWireError:
        return Answer(Outcome.MALFORMED)
    if request.message_type is MessageType.INDICATION:
        return Answer(Outcome.INDICATION)  # keepalive (RFC 8445, section 11)
    if request.message_type is not MessageType.REQUEST:
        return Answer(Outcome.UNEXPECTED)  # we send no checks
    return _respond_to_request(request, source, find)


def _respond_to_request(
    request: StunMessage, source: Address, find: Callable[[str], Credentials | None]
) -> Answer:
    username = request.get(Attribute.USERNAME)
    if username is None or request.integrity is None:  # RFC 8489, section 9.1.3
        return Answer(Outcome.BAD_REQUEST, _error(request, 400, "Bad Request"))
    ufrag = username.partition(b":")[0].decode("ascii", "replace")
    peer = find(ufrag)
    if peer is None or not request.has_integrity(peer.password):
        return Answer(Outcome.UNAUTHENTICATED, _error(request, 401, "Unauthenticated"))
    if unknown := request.unknown_required():
        return Answer(
            Outcome.UNKNOWN_ATTRIBUTE, _unknown(request, unknown, peer.password)
        )
    if request.get(Attribute.ICE_CONTROLLED) is not None:
        # A lite agent is always controlled (RFC 8445, section 6.1.1): the peer
        # must switch (section 7.3.1.1).
        refusal = _error(request, 487, "Role Conflict", password=peer.password)
        return Answer(Outcome.ROLE_CONFLICT, refusal)
    return Answer(
        Outcome.CHECK,
        _success(request, source, peer.password),
        ufrag,
        nominated=request.get(Attribute.USE_CANDIDATE) is not None,
        transaction_id=request.transaction_id,
    )


def _success(request: StunMessage, source: Address, password: bytes) -> bytes:
    mapped = xor_mapped_address(source, request.transaction_id)
    return serialize(
        MessageType.SUCCESS,
        request.transaction_id,
        [(Attribute.XOR_MAPPED_ADDRESS, mapped)],
        password=password,
    )


def _unknown(request: StunMessage, unknown: tuple[int, ...], password: bytes) -> bytes:
    listed = b"".join(kind.to_bytes(2) for kind in unknown)
    more = ((int(Attribute.UNKNOWN_ATTRIBUTES), listed),)
    return _error(request, 420, "Unknown Attribute", more=more, password=password)


def _error(
    request: StunMessage,
    code: int,
    reason: str,
    *,
    more: tuple[tuple[int, bytes], ...] = (),
    password: bytes | None = None,
) -> bytes:
    """An error answer; a few words, so that it amplifies nothing."""
    attributes = [(int(Attribute.ERROR_CODE), error_code(code, reason)), *more]
    return serialize(
        MessageType.ERROR, request.transaction_id, attributes, password=password
    )
