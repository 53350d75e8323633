"""The entries of the schedule, as they are stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.air.entrycheck import ScheduleError
from streamer.air.entrydocument import entry_document, entry_of
from streamer.air.priority import Origin
from streamer.air.schedule import Owner, Planned
from streamer.store.database import Database
from streamer.store.errors import ConflictError, NotFoundError
from streamer.store.schema_timetable import schedule_entries

_OF = schedule_entries.c

logger = logging.getLogger(__name__)


class Timetables:
    """The entries; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Planned]:
        """Return all entries, in order of their ids.

        One that cannot be read is logged and left out: a server must start.
        """
        found = await self._database.find(
            sa.select(schedule_entries).order_by(_OF.id), _planned_or_none
        )
        return [each for each in found if each is not None]

    async def create(self, planned: Planned) -> None:
        """Add an entry.

        Raises:
            ConflictError: Its id or its UID is taken.
        """
        entry = planned.entry
        taken = sa.select(_OF.id).where(
            sa.or_(_OF.id == entry.id, _OF.uid == entry.uid)
        )
        async with self._database.writing() as connection:
            if (await connection.scalars(taken)).first() is not None:
                raise ConflictError(f"an entry with the UID {entry.uid!r} exists")
            await connection.execute(sa.insert(schedule_entries).values(_row(planned)))

    async def put_many(self, planned: Sequence[Planned]) -> None:
        """Add entries, or replace those with the same id; all or none.

        Raises:
            ConflictError: A UID is another entry's.
        """
        async with self._database.writing() as connection:
            for each in planned:
                its_row = _OF.id == each.entry.id
                statement = sa.update(schedule_entries).where(its_row)
                done = await connection.execute(statement.values(_row(each)))
                if done.rowcount == 0:
                    new = sa.insert(schedule_entries).values(_row(each))
                    await connection.execute(new)

    async def update(
        self, entry_id: str, change: Callable[[Planned], Planned]
    ) -> Planned:
        """Change an entry and return it; nothing comes between reading and writing.

        Raises:
            ConflictError: Its new UID is another entry's.
            NotFoundError: It is not there.
        """
        async with self._database.writing() as connection:
            changed = change(await _get(connection, entry_id))
            statement = sa.update(schedule_entries).where(_OF.id == entry_id)
            await connection.execute(statement.values(_row(changed)))
        return changed

    async def delete(self, entry_id: str) -> None:
        """Delete an entry; what became of its starts stays known.

        Raises:
            NotFoundError: It is not there.
        """
        statement = sa.delete(schedule_entries).where(_OF.id == entry_id)
        async with self._database.writing() as connection:
            if (await connection.execute(statement)).rowcount == 0:
                raise NotFoundError("entry", entry_id)

    async def settle(self, settled_utc: Mapping[str, datetime]) -> None:
        """Note up to when each entry's starts have their outcomes."""
        async with self._database.writing() as connection:
            for entry_id, at_utc in settled_utc.items():
                statement = sa.update(schedule_entries).where(_OF.id == entry_id)
                await connection.execute(statement.values(settled_utc=at_utc))


async def _get(connection: AsyncConnection, entry_id: str) -> Planned:
    statement = sa.select(schedule_entries).where(_OF.id == entry_id)
    if connection.dialect.name == "postgresql":
        statement = statement.with_for_update()  # SQLite's writer is alone anyway
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFoundError("entry", entry_id)
    return _planned(row._asdict())


def _row(planned: Planned) -> dict[str, Any]:
    return {
        "id": planned.entry.id,
        "uid": planned.entry.uid,
        "document": entry_document(planned.entry),
        "owner": asdict(planned.owner),
        "armed_utc": planned.armed_utc,
        "settled_utc": planned.settled_utc,
    }


def _planned(row: Mapping[str, Any]) -> Planned:
    owner = row["owner"]
    return Planned(
        entry_of(row["id"], row["uid"], row["document"]),
        Owner(**owner | {"origin": Origin(owner["origin"])}),
        row["armed_utc"],
        row["settled_utc"],
    )


def _planned_or_none(**row: Any) -> Planned | None:
    try:
        return _planned(row)
    except (ScheduleError, TypeError, ValueError, KeyError) as error:
        logger.error("entry %s of the schedule cannot be read: %s", row["id"], error)
        return None
