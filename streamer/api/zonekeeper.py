"""Changes of the zone tree: stored, then heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.api.enrolment import SpeakerRegistry
from streamer.store.errors import ConflictError, NotFoundError
from streamer.store.zones import Zones
from streamer.studio.studio import Studio


class ZoneKeeper:
    """Changes zones, one at a time: in the store, on the air, at the speakers."""

    def __init__(
        self, records: Zones, studio: Studio, speakers: SpeakerRegistry
    ) -> None:
        self._records = records
        self._studio = studio
        self._speakers = speakers
        self._changed: Callable[[], Awaitable[None]] | None = None
        self._changing = asyncio.Lock()

    def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Await *changed* after each change of the tree."""
        self._changed = changed

    def get(self, zone_id: str) -> Zone:
        """Return one zone.

        Raises:
            NotFoundError: There is none with this id.
        """
        if zone_id not in self._studio.tree:
            raise NotFoundError("zone", zone_id)
        return self._studio.tree[zone_id]

    async def create(
        self,
        *,
        zone_id: str | None,
        parent_id: str | None,
        name: str,
        level: ZoneLevel,
        playout_delay_ms: int | None,
        public: bool = False,
        emergency_volume_percent: int | None = None,
    ) -> Zone:
        """Add a zone; raises as `Zones.create`."""
        async with self._changing:
            zone = await self._records.create(
                zone_id=zone_id,
                parent_id=parent_id,
                name=name,
                level=level,
                playout_delay_ms=playout_delay_ms,
                public=public,
                emergency_volume_percent=emergency_volume_percent,
            )
            await self._apply()
        return zone

    async def change(self, zone_id: str, changes: Mapping[str, Any]) -> Zone:
        """Change a zone; raises as `Zones.update`."""
        async with self._changing:
            zone = await self._records.update(zone_id, **changes)
            await self._apply()
        return zone

    async def delete(self, zone_id: str) -> None:
        """Delete a zone.

        Raises:
            ConflictError: Something stands in it, or it is heard or aimed at.
            NotFoundError: There is none with this id.
        """
        async with self._changing:
            if self._is_aimed_at(zone_id):
                raise ConflictError(f"zone {zone_id!r} is on air")
            await self._records.delete(zone_id)
            await self._apply()

    def _is_aimed_at(self, zone_id: str) -> bool:
        if zone_id not in self._studio.tree:
            return False
        return any(
            zone_id in self._studio.tree.covered(live.request.zone_ids)
            for live in self._studio.on_air()
        )

    async def _apply(self) -> None:
        """Take what is stored: memory never says what the store does not."""
        zones = await self._records.all()
        tree = await asyncio.to_thread(ZoneTree, zones)
        await self._speakers.replace_tree(tree)
        self._studio.replace_tree(tree)
        if self._changed is not None:
            await self._changed()
