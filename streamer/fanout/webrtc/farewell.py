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
_KEY_BLOCK_BYTES = 40
_NONCE_BYTES, _TAG_BYTES = 8, 16
_LENGTH = _NONCE_BYTES + len(_CLOSE_NOTIFY) + _TAG_BYTES
_SEQUENCE_HIGH = 0x8000
"Upper 16 of 48 bits: beyond anything that OpenSSL sent, so new to replay protection."


class Farewell:
    """Tells a peer's authentic end, and writes ours."""

    __slots__ = ("_client", "_keys", "_secrets")

    def __init__(
        self,
        master_secret: bytes,
        client_random: bytes,
        server_random: bytes,
        *,
        client: bool = False,
    ) -> None:
        """Keep what the keys are made of; they are made when one is needed.

        Args:
            master_secret: As agreed on in the handshake.
            client_random: Of its ClientHello.
            server_random: Of its ServerHello.
            client: Whether we are the client.
        """
        self._secrets = master_secret, b"key expansion" + server_random + client_random
        self._client = client
        self._keys: _Keys | None = None

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
        key, salt = self._key_block().write(client=self._client)
        sealed = AESGCM(key).encrypt(salt + nonce, _CLOSE_NOTIFY, _additional(nonce))
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
            key, salt = self._key_block().write(client=not self._client)
            try:
                yield AESGCM(key).decrypt(salt + nonce, sealed, additional)
            except InvalidTag:
                continue

    def _key_block(self) -> _Keys:
        if self._keys is None:
            self._keys = _Keys(_p_sha256(*self._secrets, _KEY_BLOCK_BYTES))
        return self._keys


class _Keys:
    """The key block (RFC 5246, section 6.3; RFC 5288, section 3)."""

    __slots__ = ("_block",)

    def __init__(self, block: bytes) -> None:
        self._block = block

    def write(self, *, client: bool) -> tuple[bytes, bytes]:
        """Return the key and the salt that this side writes with."""
        block = self._block
        if client:
            return block[:16], block[32:36]
        return block[16:32], block[36:40]


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
