"""One database: connections, transactions, and errors in our words."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from streamer.store.errors import (
    ConflictError,
    InvalidValueError,
    StoreUnavailableError,
)

CHUNK_ROWS = 500
"""Rows handled between two turns of the event loop.

SQLAlchemy prepares and reads rows on the loop; 500 take it about 2 ms, 10,000 would
hold up the audio for 40.
"""

Item = TypeVar("Item")
Made = TypeVar("Made")

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite database in the file *path*."""
    return sa.URL.create("sqlite", database=str(path)).render_as_string()


class Database:
    """An engine that is open within ``async with``.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.
        patience_s: How long to wait for a connection and for another writer.
    """

    def __init__(self, url: str, *, patience_s: float = 5.0) -> None:
        self._url = url
        self._patience_s = patience_s
        self._engine: AsyncEngine | None = None
        # SQLite has one writer: waiting here is fair, its own waiting is a poll.
        self._writing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Get ready to connect.

        Raises:
            ValueError: The URL is for a database that lives in memory.
            StoreUnavailableError: The file cannot be opened, or is no database.
        """
        url = full_url(self._url)
        if url.get_backend_name() == "sqlite":
            if url.database in (None, "", ":memory:"):
                raise ValueError("a store in memory cannot serve several connections")
            with Translated():
                await asyncio.to_thread(_prepare_file, url.database, self._patience_s)
        self._engine = _engine(url, self._patience_s)
        return self

    async def __aexit__(self, *_: object) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose queries all see the same state.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        with Translated():
            async with self._open().connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, *, durable: bool = False) -> AsyncIterator[AsyncConnection]:
        """Give a transaction: all of it is kept, or nothing when an error leaves it.

        Args:
            durable: Whether it must outlive a power cut at its very end. PostgreSQL
                does so always; with SQLite it costs the time of the disk.

        Raises:
            ConflictError: It breaks a constraint.
            InvalidValueError: The database cannot hold a value.
            StoreUnavailableError: The database cannot be reached.
        """
        with Translated():
            engine = self._open()
            async with AsyncExitStack() as stack:
                if engine.dialect.name == "sqlite":
                    await stack.enter_async_context(self._writing)
                    engine = engine.execution_options(
                        begin="BEGIN IMMEDIATE",
                        synchronous="FULL" if durable else "NORMAL",
                    )
                yield await stack.enter_async_context(engine.begin())

    async def find(
        self, statement: sa.Select[Any], make: Callable[..., Made]
    ) -> list[Made]:
        """Return what *statement* finds, each row handed to *make* by column names."""
        found: list[Made] = []
        async with self.reading() as connection:
            result = await connection.stream(statement)
            async for rows in result.partitions(CHUNK_ROWS):
                found += [make(**row._mapping) for row in rows]
        return found

    async def check(self) -> None:
        """Return when the database answers, or raise `StoreUnavailableError`."""
        async with self.reading() as connection:
            await connection.execute(sa.select(1))

    def _open(self) -> AsyncEngine:
        if self._engine is None:
            raise StoreUnavailableError("the store is not open")
        return self._engine


async def insert_many(
    connection: AsyncConnection,
    table: sa.Table,
    items: Sequence[Item],
    as_row: Callable[[Item], dict[str, Any]],
) -> None:
    """Insert *items*, giving way to the event loop after each chunk."""
    for chunk in chunks(items):
        await connection.execute(sa.insert(table), [as_row(each) for each in chunk])


def chunks(items: Sequence[Item]) -> list[Sequence[Item]]:
    """Cut *items* into parts of `CHUNK_ROWS`.

    >>> [len(each) for each in chunks(range(1001))]
    [500, 500, 1]
    """
    return [
        items[start : start + CHUNK_ROWS] for start in range(0, len(items), CHUNK_ROWS)
    ]


class Translated:
    """Turns the errors of SQLAlchemy and the drivers into ours."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # A driver that cannot connect raises OSError as it is; so does a timeout.
        if isinstance(error, IntegrityError):
            raise ConflictError(_reason(error)) from error
        if isinstance(error, UnicodeError | OverflowError) or _is_bad_value(error):
            raise InvalidValueError(_reason(error)) from error
        if isinstance(error, SQLAlchemyError | sqlite3.Error | OSError):
            raise StoreUnavailableError(_reason(error)) from error


def _is_bad_value(error: BaseException | None) -> bool:
    """Tell whether it is class 22 of SQL, data exception (PostgreSQL, appendix A)."""
    state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    return isinstance(error, DataError) or state.startswith("22")


def _reason(error: BaseException | None) -> str:
    """Return what the driver said, without the statement and its values."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return str(said) or type(said).__name__


def full_url(url: str) -> sa.URL:
    """Return *url* with the driver that we use."""
    parsed = sa.make_url(url)
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def _engine(url: sa.URL, patience_s: float) -> AsyncEngine:
    """Return an engine; its errors and logs are without values: some are secrets."""
    if url.get_backend_name() != "sqlite":
        settings = {"lock_timeout": f"{int(patience_s * 1000)}ms"}
        return create_async_engine(
            url,
            connect_args={"timeout": patience_s, "server_settings": settings},
            pool_pre_ping=True,
            pool_timeout=patience_s,
            hide_parameters=True,
        )
    engine = create_async_engine(
        url,
        connect_args={"timeout": patience_s},
        pool_timeout=patience_s,
        hide_parameters=True,
    )
    sa.event.listen(engine.sync_engine, "connect", _prepare_connection)
    sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_file(path: str, patience_s: float) -> None:
    """Make sure that *path* is a database whose readers do not wait for its writer.

    Done once and apart from the engine: a connection of aiosqlite owns a thread, and
    one that cannot be opened is left behind.
    """
    with closing(sqlite3.connect(path, timeout=patience_s)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # stays with the file
        except sqlite3.OperationalError as error:
            # Two that start at once may both try, and one is sent away without wait.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise


def _prepare_connection(connection: Any, _: object) -> None:
    # The driver must not begin transactions by itself. It would do so too late, at
    # the first change, when what was read before may be out of date.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """Begin; a transaction that will write takes the lock before it reads."""
    options = connection.get_execution_options()
    # The setting stays with the connection, and cannot be changed once it has begun.
    wanted = str(options.get("synchronous", "NORMAL"))
    if connection.info.get("synchronous", "NORMAL") != wanted:
        connection.exec_driver_sql(f"PRAGMA synchronous = {wanted}")
        connection.info["synchronous"] = wanted
    connection.exec_driver_sql(str(options.get("begin", "BEGIN")))
