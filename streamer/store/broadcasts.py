"""What was on air: broadcasts, and where and when each was heard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.air.difference import AirEvent, AirEventKind
from streamer.store import schema
from streamer.store.collection import Collection
from streamer.store.columns import Utc
from streamer.store.database import Database, chunks, insert_many
from streamer.store.errors import ConflictError
from streamer.store.records import Broadcast, EndReason, Interval

_COMES = (AirEventKind.STARTED, AirEventKind.RESUMED)
_OF = schema.broadcasts.c
_IN = schema.broadcast_intervals.c


class Broadcasts(Collection[Broadcast]):
    """The broadcasts and their intervals, one per zone and stretch of being heard."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, schema.broadcasts, Broadcast, "broadcast")

    async def create(self, broadcast: Broadcast) -> None:
        """Add a broadcast that was accepted.

        Raises:
            ConflictError: Its id is taken.
        """
        async with self._database.writing() as connection:
            await self._insert(connection, [broadcast])

    async def latest(
        self, *, on_air: bool | None = None, limit: int = 100
    ) -> list[Broadcast]:
        """Return broadcasts, the last accepted first.

        Args:
            on_air: Only those not ended (True) or ended (False); None for both.
            limit: How many at most.
        """
        statement = self._select().order_by(_OF.accepted_utc.desc(), _OF.id)
        if on_air is not None:
            open_ = _OF.ended_utc.is_(None)
            statement = statement.where(open_ if on_air else ~open_)
        return await self._find(statement.limit(limit))

    async def recorded(self, *, limit: int = 100) -> list[Broadcast]:
        """Return broadcasts that have a recording, the last accepted first."""
        statement = self._select().where(_OF.recording_path.is_not(None))
        order = _OF.accepted_utc.desc(), _OF.id
        return await self._find(statement.order_by(*order).limit(limit))

    async def accepted_between(
        self, from_utc: datetime, until_utc: datetime
    ) -> list[Broadcast]:
        """Return those accepted in a time, its end not included, the first first."""
        within = (_OF.accepted_utc >= from_utc) & (_OF.accepted_utc < until_utc)
        order = _OF.accepted_utc, _OF.id
        return await self._find(self._select().where(within).order_by(*order))

    async def start(self, broadcast_id: str, started_utc: datetime) -> Broadcast:
        """Write when its first sample was captured; raises `NotFoundError`."""
        async with self._database.writing() as connection:
            changes = {"started_utc": started_utc}
            return await self._change(connection, broadcast_id, changes)

    async def end(
        self,
        broadcast_id: str,
        *,
        ended_utc: datetime,
        reason: EndReason,
        detail: str = "",
        frames: int = 0,
    ) -> Broadcast:
        """Write how it ended, and close the intervals that are still open.

        Raises:
            ConflictError: It has ended before; the first end stays.
            NotFoundError: It is not there.
        """
        async with self._database.writing() as connection:
            former = await self._get(connection, broadcast_id)
            if former.ended_utc is not None:
                raise ConflictError(f"broadcast {broadcast_id!r} has ended already")
            await _close(connection, _IN.broadcast_id == broadcast_id, ended_utc)
            changes = {
                "ended_utc": ended_utc,
                "end_reason": reason,
                "end_detail": detail,
                "frames": frames,
            }
            return await self._change(connection, broadcast_id, changes)

    async def set_recording(
        self, broadcast_id: str, *, path: str, size_bytes: int, complete: bool
    ) -> Broadcast:
        """Write where its recording is and what is in it; raises `NotFoundError`."""
        async with self._database.writing() as connection:
            changes = {
                "recording_path": path,
                "recording_bytes": size_bytes,
                "recording_complete": complete,
            }
            return await self._change(connection, broadcast_id, changes)

    async def record(self, events: Iterable[AirEvent], at_utc: datetime) -> None:
        """Write a step of the air, all or nothing: intervals end and begin.

        Hand over the steps in the order in which they happened.

        Raises:
            ConflictError: A broadcast of the events was never created.
        """
        async with self._database.writing() as connection:
            for event in events:
                if event.kind in _COMES:
                    await _begin(connection, event, at_utc)
                else:
                    await _leave(connection, event, at_utc)

    async def intervals(self, broadcast_id: str) -> list[Interval]:
        """Return where and when it was heard, in order of time and zone.

        Raises:
            NotFoundError: The broadcast is not there.
        """
        await self.get(broadcast_id)
        columns = _IN.broadcast_id, _IN.zone_id, _IN.from_utc, _IN.to_utc
        statement = sa.select(*columns).where(_IN.broadcast_id == broadcast_id)
        order = _IN.from_utc, _IN.zone_id, _IN.serial
        return await self._database.find(statement.order_by(*order), Interval)

    async def beat(self, now_utc: datetime) -> None:
        """Write that the server is alive; call it every few seconds.

        A server that dies cannot say when: the last beat is what it is taken from.
        """
        async with self._database.writing() as connection:
            updated = await connection.execute(
                sa.update(schema.heartbeat).values(at_utc=now_utc)
            )
            if updated.rowcount == 0:
                row = {"id": 1, "at_utc": now_utc}
                await connection.execute(sa.insert(schema.heartbeat), row)

    async def last_beat(self) -> datetime | None:
        """Return when a server was last alive; None if none ever was."""
        async with self._database.reading() as connection:
            statement = sa.select(schema.heartbeat.c.at_utc)
            found: datetime | None = await connection.scalar(statement)
        return found

    async def close_interrupted(self, now_utc: datetime) -> list[Broadcast]:
        """End what a server that died left on air; call it before anything starts.

        Each ends at the last beat, or at the last thing known of it if that was
        later, and never after *now_utc*. Returns them as they are then.
        """
        async with self._database.writing() as connection:
            beat_utc = await connection.scalar(sa.select(schema.heartbeat.c.at_utc))
            rows = await connection.execute(
                self._select().where(_OF.ended_utc.is_(None)).order_by(_OF.id)
            )
            return [
                await self._interrupt(
                    connection, Broadcast(**row._mapping), beat_utc, now_utc
                )
                for row in rows.all()
            ]

    async def _interrupt(
        self,
        connection: AsyncConnection,
        broadcast: Broadcast,
        beat_utc: datetime | None,
        now_utc: datetime,
    ) -> Broadcast:
        mine = _IN.broadcast_id == broadcast.id
        known = (
            beat_utc,
            broadcast.accepted_utc,
            broadcast.started_utc,
            await connection.scalar(sa.select(sa.func.max(_IN.from_utc)).where(mine)),
            await connection.scalar(sa.select(sa.func.max(_IN.to_utc)).where(mine)),
        )
        last_utc = min(now_utc, max(each for each in known if each is not None))
        await _close(connection, mine, last_utc)
        changes = {"ended_utc": last_utc, "end_reason": EndReason.INTERRUPTED}
        return await self._change(connection, broadcast.id, changes)


async def _begin(
    connection: AsyncConnection, event: AirEvent, at_utc: datetime
) -> None:
    shared = {"broadcast_id": event.programme_id, "from_utc": at_utc}
    await insert_many(
        connection,
        schema.broadcast_intervals,
        event.zone_ids,
        lambda zone_id: {**shared, "zone_id": zone_id},
    )


async def _leave(
    connection: AsyncConnection, event: AirEvent, at_utc: datetime
) -> None:
    """Close what is open; one that ends while interrupted has nothing open."""
    for zone_ids in chunks(event.zone_ids):
        await _close(
            connection,
            (_IN.broadcast_id == event.programme_id) & _IN.zone_id.in_(zone_ids),
            at_utc,
        )


async def _close(
    connection: AsyncConnection, which: sa.ColumnElement[bool], at_utc: datetime
) -> None:
    """Close intervals; none ends before it began, even if the clock was set back."""
    at = sa.literal(at_utc, Utc)
    to_utc: Any = sa.case((_IN.from_utc > at, _IN.from_utc), else_=at)
    statement = sa.update(schema.broadcast_intervals).where(_IN.to_utc.is_(None), which)
    await connection.execute(statement.values(to_utc=to_utc))
