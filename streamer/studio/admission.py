"""Whether a broadcast may be on the air at all, and how it is put to the arbiter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from streamer.air.policy import Limit, Wish
from streamer.air.priority import AirProgramme
from streamer.air.zones import ZoneTree
from streamer.studio.broadcast import BroadcastRequest
from streamer.studio.desk import check_zones
from streamer.studio.errors import (
    HeldZonesError,
    OwnerRefusedError,
    SourceRefusedError,
    StudioError,
    TooManyProgrammesError,
    UnknownZoneError,
)
from streamer.studio.live import Live
from streamer.studio.policies import PolicyRefusedError
from streamer.wire.control import ProgrammeClass

EMERGENCY_RESERVE = 4
"Emergencies taken beyond `max_programmes`: a warning is not refused for music."

_RULES: dict[type[StudioError], str] = {
    HeldZonesError: "held",
    OwnerRefusedError: "owner",
    TooManyProgrammesError: "too_many",
    UnknownZoneError: "unknown_zone",
}


class Rules(Protocol):
    """Knows the policies of the zones; never waits. See `PolicyKeeper`."""

    def demand(self, wish: Wish) -> None:
        """Return when *wish* is allowed, raise `PolicyRefusedError` when not."""
        ...

    def limit(self, wish: Wish) -> Limit | None:
        """Return how long what starts so may last; None: as long as it likes."""
        ...


class NoRules:
    """The shipped fake: all is allowed."""

    def demand(self, wish: Wish) -> None:
        """Allow it."""

    def limit(self, wish: Wish) -> Limit | None:
        """Limit nothing."""
        return None


class Admission:
    """Says what may be on the air.

    Args:
        max_programmes: On air at once; emergencies may go beyond it a little.
        rules: What zones allow, and for how long.
        clock: The wall clock, which policies go by.
    """

    def __init__(
        self,
        max_programmes: int,
        rules: Rules | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._max_programmes = max_programmes
        self._rules = rules or NoRules()
        self._clock = clock

    def check(
        self, request: BroadcastRequest, tree: ZoneTree, *, present: int
    ) -> Limit | None:
        """Return how long *request* may last; None: as long as it likes.

        Args:
            request: What somebody wants.
            tree: The zones as they are.
            present: Broadcasts on air or being opened.

        Raises:
            UnknownZoneError: It aims at a zone that is not there, or at none.
            PolicyRefusedError: A zone's policy does not allow it.
            TooManyProgrammesError: No more are carried at once.
        """
        check_zones(request.zone_ids, tree)
        wish = _wish(request, self._clock())
        self._rules.demand(wish)
        room = self._max_programmes - present
        if request.programme_class is ProgrammeClass.EMERGENCY:
            room += EMERGENCY_RESERVE
        if room <= 0:
            raise TooManyProgrammesError(
                f"{self._max_programmes} broadcasts are on air already."
            )
        return self._rules.limit(wish)


def rule_of(error: StudioError) -> str:
    """Return by which rule a broadcast was refused: one word, for the log."""
    if isinstance(error, PolicyRefusedError):
        return error.refusal.rule.value
    if isinstance(error, SourceRefusedError):
        return error.slug.replace("-", "_")
    return _RULES.get(type(error), "refused")


def programme_of(live: Live, accepted_order: int) -> AirProgramme:
    """Return *live* as the arbiter knows it."""
    request = live.request
    skip_s = request.skip_after_s
    return AirProgramme(
        id=live.id,
        programme_class=request.programme_class,
        origin=request.origin,
        zone_ids=request.zone_ids,
        accepted_order=accepted_order,
        conflict=request.conflict,
        comeback=request.comeback,
        can_hold=request.can_hold,
        skip_after_ns=None if skip_s is None else skip_s * 1_000_000_000,
        exact=request.exact,
    )


def _wish(request: BroadcastRequest, at_utc: datetime) -> Wish:
    return Wish(
        request.zone_ids,
        request.programme_class,
        request.role,
        at_utc,
        request.duration_s,
    )
