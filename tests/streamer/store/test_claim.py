"""A database is one server's at a time, until its connection is lost."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from streamer.store.claim import LOCK_NUMBER, ClaimState, DatabaseClaim
from streamer.store.database import full_url, sqlite_url
from streamer.store.errors import DatabaseInUseError, StoreUnavailableError
from streamer.store.store import Store

LOOK_S = 0.02
OUR_LOCK = f"FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK_NUMBER}"


class Server:
    """What claims a database, and what it was told."""

    def __init__(self, url: str) -> None:
        self.told: list[ClaimState] = []
        self._is_told = asyncio.Event()
        self.claim = DatabaseClaim(
            url, patience_s=1, on_change=self._tell, look_s=LOOK_S
        )

    def _tell(self, state: ClaimState) -> None:
        self.told.append(state)
        self._is_told.set()

    async def becomes(self, state: ClaimState) -> None:
        async with asyncio.timeout(10):
            while self.told[-1] is not state:
                self._is_told.clear()
                await self._is_told.wait()


async def on_database(url: str, statement: str, name: str | None = None) -> Any:
    """Run *statement* in the database of *url*, or that called *name* there."""
    there = full_url(url)
    if name is not None:
        there = there.set(database=name)
    engine = create_async_engine(there, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        result = await connection.execute(sa.text(statement))
        found = result.scalar() if result.returns_rows else None
    await engine.dispose()
    return found


async def until(url: str, condition: str) -> None:
    async with asyncio.timeout(10):
        while not await on_database(url, condition):
            pass  # each question takes some milliseconds


async def lose(url: str) -> None:
    """End the connection whose lock is the claim, as a restart of PostgreSQL does."""
    await on_database(url, f"SELECT pg_terminate_backend(pid) {OUR_LOCK} AND granted")


async def test_the_second_server_is_refused_and_told_what_to_do(url: str) -> None:
    first, second = Server(url), Server(url)
    name = re.escape(repr(full_url(url).database))
    async with first.claim:
        with pytest.raises(DatabaseInUseError, match=f"{name}: end that server first"):
            async with second.claim:
                raise AssertionError("both have it")
    assert (first.told, second.told) == ([ClaimState.HELD], [])
    async with second.claim:
        assert second.told == [ClaimState.HELD]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_is_just_ending_is_waited_for(postgresql_url: str) -> None:
    first, second = Server(postgresql_url), Server(postgresql_url)
    await first.claim.__aenter__()
    taking = asyncio.create_task(second.claim.__aenter__())
    clients = "FROM pg_stat_activity WHERE datname = current_database()"
    await until(postgresql_url, f"SELECT count(*) >= 3 {clients}")
    assert not taking.done()
    await first.claim.__aexit__()
    claimed = await taking
    assert second.told == [ClaimState.HELD]
    await claimed.__aexit__()


async def test_commands_work_beside_the_server(url: str) -> None:
    async with DatabaseClaim(url), Store(url), Store(url) as beside:
        await beside.check()


async def test_other_databases_are_others(postgresql_url: str, tmp_path: Path) -> None:
    async with (
        DatabaseClaim(postgresql_url),
        DatabaseClaim(
            full_url(postgresql_url).set(database="postgres").render_as_string()
        ),
        DatabaseClaim(sqlite_url(tmp_path / "a.db")),
        DatabaseClaim(sqlite_url(tmp_path / "b.db")),
    ):
        pass


async def test_a_file_is_the_same_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path, target_is_directory=True)
    async with DatabaseClaim(sqlite_url(tmp_path / "a.db")):
        with pytest.raises(DatabaseInUseError):
            await DatabaseClaim(sqlite_url(tmp_path / "alias" / "a.db")).__aenter__()


async def test_what_was_lost_is_claimed_again(
    postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(postgresql_url)
    async with server.claim:
        await lose(postgresql_url)
        await server.becomes(ClaimState.LOST)
        await server.becomes(ClaimState.HELD)
        with pytest.raises(DatabaseInUseError):
            await Server(postgresql_url).claim.__aenter__()
    assert server.told == [ClaimState.HELD, ClaimState.LOST, ClaimState.HELD]
    alarms = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert ["CLAIM ON THE DATABASE IS LOST" in each.message for each in alarms] == [
        True
    ]


async def test_while_the_database_is_away_it_is_tried_again(
    postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, name = Server(postgresql_url), full_url(postgresql_url).database
    connections = f"ALTER DATABASE {name} ALLOW_CONNECTIONS"
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
    async with server.claim:
        await on_database(postgresql_url, f"{connections} false", "postgres")
        await on_database(postgresql_url, f"{end}'{name}'", "postgres")
        await server.becomes(ClaimState.LOST)
        for _ in range(20):
            await on_database(postgresql_url, "SELECT 1", "postgres")
        assert server.told == [ClaimState.HELD, ClaimState.LOST], "said once"
        await on_database(postgresql_url, f"{connections} true", "postgres")
        await server.becomes(ClaimState.HELD)
    assert len([e for e in caplog.records if e.levelno == logging.ERROR]) == 1


async def test_one_that_another_has_claimed_meanwhile_is_an_alarm(
    postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = Server(postgresql_url)
    engine = create_async_engine(full_url(postgresql_url))
    async with first.claim:
        async with engine.connect() as second:
            # It waits for the lock, so it has it in the instant in which it is lost.
            wanted = sa.text(f"SELECT pg_advisory_lock({LOCK_NUMBER})")
            waiting = asyncio.create_task(second.execute(wanted))
            await until(postgresql_url, f"SELECT count(*) {OUR_LOCK} AND NOT granted")
            await lose(postgresql_url)
            await waiting
            await first.becomes(ClaimState.TAKEN)
            for _ in range(20):
                await on_database(postgresql_url, "SELECT 1")
            assert caplog.text.count("ANOTHER SERVER HAS CLAIMED") == 1
            await second.invalidate()
        await first.becomes(ClaimState.HELD)
    await engine.dispose()


async def test_a_database_that_is_not_there(
    postgresql_url: str, tmp_path: Path
) -> None:
    missing = full_url(postgresql_url).set(database="missing").render_as_string()
    for url in (missing, sqlite_url(tmp_path / "missing" / "a.db")):
        with pytest.raises(StoreUnavailableError):
            await DatabaseClaim(url).__aenter__()


async def test_nothing_of_the_claim_is_left_in_the_database(
    postgresql_url: str,
) -> None:
    async with DatabaseClaim(postgresql_url):
        assert await on_database(postgresql_url, f"SELECT count(*) {OUR_LOCK}") == 1
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"
        assert await on_database(postgresql_url, idle) == 0, "no transaction is open"
    await until(postgresql_url, f"SELECT count(*) = 0 {OUR_LOCK}")
