"""STUN messages (RFC 8489) as ICE uses them (RFC 8445, section 7).

Only what a binding request and its answers need. `MESSAGE-INTEGRITY` is the short-term
one (SHA-1), as WebRTC peers send it.
"""

from __future__ import annotations

import hmac
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address
from typing import Self

from streamer.wire.errors import RemoteWireError

HEADER_BYTES = 20
MAGIC_COOKIE = 0x2112A442
MAX_MESSAGE_BYTES = 1280
"Longer requests are no binding requests of ICE; refused before any work."

_HEADER = struct.Struct("!HHI12s")
_FINGERPRINT_XOR = 0x5354554E  # RFC 8489, section 14.7
_INTEGRITY_BYTES = 20
_FINGERPRINT_BYTES = 4
_TLV_BYTES = 4
_IPV4_BYTES = 4


class MessageType(IntEnum):
    """Method "binding" with its four classes (RFC 8489, section 5)."""

    REQUEST = 0x0001
    INDICATION = 0x0011
    SUCCESS = 0x0101
    ERROR = 0x0111


class Attribute(IntEnum):
    """Attribute types (RFC 8489, section 18.3; RFC 8445, section 16.1)."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A


_KNOWN = frozenset(Attribute)
_COMPREHENSION_OPTIONAL = 0x8000

Address = tuple[str, int]
"Textual IP address without a scope, and port."


@dataclass(frozen=True, slots=True)
class StunMessage:
    """A parsed message; integrity is checked by :meth:`has_integrity`."""

    message_type: MessageType
    transaction_id: bytes
    attributes: tuple[tuple[int, bytes], ...]
    "Type and value, in order, up to MESSAGE-INTEGRITY (RFC 8489, section 14.5)."

    covered: bytes = b""
    "What the integrity is computed over; empty where there is none."

    integrity: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a message.

        Raises:
            RemoteWireError: It is no STUN message of the binding method, or is
                damaged (lengths, fingerprint).
        """
        message_type, transaction_id = _parse_header(data)
        attributes: list[tuple[int, bytes]] = []
        integrity: bytes | None = None
        covered = b""
        for kind, offset, value in _walk(data):
            if kind == Attribute.FINGERPRINT:
                _check_fingerprint(data, offset, value)
            elif integrity is not None:
                continue  # what follows MESSAGE-INTEGRITY is ignored
            elif kind == Attribute.MESSAGE_INTEGRITY:
                if len(value) != _INTEGRITY_BYTES:
                    raise RemoteWireError("MESSAGE-INTEGRITY is not 20 bytes")
                integrity = value
                covered = _with_length(data[:offset], _TLV_BYTES + _INTEGRITY_BYTES)
            else:
                attributes.append((kind, value))
        return cls(message_type, transaction_id, tuple(attributes), covered, integrity)

    def get(self, kind: Attribute) -> bytes | None:
        """Return the first value of *kind*, if there is one."""
        return next((value for k, value in self.attributes if k == kind), None)

    def has_integrity(self, password: bytes) -> bool:
        """Tell whether MESSAGE-INTEGRITY is there and made with *password*."""
        if self.integrity is None:
            return False
        expected = hmac.digest(password, self.covered, "sha1")
        return hmac.compare_digest(expected, self.integrity)

    def unknown_required(self) -> tuple[int, ...]:
        """Return the comprehension-required types we do not know (section 14)."""
        return tuple(
            kind
            for kind, _ in self.attributes
            if kind < _COMPREHENSION_OPTIONAL and kind not in _KNOWN
        )


def serialize(
    message_type: MessageType,
    transaction_id: bytes,
    attributes: Iterable[tuple[int, bytes]],
    *,
    password: bytes | None = None,
) -> bytes:
    """Return a message with FINGERPRINT, and with MESSAGE-INTEGRITY when asked."""
    body = b"".join(_tlv(kind, value) for kind, value in attributes)
    message = _HEADER.pack(message_type, len(body), MAGIC_COOKIE, transaction_id) + body
    if password is not None:
        covered = _with_length(message, _TLV_BYTES + _INTEGRITY_BYTES)
        digest = hmac.digest(password, covered, "sha1")
        message = covered + _tlv(Attribute.MESSAGE_INTEGRITY, digest)
    covered = _with_length(message, _TLV_BYTES + _FINGERPRINT_BYTES)
    crc = zlib.crc32(covered) ^ _FINGERPRINT_XOR
    return covered + _tlv(Attribute.FINGERPRINT, crc.to_bytes(4))


def xor_mapped_address(address: Address, transaction_id: bytes) -> bytes:
    """Return the value of XOR-MAPPED-ADDRESS (RFC 8489, section 14.2)."""
    host = _packed(address[0])
    family = 1 if len(host) == _IPV4_BYTES else 2
    port = address[1] ^ MAGIC_COOKIE >> 16
    mask = (MAGIC_COOKIE.to_bytes(4) + transaction_id)[: len(host)]
    masked = int.from_bytes(host) ^ int.from_bytes(mask)
    return struct.pack("!BBH", 0, family, port) + masked.to_bytes(len(host))


def error_code(code: int, reason: str) -> bytes:
    """Return the value of ERROR-CODE (RFC 8489, section 14.8)."""
    return struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode()


def _packed(host: str) -> bytes:
    """Return an address as bytes; `ipaddress` takes ten times as long for IPv4.

    Thousands of listeners prove their consent, each some times a minute.
    """
    return IPv6Address(host).packed if ":" in host else bytes(map(int, host.split(".")))


def _parse_header(data: bytes) -> tuple[MessageType, bytes]:
    if len(data) < HEADER_BYTES:
        raise RemoteWireError("STUN header is truncated")
    kind, length, cookie, transaction_id = _HEADER.unpack_from(data)
    if cookie != MAGIC_COOKIE:
        raise RemoteWireError("STUN magic cookie is wrong")
    if length % 4 or HEADER_BYTES + length != len(data):
        raise RemoteWireError("STUN length does not match the datagram")
    if len(data) > MAX_MESSAGE_BYTES:
        raise RemoteWireError(f"STUN message of {len(data)} bytes is too long")
    try:
        return MessageType(kind), transaction_id
    except ValueError:
        raise RemoteWireError(f"STUN message type {kind:#06x} is not binding") from None


def _walk(data: bytes) -> Iterable[tuple[int, int, bytes]]:
    """Yield type, offset and value of each attribute."""
    offset = HEADER_BYTES
    while offset < len(data):
        kind, length = struct.unpack_from("!HH", data, offset)
        end = offset + _TLV_BYTES + length
        if end > len(data):
            raise RemoteWireError("STUN attribute reaches past the message's end")
        yield kind, offset, data[offset + _TLV_BYTES : end]
        offset = end + -length % 4


def _check_fingerprint(data: bytes, offset: int, value: bytes) -> None:
    covered = _with_length(data[:offset], _TLV_BYTES + _FINGERPRINT_BYTES)
    expected = (zlib.crc32(covered) ^ _FINGERPRINT_XOR).to_bytes(4)
    if value != expected:
        raise RemoteWireError("STUN fingerprint is wrong")


def _with_length(message: bytes, more_bytes: int) -> bytes:
    """Return *message* with the length it has once *more_bytes* are appended."""
    length = len(message) - HEADER_BYTES + more_bytes
    return message[:2] + length.to_bytes(2) + message[4:]


def _tlv(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return struct.pack("!HH", kind, len(value)) + value + padding
