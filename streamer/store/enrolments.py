"""Which speaker stood in which zone, and when: who should have heard a broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.store import schema
from streamer.store.columns import Utc
from streamer.store.database import Database, insert_many

_OF = schema.enrolments.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A time during which a speaker stood in a zone."""

    speaker_id: str
    zone_id: str
    from_utc: datetime
    to_utc: datetime | None = None
    "None while it stands there."


class Enrolments:
    """Kept by `Speakers`; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def between(self, from_utc: datetime, until_utc: datetime) -> list[Enrolment]:
        """Return those that have an instant in common with a time, in order."""
        columns = [each for each in _OF if each.name != "serial"]
        lasting = _OF.to_utc.is_(None) | (_OF.to_utc > from_utc)
        statement = sa.select(*columns).where(_OF.from_utc < until_utc, lasting)
        order = _OF.zone_id, _OF.speaker_id, _OF.serial
        return await self._database.find(statement.order_by(*order), Enrolment)


async def begin(connection: AsyncConnection, enrolments: Sequence[Enrolment]) -> None:
    """Write that speakers stand in zones from now on."""
    await insert_many(connection, schema.enrolments, enrolments, asdict)


async def end(connection: AsyncConnection, speaker_id: str, at_utc: datetime) -> None:
    """Write that a speaker does not stand where it stood any more."""
    at = sa.literal(at_utc, Utc)
    # None ends before it began, even if the clock was set back.
    to_utc = sa.case((_OF.from_utc > at, _OF.from_utc), else_=at)
    which = (_OF.speaker_id == speaker_id) & _OF.to_utc.is_(None)
    await connection.execute(
        sa.update(schema.enrolments).where(which).values(to_utc=to_utc)
    )
