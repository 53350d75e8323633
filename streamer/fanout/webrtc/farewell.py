"""close_notify of a DTLS 1.2 association whose OpenSSL object is gone (sans-I/O).

After the handshake a WebRTC association carries nothing but its end, yet OpenSSL's
object holds 76 KiB for it (README.md). Forty bytes of keys are enough to read and to
write that end. Only for ECDHE-ECDSA-AES128-GCM-SHA256, which every WebRTC peer has
(RFC 8827, section 6.5).
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256"
VERSION = "DTLSv1.2"
DTLS_1_2 = 0xFEFD
"On the wire."

_HEADER = struct.Struct("!BHHHIH")
"Type, version, epoch, sequence number in two parts, length (RFC 6347, section 4.1)."
_ALERT = 21
_EPOCH = 1
_FATAL = 2
_CLOSE_NOTIFY = b"\x01\x00"  # level warning (RFC 5246, section 7.2)
_NONCE_BYTES, _TAG_BYTES = 8, 16
_LENGTH = _NONCE_BYTES + len(_CLOSE_NOTIFY) + _TAG_BYTES
_SEQUENCE_HIGH = 0x8000
"Upper 16 of 48 bits: beyond anything that OpenSSL sent, so new to replay protection."


class Farewell:
    """Tells a peer's authentic end, and writes ours."""

    __slots__ = ("_read_key", "_read_salt", "_write_key", "_write_salt")

    def __init__(
        self, master_secret: bytes, client_random: bytes, server_random: bytes
    ) -> None:
        """Derive the keys as a server has them (RFC 5246, section 6.3)."""
        seed = b"key expansion" + server_random + client_random
        block = _p_sha256(master_secret, seed, 40)
        self._read_key, self._write_key = block[:16], block[16:32]
        self._read_salt, self._write_salt = block[32:36], block[36:40]

    def reversed(self) -> Farewell:
        """Return the same for the client."""
        other = object.__new__(Farewell)
        other._read_key, other._write_key = self._write_key, self._read_key
        other._read_salt, other._write_salt = self._write_salt, self._read_salt
        return other

    def is_in(self, datagram: bytes) -> bool:
        """Return whether *datagram* holds the peer's close_notify or fatal alert."""
        return any(
            alert[1:] == _CLOSE_NOTIFY[1:] or alert[0] == _FATAL
            for alert in self._alerts(datagram)
        )

    def serialize(self) -> bytes:
        """Return our close_notify, a datagram; always the same one."""
        # RFC 5288, section 3: the explicit nonce may be the sequence number.
        nonce = struct.pack("!HHI", _EPOCH, _SEQUENCE_HIGH, 0)
        sealed = AESGCM(self._write_key).encrypt(
            self._write_salt + nonce, _CLOSE_NOTIFY, _additional(nonce)
        )
        head = _HEADER.pack(_ALERT, DTLS_1_2, _EPOCH, _SEQUENCE_HIGH, 0, _LENGTH)
        return head + nonce + sealed

    def _alerts(self, datagram: bytes) -> Iterator[bytes]:
        """Yield the authentic alerts; what is of no use is passed over."""
        position = 0
        while position + _HEADER.size <= len(datagram):
            kind, version, epoch, high, low, length = _HEADER.unpack_from(
                datagram, position
            )
            body = datagram[position + _HEADER.size :][:length]
            position += _HEADER.size + length
            head = (kind, version, epoch, length, len(body))
            if head != (_ALERT, DTLS_1_2, _EPOCH, _LENGTH, _LENGTH):
                continue
            nonce, sealed = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
            additional = _additional(struct.pack("!HHI", epoch, high, low))
            try:
                cipher = AESGCM(self._read_key)
                yield cipher.decrypt(self._read_salt + nonce, sealed, additional)
            except InvalidTag:
                continue


def _additional(sequence: bytes) -> bytes:
    """RFC 5246, section 6.2.3.3."""
    return sequence + struct.pack("!BHH", _ALERT, DTLS_1_2, len(_CLOSE_NOTIFY))


def _p_sha256(secret: bytes, seed: bytes, length: int) -> bytes:
    """RFC 5246, section 5."""
    found, link = b"", seed
    while len(found) < length:
        link = hmac.digest(secret, link, hashlib.sha256)
        found += hmac.digest(secret, link + seed, hashlib.sha256)
    return found[:length]
