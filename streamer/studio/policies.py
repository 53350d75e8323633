"""What zones allow, in memory: asked at each start, so it never waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from streamer.air.policy import Limit, Refusal, Wish, ZonePolicy, check, limit
from streamer.air.zones import ZoneTree
from streamer.store.errors import NotFoundError
from streamer.store.policies import Policies, StoredPolicy
from streamer.studio.errors import StudioError


class PolicyRefusedError(StudioError):
    """A zone's policy does not allow the broadcast.

    Attributes:
        refusal: Which rule, of which zone, and when it would be allowed.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class PolicyKeeper:
    """The policies that hold now; `load` it before the first broadcast.

    Args:
        policies: Where they are stored.
        tree: Returns the zones as they are.
    """

    def __init__(self, policies: Policies, tree: Callable[[], ZoneTree]) -> None:
        self._policies = policies
        self._tree = tree
        self._held: dict[str, ZonePolicy] = {}

    async def load(self) -> None:
        """Read what is stored, or raise `StoreUnavailableError`."""
        stored = await self._policies.all()
        self._held = {each.zone_id: each.policy for each in stored}

    def all(self) -> dict[str, ZonePolicy]:
        """Return the policies by zone, also of zones that are gone."""
        return dict(self._held)

    def get(self, zone_id: str) -> ZonePolicy:
        """Return a zone's own policy.

        Raises:
            NotFoundError: It has none.
        """
        try:
            return self._held[zone_id]
        except KeyError:
            raise NotFoundError("policy", zone_id) from None

    async def put(self, zone_id: str, policy: ZonePolicy, *, changed_by: str) -> None:
        """Set a zone's policy; it holds for what starts from now on.

        Raises:
            StoreUnavailableError: Nothing was changed.
        """
        stored = StoredPolicy(
            zone_id=zone_id,
            policy=policy,
            changed_utc=datetime.now(UTC),
            changed_by=changed_by,
        )
        await self._policies.put(stored)
        self._held[zone_id] = policy

    async def delete(self, zone_id: str) -> None:
        """Take a zone's policy away.

        Raises:
            NotFoundError: It has none.
            StoreUnavailableError: Nothing was changed.
        """
        await self._policies.delete(zone_id)
        self._held.pop(zone_id, None)

    def demand(self, wish: Wish) -> None:
        """Return when *wish* is allowed.

        Raises:
            PolicyRefusedError: It is not.
            streamer.air.zones.UnknownZoneError: A zone is not in the tree.
        """
        refusal = check(self._held, self._tree(), wish)
        if refusal is not None:
            raise PolicyRefusedError(refusal)

    def limit(self, wish: Wish) -> Limit | None:
        """Return how long a broadcast that starts so may last; None: no limit."""
        return limit(self._held, self._tree(), wish)

    def limit_s(self, wish: Wish) -> int | None:
        """Return the seconds of `limit`."""
        found = self.limit(wish)
        return found.limit_s if found else None
