"""Keeps the key by which speakers know the server's documents.

Unlike a certificate it never expires, and a damaged one is not replaced: speakers have
pinned its public half, so a new key would leave each of them deaf to documents. Whoever
has the key can have every speaker play a stored emergency message.
"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streamer.app import secretfile


class SigningKeyError(Exception):
    """The file holds no key that can be used; the message is for the operator."""


class SigningKey:
    """An Ed25519 key (RFC 8032)."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> str:
        """What speakers verify with: 32 bytes in base64."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, document: bytes) -> bytes:
        """Return the signature of *document*, 64 bytes."""
        return self._key.sign(document)


def load_or_create(path: Path) -> SigningKey:
    """Return the key in *path*; a new one where there is no file.

    Raises:
        OSError: It can be neither read nor written.
        SigningKeyError: What is there is no such key.
    """
    pem = secretfile.read(path)
    if pem is None:
        return _create(path)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"the signing key in {path} is damaged") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"the signing key in {path} is of another kind")
    return SigningKey(key)


def _create(path: Path) -> SigningKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secretfile.write(path, pem)
    return SigningKey(key)
