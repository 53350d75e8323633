"""What zones allow, as it is stored; `streamer.air.policy` knows what it means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from streamer.air.policy import ZonePolicy
from streamer.air.policydocument import Document, policy_document, policy_of
from streamer.store.database import Database
from streamer.store.errors import NotFoundError
from streamer.store.schema_timetable import zone_policies


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A zone's policy, and who set it."""

    zone_id: str
    policy: ZonePolicy
    changed_utc: datetime
    changed_by: str
    "Id of a token."


class Policies:
    """The policies; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[StoredPolicy]:
        """Return all policies, in order of their zones."""
        columns = zone_policies.c
        return await self._database.find(
            sa.select(*columns).order_by(columns.zone_id), _stored
        )

    async def put(self, stored: StoredPolicy) -> None:
        """Set a zone's policy, or replace it."""
        row = {
            "document": policy_document(stored.policy),
            "changed_utc": stored.changed_utc,
            "changed_by": stored.changed_by,
        }
        its_zone = zone_policies.c.zone_id == stored.zone_id
        async with self._database.writing() as connection:
            changed = await connection.execute(
                sa.update(zone_policies).where(its_zone).values(row)
            )
            if changed.rowcount == 0:
                new = sa.insert(zone_policies).values(zone_id=stored.zone_id, **row)
                await connection.execute(new)

    async def delete(self, zone_id: str) -> None:
        """Take a zone's policy away.

        Raises:
            NotFoundError: It has none.
        """
        statement = sa.delete(zone_policies).where(zone_policies.c.zone_id == zone_id)
        async with self._database.writing() as connection:
            if (await connection.execute(statement)).rowcount == 0:
                raise NotFoundError("policy", zone_id)


def _stored(
    zone_id: str, document: Document, changed_utc: datetime, changed_by: str
) -> StoredPolicy:
    return StoredPolicy(
        zone_id=zone_id,
        policy=policy_of(document),
        changed_utc=changed_utc,
        changed_by=changed_by,
    )
