"""The kill switch as it is stored: zones that hear nothing until it is lifted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from streamer.store import schema
from streamer.store.database import Database, chunks, insert_many


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A zone that hears nothing, nor does any zone below it."""

    zone_id: str
    """Kept when the zone is deleted: were it to come back, it would be silent.

    `streamer.air.silence.EVERYWHERE` silences all zones, also those to come.
    """
    since_utc: datetime
    by: str
    "Who silenced it: the id of a token."
    reason: str


class Silences:
    """The silences that hold; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Silence]:
        """Return those that hold, in order of their zones."""
        columns = schema.silences.c
        return await self._database.find(
            sa.select(*columns).order_by(columns.zone_id), Silence
        )

    async def add(self, silences: Iterable[Silence]) -> list[Silence]:
        """Silence zones, all or none; return those that were not silent before.

        A silence that holds already stays as it is: who began it remains known.
        """
        wanted = {each.zone_id: each for each in silences}
        async with self._database.writing() as connection:
            columns = schema.silences.c
            held = set((await connection.scalars(sa.select(columns.zone_id))).all())
            new = [each for each in wanted.values() if each.zone_id not in held]
            await insert_many(connection, schema.silences, new, asdict)
        return new

    async def lift(self, zone_ids: Collection[str]) -> list[str]:
        """End the silences of these very zones; return those that were silent."""
        column = schema.silences.c.zone_id
        lifted: list[str] = []
        async with self._database.writing() as connection:
            for chunk in chunks(sorted(set(zone_ids))):
                which = column.in_(chunk)
                found = await connection.scalars(sa.select(column).where(which))
                lifted += found.all()
                await connection.execute(sa.delete(schema.silences).where(which))
        return sorted(lifted)
