"""What speakers were told they may play by themselves, and the messages they keep.

A promise is written before the first speaker hears of it. When a speaker then says
that it played what no server aired, the promise tells what that was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from streamer.air.priority import Origin
from streamer.store.collection import Collection as Records
from streamer.store.collection import present
from streamer.store.database import Database, chunks, insert_many
from streamer.store.records import SourceKind
from streamer.store.schema_offline import promises, stored_messages
from streamer.wire.control import ProgrammeClass

_OF = promises.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A broadcast that speakers may make of what they hold."""

    id: str
    "Of the broadcast, also if the server airs it after all."
    title: str
    programme_class: ProgrammeClass
    origin: Origin
    source_kind: SourceKind
    source_detail: str
    zone_ids: tuple[str, ...]
    started_by: str
    "Id of the token of who planned or ordered it."
    start_utc: datetime
    "When its first sample is captured, by the plan; of an order, when it was given."
    samples: int
    sha256: str
    entry_id: str | None = None
    "None: it is an order."
    signed: str = ""
    serial: int = 0
    expires_utc: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A file that speakers keep, to be played when it is ordered."""

    id: str
    title: str
    file_id: str
    zone_ids: tuple[str, ...]
    attention_s: int
    created_utc: datetime
    created_by: str


class StoredMessages(Records[StoredMessage]):
    """The messages; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, stored_messages, StoredMessage, "message")

    async def create(self, message: StoredMessage) -> None:
        """Add a message; raises `ConflictError` when its id is taken."""
        async with self._database.writing() as connection:
            await self._insert(connection, [message])


class Promises:
    """The promises; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def give(self, wanted: Sequence[Promise]) -> None:
        """Write those that are not written; one of the same id is replaced."""
        async with self._database.writing() as connection:
            ids = {each.id for each in wanted}
            for chunk in chunks(sorted(await present(connection, promises, ids))):
                await connection.execute(sa.delete(promises).where(_OF.id.in_(chunk)))
            await insert_many(connection, promises, wanted, asdict)

    async def find(self, ids: Collection[str]) -> list[Promise]:
        """Return those of *ids* that were given."""
        found: list[Promise] = []
        for chunk in chunks(sorted(ids)):
            statement = sa.select(promises).where(_OF.id.in_(chunk))
            found += await self._database.find(statement, Promise)
        return found

    async def orders(self, now_utc: datetime) -> list[Promise]:
        """Return the orders that hold, in the order in which they were given."""
        statement = sa.select(promises).where(_OF.expires_utc > now_utc)
        return await self._database.find(statement.order_by(_OF.serial), Promise)

    async def last_serial(self) -> int:
        """Return the serial of the latest order; 0: there was none."""
        async with self._database.reading() as connection:
            return await connection.scalar(sa.select(sa.func.max(_OF.serial))) or 0
