"""Tests of the store as a whole: life, strange text, many writers, a lost database."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from streamer.air.priority import Origin
from streamer.air.zones import ZoneLevel
from streamer.store.database import sqlite_url
from streamer.store.errors import (
    ConflictError,
    InvalidValueError,
    StoreUnavailableError,
)
from streamer.store.records import Broadcast, SourceKind
from streamer.store.store import Store
from streamer.wire.control import ProgrammeClass

NOW_UTC = datetime(2026, 1, 5, 5, 30, tzinfo=UTC)


def broadcast(name: str, title: str = "Bản tin") -> Broadcast:
    return Broadcast(
        id=name,
        title=title,
        programme_class=ProgrammeClass.NORMAL,
        origin=Origin.COMMUNE,
        source_kind=SourceKind.TONE,
        zone_ids=("x",),
        started_by="t",
        accepted_utc=NOW_UTC,
    )


def require_no_threads() -> None:
    """A connection's thread says that it is done a moment before it is gone."""
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        if not thread.name.startswith("asyncio_"):  # the event loop's own
            thread.join(timeout=5)
            assert not thread.is_alive(), thread


async def test_what_was_stored_is_there_after_a_restart(url: str) -> None:
    async with Store(url) as store:
        zone = await store.zones.create(name="Thôn Tây", level=ZoneLevel.VILLAGE)
    async with Store(url) as store:
        assert await store.zones.all() == [zone]


async def test_nothing_is_left_behind(url: str) -> None:
    async with Store(url) as store:
        await asyncio.gather(*(store.zones.all() for _ in range(5)))
    require_no_threads()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_two_servers_may_start_at_once(url: str) -> None:
    """Both migrate the same empty database; one has to wait."""

    async def start() -> None:
        async with Store(url) as store:
            await store.broadcasts.beat(NOW_UTC)

    await asyncio.gather(*(start() for _ in range(4)))


@pytest.mark.parametrize(
    "title", ["", "Xã Đại Đồng 📢", "x" * 10_000, "'; DROP TABLE zones; --", "a\r\n\tb"]
)
async def test_any_text_comes_back_as_it_was(store: Store, title: str) -> None:
    await store.broadcasts.create(broadcast("b", title))
    assert (await store.broadcasts.get("b")).title == title


@pytest.mark.parametrize("title", ["\ud800", "a\0b"])
async def test_text_that_is_no_unicode_is_refused_or_kept(
    store: Store, url: str, title: str
) -> None:
    """SQLite can hold a zero byte, PostgreSQL cannot; a lone surrogate no one can."""
    if url.startswith("sqlite") and title == "a\0b":
        await store.broadcasts.create(broadcast("b", title))
        assert (await store.broadcasts.get("b")).title == title
        return
    with pytest.raises(InvalidValueError):
        await store.broadcasts.create(broadcast("b", title))
    assert await store.broadcasts.latest() == []


async def test_a_number_too_large_is_refused(store: Store) -> None:
    await store.broadcasts.create(broadcast("b"))
    with pytest.raises(InvalidValueError):
        await store.broadcasts.set_recording(
            "b", path="x", size_bytes=sys.maxsize + 1, complete=True
        )
    assert (await store.broadcasts.get("b")).recording_path is None


async def test_writers_do_not_lose_each_others_work(url: str) -> None:
    """Two stores on one database, as a server and a command line beside it."""
    async with Store(url) as one, Store(url) as two:
        names = [
            store.zones.create(name="Thôn Tây", level=ZoneLevel.VILLAGE)
            for store in (one, two)
            for _ in range(20)
        ]
        reads = [one.zones.tree() for _ in range(20)]
        if url.startswith("sqlite"):
            made = (await asyncio.gather(*names, *reads))[: len(names)]
            assert len({str(zone) for zone in made}) == len(names)
            assert len(await two.zones.all()) == len(names)
            return
        # PostgreSQL lets both look before either writes: one of two is told so.
        results = await asyncio.gather(*names, *reads, return_exceptions=True)
        refused = [each for each in results if isinstance(each, BaseException)]
        assert {type(each) for each in refused} <= {ConflictError}
        assert len(await two.zones.all()) == len(names) - len(refused)


@asynccontextmanager
async def another_writer(url: str) -> AsyncIterator[None]:
    """Somebody who has changed something and does not come to an end."""
    if url.startswith("sqlite"):
        path = sa.make_url(url).database
        with closing(sqlite3.connect(str(path), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
        return
    engine = create_async_engine(sa.make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.execute(sa.text("LOCK TABLE heartbeat IN EXCLUSIVE MODE"))
        yield
    await engine.dispose()


def patience_s(url: str) -> float:
    """Short, but long enough to connect to a server on a busy machine."""
    return 0.1 if url.startswith("sqlite") else 2


async def test_a_reader_does_not_wait_for_a_writer(url: str) -> None:
    async with Store(url, patience_s=patience_s(url)) as store:
        zone = await store.zones.create(name="Thôn Tây", level=ZoneLevel.VILLAGE)
        async with another_writer(url):
            assert await store.zones.all() == [zone]


class TestUnavailable:
    """The database is gone: a clear error, and work again when it is back."""

    async def test_locked_by_another_for_too_long(self, url: str) -> None:
        async with Store(url, patience_s=patience_s(url)) as store:
            async with another_writer(url):
                with pytest.raises(StoreUnavailableError, match="lock"):
                    await store.broadcasts.beat(NOW_UTC)
            await store.broadcasts.beat(NOW_UTC + timedelta(seconds=5))

    async def test_no_such_directory(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailableError, match="unable to open"):
            async with Store(sqlite_url(tmp_path / "missing" / "store.sqlite")):
                pass

    async def test_not_a_database(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        path.write_text("this is a letter, not a database" * 100)
        with pytest.raises(StoreUnavailableError, match="not a database"):
            async with Store(sqlite_url(path)):
                pass
        require_no_threads()

    async def test_damaged_while_open(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        async with Store(sqlite_url(path)) as store:
            with sqlite3.connect(path) as damage:
                damage.execute("DROP TABLE zones")
            damage.close()
            with pytest.raises(StoreUnavailableError, match="no such table"):
                await store.zones.all()
            await store.check()

    async def test_no_server_there(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailableError):
            async with Store(f"postgresql://x@/x?host={tmp_path}", patience_s=0.5):
                pass

    async def test_no_such_database(self, postgresql_directory: Path) -> None:
        url = f"postgresql://loacast@/missing?host={postgresql_directory}"
        with pytest.raises(StoreUnavailableError, match="missing"):
            async with Store(url):
                pass

    async def test_closed(self, url: str) -> None:
        async with Store(url) as store:
            await store.check()
        with pytest.raises(StoreUnavailableError, match="not open"):
            await store.check()

    async def test_a_store_in_memory_is_refused(self) -> None:
        with pytest.raises(ValueError, match="in memory"):
            async with Store("sqlite://"):
                pass


async def test_a_cancelled_writer_leaves_no_trace(store: Store) -> None:
    """As when the client of a request goes away."""
    task = asyncio.create_task(store.broadcasts.create(broadcast("b")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.broadcasts.latest() == []
    await store.broadcasts.create(broadcast("b"))
