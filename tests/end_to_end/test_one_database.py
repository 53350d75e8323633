"""Two servers with directories of their own on one database: the second is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.app.server import LoacastServer
from streamer.config import Config
from streamer.store.asrunevents import AsRunFilter, AsRunKind
from streamer.store.database import sqlite_url
from streamer.store.errors import DatabaseInUseError
from streamer.store.records import Role


def config(directory: Path, database_url: str) -> Config:
    return Config.load(
        data_directory=directory,
        database_url=database_url,
        host="127.0.0.1",
        api_port=0,
        stream_port=0,
        webrtc=False,
        record=False,
    )


async def test_the_second_touches_nothing_of_the_first(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "shared.db")
    async with LoacastServer(config(tmp_path / "first", url)) as first:
        second = LoacastServer(config(tmp_path / "second", url))
        with pytest.raises(DatabaseInUseError, match="end that server first"):
            await second.__aenter__()
        store, services = first.services.store, first.services
        starts = AsRunFilter(kinds=frozenset({AsRunKind.SERVER_STARTED}))
        assert len(await store.asrun.read(starts, limit=9)) == 1
        assert [each.role for each in await store.tokens.all()] == [Role.ADMIN]
        claim = {"loacast_database_claim": "held"}
        registry = services.metrics.registry
        assert registry.get_sample_value("loacast_database_claim", claim) == 1
    async with LoacastServer(config(tmp_path / "second", url)) as second:
        assert second.admin_token is None, "the first has made one"
