"""What starts would be refused for: the questions of a start, asked beforehand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from streamer.air.policy import Wish
from streamer.air.schedule import Fill, Planned
from streamer.air.zones import ZoneTree
from streamer.api.plans import owner_now
from streamer.api.tokens import TokenRegistry
from streamer.studio.desk import check_zones
from streamer.studio.policies import PolicyKeeper


class KnownRules:
    """Asks zones, owners and policies what they know now of a later start.

    What is on the air by then nobody knows: it is not asked for.

    Args:
        tree: Returns the zones as they are.
        tokens: Everybody's.
        policies: All zones'.
    """

    def __init__(
        self,
        tree: Callable[[], ZoneTree],
        tokens: TokenRegistry,
        policies: PolicyKeeper,
    ) -> None:
        self._tree = tree
        self._tokens = tokens
        self._policies = policies

    def facts(self) -> tuple[object, ...]:
        """Return the tokens and the policies; the zones are looked at anyway."""
        return (*self._tokens.all(), self._policies.all())

    async def limit_s(self, planned: Planned, start_utc: datetime) -> int | None:
        """Return how long a start may last; see `Foresight`."""
        entry, tree = planned.entry, self._tree()
        check_zones(entry.zone_ids, tree)
        owner = await owner_now(
            planned.owner, entry, self._tokens, tree, at_utc=start_utc
        )
        wish = Wish(
            zone_ids=entry.zone_ids,
            programme_class=entry.programme_class,
            role=owner.role,
            at_utc=start_utc,
            duration_s=None if entry.fill is Fill.NONE else entry.duration_s,
        )
        self._policies.demand(wish)
        return self._policies.limit_s(wish)
