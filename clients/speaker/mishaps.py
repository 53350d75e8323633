"""Why there is no connection, in words for the person who has to mend it (pure)."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass

from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    NegotiationError,
)

from streamer.wire.control import Goodbye


@dataclass(frozen=True, slots=True)
class Mishap:
    """How an attempt or a connection ended."""

    text: str
    refused: bool = False
    "Whether trying again soon is pointless."
    retry_after_s: float = 0.0
    "The server's hint."
    path: bool = False
    "Whether it looks as if the server did not hear of it, rather than was away."


_MEANINGS: tuple[tuple[type[Exception], Mishap], ...] = (
    # The more special error first.
    (NegotiationError, Mishap("this is no Loacast server, or another version", True)),
    (ConnectionClosed, Mishap("the connection was lost")),
    (TimeoutError, Mishap("the server did not answer in time", path=True)),
    (ssl.SSLCertVerificationError, Mishap("the server's certificate is not trusted")),
    (socket.gaierror, Mishap("the server's name cannot be resolved", path=True)),
    (ConnectionRefusedError, Mishap("nobody answers at the server's port")),
)

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


def explain(error: Exception) -> Mishap:
    """Return what *error* means."""
    if isinstance(error, InvalidStatus):
        response = error.response
        retry_after = response.headers.get("Retry-After", "")
        return refusal(response.status_code, bytes(response.body), retry_after)
    for kind, mishap in _MEANINGS:
        if isinstance(error, kind):
            return mishap
    if isinstance(error, OSError):
        text = f"the network failed: {error.strerror or error}"
        return Mishap(text, path=error.errno in _UNREACHABLE)
    return Mishap(f"unexpected: {error!r}")


def farewell(goodbye: Goodbye) -> Mishap:
    """Return what a goodbye of the server means."""
    reason = goodbye.reason[:80]
    if reason == "replaced":
        reason += ": another box uses this speaker's credential"
    elif reason == "revoked":
        reason += ": the credential is no longer good"
    return Mishap(
        f"the server said goodbye: {reason}",
        retry_after_s=goodbye.retry_after_ms / 1000,
    )


def refusal(status: int, body: bytes, retry_after: str) -> Mishap:
    """Return what an HTTP answer means that is not the one hoped for."""
    if status in (401, 403):
        return Mishap(
            f"the server refused the credential (HTTP {status}):"
            " it is mistyped, expired or revoked",
            refused=True,
        )
    detail = body.decode(errors="replace").strip()[:120]
    return Mishap(
        f"the server refused (HTTP {status}): {detail or 'no reason given'}",
        refused=400 <= status < 500,
        retry_after_s=_seconds(retry_after),
    )


def _seconds(text: str) -> float:
    """Return a Retry-After in seconds; a date is ignored (RFC 9110, 10.2.3)."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
