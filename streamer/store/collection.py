"""What all tables of records have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.store import schema
from streamer.store.database import Database, chunks, insert_many
from streamer.store.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    V = TypeVar("V", bound=DataclassInstance)
else:
    V = TypeVar("V")


class Collection(Generic[V]):
    """The records of one table: values whose fields are the table's columns.

    Every method may raise `StoreUnavailableError`.

    Args:
        database: Open by the time of the first call.
        table: Its primary key is ``id``.
        value_type: A frozen dataclass.
        kind: What one of them is called in errors, such as "speaker".
    """

    def __init__(
        self, database: Database, table: sa.Table, value_type: type[V], kind: str
    ) -> None:
        self._database = database
        self._table = table
        self._value_type = value_type
        self._kind = kind
        self._columns = [table.c[each.name] for each in fields(value_type)]

    async def all(self) -> list[V]:
        """Return all records, in order of their ids."""
        return await self._find(self._select().order_by(self._table.c.id))

    async def get(self, id_: str) -> V:
        """Return one record.

        Raises:
            NotFoundError: There is none with this id.
        """
        found = await self._find(self._select().where(self._table.c.id == id_))
        if not found:
            raise NotFoundError(self._kind, id_)
        return found[0]

    async def delete(self, id_: str) -> None:
        """Delete one record.

        Raises:
            NotFoundError: There is none with this id.
        """
        async with self._database.writing() as connection:
            await self._delete(connection, id_)

    def _select(self) -> sa.Select[Any]:
        return sa.select(*self._columns)

    async def _find(self, statement: sa.Select[Any]) -> list[V]:
        return await self._database.find(statement, self._value_type)

    async def _get(self, connection: AsyncConnection, id_: str) -> V:
        statement = self._select().where(self._table.c.id == id_)
        row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFoundError(self._kind, id_)
        return self._value_type(**row._mapping)

    async def _insert(self, connection: AsyncConnection, values: Sequence[V]) -> None:
        """Insert *values*; name the one whose id is taken."""
        taken = await present(connection, self._table, [_id(each) for each in values])
        if taken:
            raise ConflictError(f"{self._kind} {min(taken)!r} exists already")
        await insert_many(connection, self._table, values, _as_row)

    async def _change(
        self, connection: AsyncConnection, id_: str, changes: Mapping[str, Any]
    ) -> V:
        """Change some columns of one record and return it as it is then."""
        if changes:
            statement = sa.update(self._table).where(self._table.c.id == id_)
            await connection.execute(statement.values(dict(changes)))
        return await self._get(connection, id_)

    async def _delete(self, connection: AsyncConnection, id_: str) -> None:
        statement = sa.delete(self._table).where(self._table.c.id == id_)
        if (await connection.execute(statement)).rowcount == 0:
            raise NotFoundError(self._kind, id_)


def _as_row(value: DataclassInstance) -> dict[str, Any]:
    """Return the fields of *value* by name; shallow, unlike `dataclasses.asdict`."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


async def present(
    connection: AsyncConnection, table: sa.Table, ids: Iterable[str]
) -> set[str]:
    """Return those of *ids* that *table* has."""
    found: set[str] = set()
    for chunk in chunks(sorted(set(ids))):
        statement = sa.select(table.c.id).where(table.c.id.in_(chunk))
        found |= set((await connection.scalars(statement)).all())
    return found


async def require_zones(
    connection: AsyncConnection, zone_ids: Iterable[str | None]
) -> None:
    """Check that records may stand in these zones.

    Raises:
        NotFoundError: One of them is not there.
    """
    wanted = {each for each in zone_ids if each is not None}
    missing = wanted - await present(connection, schema.zones, wanted)
    if missing:
        raise NotFoundError("zone", min(missing))


def _id(value: Any) -> str:
    return str(value.id)
