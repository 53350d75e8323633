"""The opening handshake of RFC 6455, both sides, as little as the bench needs.

The generator opens thousands of connections and the floor accepts them; neither
wants a library's cost per connection in what is measured. Pure functions.
"""

from __future__ import annotations

import base64
import hashlib

from streamer.wire.control import SUBPROTOCOL

END = b"\r\n\r\n"
MAX_HEAD_BYTES = 8192
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_KEY = base64.b64encode(b"loacast benching")


class HandshakeFailed(Exception):
    """The peer did not upgrade; the message holds what it said."""


def request(host: str, path: str, credential: str) -> bytes:
    """Return a client's request; its key is always the same (it guards no secret)."""
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_KEY.decode()}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
        f"Authorization: Bearer {credential}",
    )
    return "\r\n".join(lines).encode() + END


def response(head: bytes) -> bytes:
    """Return a server's answer to the request *head*.

    Raises:
        HandshakeFailed: It holds no key.
    """
    key = _header(head, b"sec-websocket-key")
    lines = (
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept(key),
        b"Sec-WebSocket-Protocol: " + SUBPROTOCOL.encode(),
    )
    return b"\r\n".join(lines) + END


def check(head: bytes) -> None:
    """Check a server's answer to :func:`request`.

    Raises:
        HandshakeFailed: It did not switch, or not to our subprotocol.
    """
    status = head.split(b"\r\n", 1)[0]
    if b" 101 " not in status + b" ":
        raise HandshakeFailed(head[:500].decode(errors="replace"))
    if _header(head, b"sec-websocket-accept") != accept(_KEY):
        raise HandshakeFailed("Sec-WebSocket-Accept does not fit our key")
    if _header(head, b"sec-websocket-protocol") != SUBPROTOCOL.encode():
        raise HandshakeFailed(f"the server does not speak {SUBPROTOCOL}")


def accept(key: bytes) -> bytes:
    """Return the proof that a server read *key* (RFC 6455, section 4.2.2, item 5.4)."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    raise HandshakeFailed(f"no header {name.decode()}: {head[:200]!r}")
