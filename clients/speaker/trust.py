"""Whose documents a speaker obeys: the server's that it met first, or that it is told.

The key comes with the first welcome and is kept (trust on first use). Another key later
is not believed, and said so, until somebody names it on the box itself.
"""

from __future__ import annotations

import base64
import binascii
import logging

_log = logging.getLogger(__name__)


class Trust:
    """Verifies documents by the one key that is trusted.

    Args:
        key: 32 bytes in base64, as it was kept or given; None: none yet.
    """

    def __init__(self, key: str | None = None) -> None:
        self._key = key if key and _is_key(key) else None
        self._refused: str | None = None

    @property
    def key(self) -> str | None:
        """What is trusted, in base64."""
        return self._key

    @property
    def refused(self) -> str | None:
        """Another key that a server showed; None: none did."""
        return self._refused

    def meet(self, key: str | None) -> None:
        """Take note of the key that a server shows."""
        if key is None or key == self._key:
            self._refused = None
        elif self._key is None and _is_key(key):
            self._key = key
            _log.info("documents of this server are trusted from now on: %s", key)
        elif self._refused != key:
            self._refused = key
            _log.error("the server shows another signing key, %s: not trusted", key)

    def verify(self, signature: bytes, document: bytes) -> bool:
        """Say whether *signature* is of *document*, by the key that is trusted."""
        # Where nothing is kept on a disk, this library need not be loaded.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if self._key is None:
            return False
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(self._key))
        try:
            public.verify(signature, document)
        except InvalidSignature:
            return False
        return True


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False
