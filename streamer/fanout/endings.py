"""Why the server ends a listener's connection, and when the listener may return."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamer.wire.control import CloseCode

RETURNS_PER_SECOND = 300
"Handshakes a restarted server is spread over: a third of a core."


@dataclass(frozen=True, slots=True)
class Ending:
    """One reason; FORMAT.md lists them."""

    reason: str
    "Shown to the peer; label of the metric."
    code: int
    retry_after_ms: int
    "Hint of the goodbye."


STALLED = Ending("stalled", CloseCode.TRY_AGAIN_LATER, 2_000)
SILENT = Ending("silent", CloseCode.TRY_AGAIN_LATER, 1_000)
REPLACED = Ending("replaced", CloseCode.REPLACED, 60_000)
REVOKED = Ending("revoked", CloseCode.POLICY_VIOLATION, 300_000)
FLOOD = Ending("flood", CloseCode.POLICY_VIOLATION, 60_000)
BINARY = Ending("binary", CloseCode.UNSUPPORTED_DATA, 60_000)
MALFORMED = Ending("malformed", CloseCode.INVALID_PAYLOAD, 60_000)
SHUTDOWN = Ending("shutdown", CloseCode.GOING_AWAY, 1_000)


def shutdown(number: int) -> Ending:
    """Return how the *number*-th listener is sent away: each has a time of its own."""
    delay_ms = return_spread_ms(number)
    return replace(SHUTDOWN, retry_after_ms=SHUTDOWN.retry_after_ms + delay_ms)


def return_spread_ms(listeners: int) -> int:
    """Return over which time so many may come back without doing us harm."""
    return listeners * 1000 // RETURNS_PER_SECOND
