"""The as-run log: events that are only ever appended, each bound to the one before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.store import schema
from streamer.store.asrunevents import (
    EVERYTHING,
    AsRunEntry,
    AsRunEvent,
    AsRunFilter,
    AsRunKind,
    AsRunReplay,
    entry_of,
    members_of,
)
from streamer.store.chain import Head, Link, follow
from streamer.store.columns import utc_of_us
from streamer.store.database import Database, insert_many
from streamer.store.errors import InvalidValueError
from streamer.store.headfile import HeadFile
from streamer.store.verifier import Verdict, Verifier

PAGE_ROWS = 5_000
"Read in one go by those who read the whole log; no reader holds the database longer."

_LOCK_NUMBER = 0x10AC_A5A
_OF = schema.asrun_events.c


class AsRunLog:
    """The log; every method may raise `StoreUnavailableError`.

    Args:
        database: Open by the time of the first call.
        head_file: Where the end of the log is noted; None to note it nowhere.
    """

    def __init__(self, database: Database, head_file: HeadFile | None = None) -> None:
        self._database = database
        self._head_file = head_file
        self._noting = asyncio.Lock()

    async def append(self, events: Sequence[AsRunEvent]) -> Head:
        """Write *events*, all or none, in their order; return the end of the log.

        They are on the disk, and noted in the head file, when this returns. Whoever
        else appends, in this process or another, comes before or after all of them.

        Raises:
            InvalidValueError: An event holds what the log cannot.
            OSError: The head could not be noted; the events are written.
        """
        # A step of ten thousand zones is 200 KB of text: not on the loop.
        prepared = await asyncio.to_thread(_prepared, events)
        async with self._database.writing(durable=True) as connection:
            await _lock(connection)
            head = await _head(connection)
            links: list[Link] = []
            for members in prepared:
                links.append(follow(head, members))
                head = Head(links[-1].serial, links[-1].hash)
            await insert_many(connection, schema.asrun_events, links, _as_row)
        await self._note(head)
        return head

    async def head(self) -> Head:
        """Return the end of the log."""
        async with self._database.reading() as connection:
            return await _head(connection)

    async def read(
        self, which: AsRunFilter = EVERYTHING, *, limit: int, latest_first: bool = False
    ) -> list[AsRunEntry]:
        """Return events, at most *limit*, in order of their serials or backwards.

        The next page is asked for by `after_serial`, backwards by `before_serial`.
        """
        order = _OF.serial.desc() if latest_first else _OF.serial
        statement = _selected(which).order_by(order).limit(limit)
        return [entry_of(each) for each in await self._links(statement)]

    async def stream(
        self, which: AsRunFilter = EVERYTHING
    ) -> AsyncIterator[Sequence[Link]]:
        """Yield events in order of their serials, page by page, as they are stored."""
        after, found = which.after_serial, None
        while found is None or len(found) == PAGE_ROWS:
            statement = _selected(which).where(_OF.serial > after)
            found = await self._links(statement.order_by(_OF.serial).limit(PAGE_ROWS))
            if found:
                yield found
                after = found[-1].serial

    async def verify(self, known_heads: Iterable[Head] = ()) -> Verdict:
        """Read the whole log and return the first fault, if there is one.

        What is noted in the head file is known as well.

        Raises:
            ValueError: The head file is none any more.
            OSError: It cannot be read.
        """
        # Noted heads first: the log may grow meanwhile, but never be shorter.
        verifier = Verifier([*known_heads, *await self._noted()])
        async for links in self.stream():
            await asyncio.to_thread(_take_all, verifier, links)
            if not verifier.sound:
                break
        return verifier.finish()

    async def contradicted(self) -> list[Head]:
        """Return the noted heads that the log does not have; cheap, for each start.

        Raises:
            ValueError: The head file is none any more.
            OSError: It cannot be read.
        """
        return await self._not_in_log(await self._noted())

    async def unfinished(self) -> dict[str, tuple[str, ...]]:
        """Return what was on air when the log was last written to.

        Broadcasts by id, each with the zones that heard it. Only what came after
        the last `SERVER_STARTED` is looked at: see `AsRunKind`.
        """
        started = _OF.kind == AsRunKind.SERVER_STARTED.value
        async with self._database.reading() as connection:
            since = await connection.scalar(
                sa.select(sa.func.max(_OF.serial)).where(started)
            )
        replay = AsRunReplay()
        async for links in self.stream(AsRunFilter(after_serial=since or 0)):
            for link in links:
                replay.take(entry_of(link))
        return replay.on_air()

    async def _links(self, statement: sa.Select[Any]) -> list[Link]:
        return await self._database.find(statement, Link)

    async def _noted(self) -> tuple[Head, ...]:
        if self._head_file is None:
            return ()
        return await asyncio.to_thread(self._head_file.read)

    async def _note(self, head: Head) -> None:
        """Note *head*, and keep what was noted if the log contradicts it."""
        if self._head_file is None:
            return
        async with self._noting:
            noted = await self._noted()
            kept = await self._not_in_log(noted)
            # Another append may have been later and yet noted before this one.
            sound = {head, *noted} - set(kept)
            kept.append(max(sound, key=lambda each: each.count))
            await asyncio.to_thread(self._head_file.write, kept)

    async def _not_in_log(self, heads: Iterable[Head]) -> list[Head]:
        """Return those of *heads* that are no point of the chain as it is stored."""
        found: list[Head] = []
        for head in heads:
            statement = sa.select(_OF.hash).where(_OF.serial == head.count)
            async with self._database.reading() as connection:
                stored = await connection.scalar(statement)
            if head != Head() and stored != head.hash:
                found.append(head)
        return found


def _prepared(events: Iterable[AsRunEvent]) -> list[dict[str, Any]]:
    try:
        return [members_of(each) for each in events]
    except ValueError as error:
        raise InvalidValueError(str(error)) from error


def _as_row(link: Link) -> dict[str, Any]:
    row = {each.name: getattr(link, each.name) for each in fields(link)}
    row["at_utc"] = utc_of_us(row.pop("at_utc_us"))
    return row


async def _lock(connection: AsyncConnection) -> None:
    """Let one append at a time; SQLite's writing transaction does by itself."""
    if connection.dialect.name == "postgresql":
        number = sa.func.pg_advisory_xact_lock(_LOCK_NUMBER)
        await connection.execute(sa.select(number))


async def _head(connection: AsyncConnection) -> Head:
    statement = sa.select(_OF.serial, _OF.hash).order_by(_OF.serial.desc()).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return Head(row.serial, row.hash) if row else Head()


def _selected(which: AsRunFilter) -> sa.Select[Any]:
    """Return the query of the columns as they are stored, and not as they are meant.

    What was tampered with must come as far as the verifier.
    """
    # The names of `Link` are the columns', but for the instant's.
    columns = [
        sa.type_coerce(column, sa.BigInteger).label("at_utc_us")
        if column.name == "at_utc"
        else column
        for column in schema.asrun_events.c
    ]
    return sa.select(*columns).where(*_conditions(which))


def _conditions(which: AsRunFilter) -> list[sa.ColumnElement[bool]]:
    found = _text_conditions(which)
    found.append(_OF.serial > which.after_serial)
    if which.before_serial is not None:
        found.append(_OF.serial < which.before_serial)
    if which.broadcast_id is not None:
        found.append(_OF.broadcast_id == which.broadcast_id)
    if which.actor is not None:
        found.append(_OF.actor == which.actor)
    if which.kinds is not None:
        found.append(_OF.kind.in_(sorted(which.kinds)))
    if which.from_utc is not None:
        found.append(_OF.at_utc >= which.from_utc)
    if which.until_utc is not None:
        found.append(_OF.at_utc < which.until_utc)
    return found


def _text_conditions(which: AsRunFilter) -> list[sa.ColumnElement[bool]]:
    """Return those about the zones, which are stored as text."""
    found: list[sa.ColumnElement[bool]] = []
    if which.zoneless:
        found.append(_OF.zone_ids == "[]")
    if which.zone_id is not None:
        needle = json.dumps(which.zone_id, ensure_ascii=False)
        found.append(_OF.zone_ids.contains(needle, autoescape=True))
    return found


def _take_all(verifier: Verifier, links: Sequence[Link]) -> None:
    for link in links:
        verifier.take(link)
