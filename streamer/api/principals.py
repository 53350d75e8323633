"""Who asks, and what the role of a token allows (a table, not code in the routes)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from streamer.api.problems import Problem


class Right(enum.Enum):
    """Something a route does; the value completes "may not ..."."""

    READ_AIR = "see what is on air"
    READ_SPEAKERS = "see the speakers"
    READ_RECORDINGS = "listen to recordings"
    READ_METRICS = "read the metrics"
    READ_LOG = "read the log"
    BROADCAST = "broadcast"
    ORDER = "decide who goes first"
    SILENCE = "silence zones"
    MANAGE = "change zones, speakers and tokens"


_READING = frozenset(
    {
        Right.READ_AIR,
        Right.READ_SPEAKERS,
        Right.READ_RECORDINGS,
        Right.READ_METRICS,
        Right.READ_LOG,
    }
)
RIGHTS: dict[str, frozenset[Right]] = {
    "admin": frozenset(Right),
    "operator": _READING | {Right.BROADCAST, Right.ORDER},
    "broadcaster": (_READING - {Right.READ_SPEAKERS, Right.READ_LOG})
    | {Right.BROADCAST},
    "monitor": _READING,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a valid token."""

    id: str
    name: str
    role: str
    zone_id: str | None
    "With a zone, the holder may broadcast there and below only."

    def may(self, right: Right) -> bool:
        """Return whether the role has *right*."""
        return right in RIGHTS.get(self.role, frozenset())

    def demand(self, right: Right) -> None:
        """Raise a 403 problem unless the role has *right*."""
        if not self.may(right):
            raise forbidden(f"A {self.role} may not {right.value}.")


def forbidden(detail: str) -> Problem:
    """Return the problem of a valid token that is not enough (RFC 6750, 3.1)."""
    return Problem(
        403,
        "forbidden",
        detail,
        headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
    )
