"""Why the server ends a listener's connection, and when the listener may return."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.wire.control import CloseCode


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
