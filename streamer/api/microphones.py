"""The seam to whatever receives microphones; the server hands it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class MicrophoneRefusedError(Exception):
    """A session cannot be opened.

    Args:
        status: HTTP status, 4xx or 503.
        slug: Stable name of the reason, e.g. ``bad-sdp``.
        detail: The reason, for a person.
    """

    def __init__(self, status: int, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A microphone that is about to send."""

    id: str
    answer_sdp: str
    etag: str
    "Quoted, as a header wants it."


class Microphones(Protocol):
    """Receives microphones over WHIP (RFC 9725)."""

    async def open(self, offer_sdp: str, *, owner_id: str) -> OpenedSession:
        """Answer an offer.

        Raises:
            MicrophoneRefusedError: It is no offer, or none that we can take.
        """
        ...

    async def close(self, session_id: str) -> None:
        """End a session; one that is not there any more is no error."""
        ...

    def owner_of(self, session_id: str) -> str | None:
        """Return the token that opened a session, or None when there is none."""
        ...
