"""WebSocket frames as a server sends them: whole, unmasked, uncompressed.

They hold nothing of a connection, so one frame serves every listener (RFC 6455,
section 5.1: a server must not mask; section 5.2: the layout).
"""

from __future__ import annotations

_FINAL_TEXT = 0x81
_FINAL_BINARY = 0x82


def text_frame(text: str) -> bytes:
    """Return *text* as a WebSocket text message of one frame."""
    return _frame(_FINAL_TEXT, text.encode())


def binary_frame(payload: bytes) -> bytes:
    """Return *payload* as a WebSocket binary message of one frame."""
    return _frame(_FINAL_BINARY, payload)


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        header = bytes((first, length))
    elif length < 1 << 16:
        header = bytes((first, 126)) + length.to_bytes(2)
    else:
        header = bytes((first, 127)) + length.to_bytes(8)
    return header + payload
