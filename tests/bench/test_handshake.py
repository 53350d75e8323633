"""Tests of bench.handshake."""

from __future__ import annotations

import pytest

from bench import handshake

REQUEST = handshake.request("host:1", "/v1/listen?ptime_ms=20", "loas_x_y")


def test_the_accept_value_is_that_of_the_rfc() -> None:
    """RFC 6455, section 1.3 ends with this example."""
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    assert handshake.accept(key) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_both_sides_agree() -> None:
    handshake.check(handshake.response(REQUEST))
    assert b"\r\nAuthorization: Bearer loas_x_y\r\n" in REQUEST


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"101 Switching Protocols", b"401 Unauthorized", "401"),
        (b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: x", "does not fit"),
        (b"loacast.v1", b"chat", "does not speak"),
        (b"Sec-WebSocket-Protocol", b"X-Protocol", "no header"),
    ],
)
def test_a_refusal_is_told(old: bytes, new: bytes, complaint: str) -> None:
    answer = handshake.response(REQUEST).replace(old, new)
    with pytest.raises(handshake.HandshakeFailed, match=complaint):
        handshake.check(answer)


def test_a_request_without_a_key_is_refused() -> None:
    with pytest.raises(handshake.HandshakeFailed, match="sec-websocket-key"):
        handshake.response(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
