"""A store on each database that we promise, fresh for every test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from streamer.store.database import sqlite_url
from streamer.store.store import Store


@pytest.fixture(scope="session")
def postgresql_directory() -> Iterator[Path]:
    """A PostgreSQL server of our own, reached through a socket in this directory."""
    found = shutil.which("initdb"), shutil.which("pg_ctl")
    if None in found:
        pytest.skip("no PostgreSQL server is installed (initdb, pg_ctl)")
    initdb, pg_ctl = map(str, found)
    # Not below pytest's directory: the server's user may not enter that one.
    directory = Path(tempfile.mkdtemp(prefix="loacast-postgresql-"))
    try:
        user = _server_user(directory)
        data = str(directory / "data")
        _run([initdb, "-D", data, "-U", "loacast", "-E", "UTF8", "--no-sync"], user)
        options = f"-k {directory} -c listen_addresses='' -c fsync=off"
        log = str(directory / "log")
        _run([pg_ctl, "-D", data, "-w", "-l", log, "-o", options, "start"], user)
        try:
            yield directory
        finally:
            _run([pg_ctl, "-D", data, "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _server_user(directory: Path) -> str | None:
    """PostgreSQL refuses to run as root: give the directory to somebody else."""
    if os.getuid() != 0:
        return None
    try:
        shutil.chown(directory, "postgres")
    except LookupError:
        pytest.skip("PostgreSQL does not run as root and there is no user postgres")
    return "postgres"


def _run(command: list[str], user: str | None) -> None:
    subprocess.run(
        command,
        user=user,
        cwd="/",
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "dữ liệu 100%.sqlite")
    return await _new_database(request.getfixturevalue("postgresql_directory"))


@pytest.fixture
async def postgresql_url(postgresql_directory: Path) -> str:
    """The URL of an empty database of PostgreSQL."""
    return await _new_database(postgresql_directory)


async def _new_database(directory: Path) -> str:
    name = f"test_{uuid4().hex}"
    server = create_async_engine(
        f"postgresql+asyncpg://loacast@/postgres?host={directory}",
        isolation_level="AUTOCOMMIT",
    )
    async with server.connect() as connection:
        await connection.execute(sa.text(f"CREATE DATABASE {name}"))
    await server.dispose()
    return f"postgresql://loacast@/{name}?host={directory}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with Store(url) as opened:
        yield opened
