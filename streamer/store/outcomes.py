"""What became of each start of the schedule.

The key (entry, start) decides who does it: to begin is to insert the row, and only
one can. So two servers on one database, two clicks in the same millisecond and a
server that forgot everything start it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.air.schedule import Occurrence
from streamer.air.timetable import OutcomeKind
from streamer.store.database import Database, chunks, insert_many
from streamer.store.errors import ConflictError
from streamer.store.schema_timetable import schedule_outcomes

_OF = schedule_outcomes.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one start; title and zones are those of then."""

    entry_id: str
    start_utc: datetime
    "When it was planned."
    kind: OutcomeKind
    title: str
    zone_ids: tuple[str, ...]
    late_s: int = 0
    "How much too late it was started, or was found to be missed."
    broadcast_id: str | None = None
    "If it was aired."
    detail: str = ""
    "Why it was not, or what was unusual; for a person."
    decided_utc: datetime

    @property
    def occurrence(self) -> Occurrence:
        """Which start it is."""
        return Occurrence(self.start_utc, self.entry_id)


class Outcomes:
    """The outcomes; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def between(
        self,
        from_utc: datetime,
        to_utc: datetime,
        *,
        entry_id: str | None = None,
        limit: int = 1000,
    ) -> list[Outcome]:
        """Return the outcomes of starts in [from_utc, to_utc], the latest first."""
        statement = sa.select(schedule_outcomes).where(
            _OF.start_utc.between(from_utc, to_utc)
        )
        if entry_id is not None:
            statement = statement.where(_OF.entry_id == entry_id)
        order = _OF.start_utc.desc(), _OF.entry_id
        return await self._database.find(
            statement.order_by(*order).limit(limit), Outcome
        )

    async def claim(self, wanted: Outcome) -> Outcome | None:
        """Take on a start: None when it is ours now, else what became of it.

        What was recorded as missed may be claimed: its time has come again.
        """
        try:
            async with self._database.writing() as connection:
                return await _claim(connection, wanted)
        except ConflictError:  # PostgreSQL: somebody inserted it in this instant
            async with self._database.reading() as connection:
                return await _find(connection, wanted)

    async def finish(self, outcome: Outcome) -> None:
        """Say what became of a start that was claimed."""
        async with self._database.writing() as connection:
            await connection.execute(_update(outcome))

    async def release(self, outcome: Outcome) -> None:
        """Give back a start that was claimed and not made: anybody may claim it."""
        claimed = sa.and_(_is(outcome), _OF.kind == OutcomeKind.STARTING)
        async with self._database.writing() as connection:
            await connection.execute(sa.delete(schedule_outcomes).where(claimed))

    async def miss(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Record starts as missed; return what was known of those that are not."""
        known: list[Outcome] = []
        new: list[Outcome] = []
        async with self._database.writing() as connection:
            for chunk in chunks(outcomes):
                for each in chunk:
                    found = await _find(connection, each)
                    known += [found] if found else []
                    new += [] if found else [each]
            await insert_many(connection, schedule_outcomes, new, asdict)
        return known

    async def abandon(
        self, at_utc: datetime, *, may_begin_again: Callable[[Outcome], bool]
    ) -> list[Outcome]:
        """Give up starts that a server died in; return them as they are now.

        Those that may begin again are missed until they are claimed once more; the
        others have failed.
        """
        which = _OF.kind == OutcomeKind.STARTING
        given_up: list[Outcome] = []
        async with self._database.writing() as connection:
            rows = await connection.execute(sa.select(schedule_outcomes).where(which))
            for row in rows.all():
                begun = Outcome(**row._mapping)
                again = may_begin_again(begun)
                outcome = replace(
                    begun,
                    kind=OutcomeKind.MISSED if again else OutcomeKind.FAILED,
                    detail="The server ended while it was being started.",
                    decided_utc=at_utc,
                )
                await connection.execute(_update(outcome))
                given_up.append(outcome)
        return given_up


async def _claim(connection: AsyncConnection, wanted: Outcome) -> Outcome | None:
    found = await _find(connection, wanted)
    if found is None:
        await connection.execute(sa.insert(schedule_outcomes).values(asdict(wanted)))
        return None
    if found.kind is not OutcomeKind.MISSED:
        return found
    # Once more the database decides, in case two have read what we did.
    again = _update(wanted).where(_OF.kind == OutcomeKind.MISSED)
    if (await connection.execute(again)).rowcount == 1:
        return None
    return await _find(connection, wanted)


async def _find(connection: AsyncConnection, like: Outcome) -> Outcome | None:
    statement = sa.select(schedule_outcomes).where(_is(like))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Outcome(**row._mapping)


def _update(outcome: Outcome) -> sa.Update:
    values: dict[str, Any] = asdict(outcome)
    return sa.update(schedule_outcomes).where(_is(outcome)).values(values)


def _is(outcome: Outcome) -> sa.ColumnElement[bool]:
    return sa.and_(_OF.entry_id == outcome.entry_id, _OF.start_utc == outcome.start_utc)
