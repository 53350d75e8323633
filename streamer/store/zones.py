"""The zones as they are stored; `streamer.air.zones` knows what they mean."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.air.zones import Zone, ZoneError, ZoneLevel, ZoneTree
from streamer.store import schema
from streamer.store.collection import Collection, require_zones
from streamer.store.database import Database
from streamer.store.errors import ConflictError
from streamer.store.identifiers import slug, unused


class ZoneChanges(TypedDict, total=False):
    """What `Zones.update` can change; what is left out stays."""

    name: str
    level: ZoneLevel
    parent_id: str | None
    playout_delay_ms: int | None
    public: bool
    emergency_volume_percent: int | None


class Zones(Collection[Zone]):
    """The zones; at any time they make a tree."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, schema.zones, Zone, "zone")

    async def tree(self) -> ZoneTree:
        """Return all zones as the tree that they make."""
        # 9 ms for 10,000 zones: long for the loop, nothing for a thread.
        return await asyncio.to_thread(ZoneTree, await self.all())

    async def create(
        self,
        *,
        name: str,
        level: ZoneLevel,
        parent_id: str | None = None,
        playout_delay_ms: int | None = None,
        public: bool = False,
        emergency_volume_percent: int | None = None,
        zone_id: str | None = None,
    ) -> Zone:
        """Add a zone; without *zone_id* its id is made from its name.

        Raises:
            ConflictError: The id is taken.
            NotFoundError: The parent is not there.
        """
        async with self._database.writing() as connection:
            zone = Zone(
                id=zone_id or await self._unused_id(connection, name),
                parent_id=parent_id,
                name=name,
                level=level,
                playout_delay_ms=playout_delay_ms,
                public=public,
                emergency_volume_percent=emergency_volume_percent,
            )
            await self._add(connection, [zone])
        return zone

    async def create_many(self, zones: Sequence[Zone]) -> None:
        """Add zones, in any order; all of them or none.

        Raises:
            ConflictError: An id is taken, or a zone is its own ancestor.
            NotFoundError: A parent is not there.
        """
        async with self._database.writing() as connection:
            await self._add(connection, zones)

    async def update(self, zone_id: str, **changes: Unpack[ZoneChanges]) -> Zone:
        """Change a zone and return it.

        Raises:
            ConflictError: It would be its own ancestor.
            NotFoundError: It or the new parent is not there.
        """
        async with self._database.writing() as connection:
            if "parent_id" in changes:
                parent_id = changes["parent_id"]
                await self._require_movable(connection, zone_id, parent_id)
            return await self._change(connection, zone_id, changes)

    async def delete(self, zone_id: str) -> None:
        """Delete a zone that nothing needs any more.

        Raises:
            ConflictError: Zones, speakers or tokens stand in it.
            NotFoundError: It is not there.
        """
        async with self._database.writing() as connection:
            await self._require_unused(connection, zone_id)
            await self._delete(connection, zone_id)

    async def _unused_id(self, connection: AsyncConnection, name: str) -> str:
        wanted = slug(name)
        id_ = self._table.c.id
        alike = sa.select(id_).where(id_.startswith(wanted, autoescape=True))
        return unused(wanted, set((await connection.scalars(alike)).all()))

    async def _add(self, connection: AsyncConnection, zones: Sequence[Zone]) -> None:
        """Insert *zones*, parents first: databases check references row by row."""
        added = {zone.id: zone for zone in zones}
        standing_in = {zone.parent_id for zone in zones} - added.keys()
        await require_zones(connection, standing_in)
        order = [zone.id for zone in _tree(zones)]
        await self._insert(connection, [added[zone_id] for zone_id in order])

    async def _require_movable(
        self, connection: AsyncConnection, zone_id: str, parent_id: str | None
    ) -> None:
        """Walk up from the new parent; the zone must not be on the way."""
        await require_zones(connection, (parent_id,))
        above = parent_id
        while above is not None:
            if above == zone_id:
                raise ConflictError(f"zone {zone_id!r} cannot stand in {parent_id!r}")
            above = (await self._get(connection, above)).parent_id

    async def _require_unused(self, connection: AsyncConnection, zone_id: str) -> None:
        for column, what in (
            (schema.zones.c.parent_id, "zones"),
            (schema.speakers.c.zone_id, "speakers"),
            (schema.tokens.c.zone_id, "tokens"),
        ):
            statement = sa.select(sa.func.count()).where(column == zone_id)
            if count := await connection.scalar(statement):
                raise ConflictError(f"zone {zone_id!r} still has {what}: {count}")


def _tree(zones: Sequence[Zone]) -> ZoneTree:
    """Return the tree of new *zones*; those that stand in stored ones are its roots."""
    ids = {zone.id for zone in zones}
    try:
        return ZoneTree(
            zone if zone.parent_id in ids else replace(zone, parent_id=None)
            for zone in zones
        )
    except ZoneError as error:
        raise ConflictError(str(error)) from error
