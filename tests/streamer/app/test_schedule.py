"""Which broadcast a start of the schedule becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.app.schedule import unused_id
from streamer.store.database import sqlite_url
from streamer.store.identifiers import planned_id
from streamer.store.store import Store
from tests.streamer.store.test_broadcasts import broadcast

ID = planned_id("ban-tin", 1_800_000_000_000_000)


async def test_the_planned_id_is_taken_once(tmp_path: Path) -> None:
    async with Store(sqlite_url(tmp_path / "a.sqlite")) as store:
        assert await unused_id(store, ID) == ID
        await store.broadcasts.create(broadcast(ID))
        assert await unused_id(store, ID) is None
        assert await unused_id(store, None) is None


async def test_without_the_database_it_goes_on_air_as_planned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.sqlite"
    async with Store(sqlite_url(path)) as store:
        pass
    path.unlink()
    path.mkdir()
    assert await unused_id(store, ID) == ID
    assert "not known" in caplog.text
