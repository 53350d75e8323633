"""A whole server in the test's own process: real sockets, SQLite, Opus.

One for all tests of a module, which therefore share a loop: starting one takes half
a second.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import pytest_asyncio

from streamer.air.zones import ZoneLevel
from streamer.api.tokens import TokenRegistry
from streamer.app.server import LoacastServer
from streamer.config import Config
from streamer.store.database import sqlite_url
from streamer.store.store import Store

Json: TypeAlias = dict[str, Any]
Start: TypeAlias = Callable[..., Awaitable[Json]]
ClientOf: TypeAlias = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database of the present schema; making one takes a while."""
    path = tmp_path_factory.mktemp("migrated") / "loacast.db"

    async def migrate() -> None:
        async with Store(sqlite_url(path)):
            pass

    asyncio.run(migrate())
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Config:
    directory = tmp_path_factory.mktemp("data")
    shutil.copy(migrated, directory)
    return Config.load(
        data_directory=directory,
        host="127.0.0.1",
        api_port=0,
        stream_port=0,
        max_programmes=3,
        max_file_bytes=12_000_000,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(config: Config) -> AsyncIterator[LoacastServer]:
    """Return a server with province ``p``, communes ``a`` and ``b``, village ``a1``."""
    async with LoacastServer(config) as server:
        for zone_id, parent_id, level in (
            ("p", None, ZoneLevel.PROVINCE),
            ("a", "p", ZoneLevel.COMMUNE),
            ("b", "p", ZoneLevel.COMMUNE),
            ("a1", "a", ZoneLevel.VILLAGE),
        ):
            await server.services.zones.create(
                zone_id=zone_id,
                parent_id=parent_id,
                name=zone_id,
                level=level,
                playout_delay_ms=None,
            )
        yield server


@pytest.fixture
def tokens(server: LoacastServer) -> TokenRegistry:
    return server.services.tokens


@pytest_asyncio.fixture(loop_scope="module")
async def anybody(server: LoacastServer) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client without a token."""
    async with httpx.AsyncClient(base_url=server.api_url, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def admin(server: LoacastServer, anybody: httpx.AsyncClient) -> httpx.AsyncClient:
    """Return the client of the admin of the first start."""
    anybody.headers["Authorization"] = f"Bearer {server.admin_token}"
    return anybody


@pytest_asyncio.fixture(loop_scope="module")
async def client_of(
    server: LoacastServer, tokens: TokenRegistry
) -> AsyncIterator[ClientOf]:
    """Return a function that makes the client of another role."""
    clients: list[httpx.AsyncClient] = []

    async def make(role: str, zone_id: str | None = None) -> httpx.AsyncClient:
        _, text = await tokens.create(name=f"a {role}", role=role, zone_id=zone_id)
        clients.append(
            httpx.AsyncClient(
                base_url=server.api_url,
                headers={"Authorization": f"Bearer {text}"},
                trust_env=False,
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def order() -> Callable[..., Json]:
    """Return a function that makes the body of a good order, changed by members."""
    return _order


@pytest_asyncio.fixture(loop_scope="module")
async def start(
    server: LoacastServer, admin: httpx.AsyncClient
) -> AsyncIterator[Start]:
    """Return a function that puts music on the air; it stops after the test."""
    studio = server.services.studio
    before = studio.on_air()

    async def start(*zone_ids: str, **members: Any) -> Json:
        body = _order(*zone_ids or ("p",), **members)
        answer = await admin.post("/api/v1/broadcasts", json=body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    yield start
    for live in studio.on_air():
        if live not in before:
            studio.stop(live.id)
            await live.closed.wait()


def _order(*zone_ids: str, **members: Any) -> Json:
    return {
        "source": {"kind": "tone", "pattern": "music"},
        "zone_ids": list(zone_ids),
        "class": "normal",
        "title": "Bản tin sáng",
    } | members
