"""Tests of what is left of a play list when a slot goes on after a server's end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from ingest.whip import WhipServer
from streamer.air.schedule import FileItem, Item, RelayItem, ToneItem
from streamer.app.opener import Opener
from streamer.studio.files import FileLibrary
from streamer.studio.scheduled import ScheduledStart
from tests.streamer.air.schedules import NOON_UTC, OWNER, entry


class Files:
    """Knows two files of a minute."""

    def duration_s(self, file_id: str) -> float | None:
        return 60.0 if file_id in ("f1", "f2") else None


RELAY, ONE, TWO = RelayItem("https://vov.vn", 600), FileItem("f1"), FileItem("f2")


@pytest.mark.parametrize(
    ("items", "played_s", "late_s", "left", "offset_s"),
    [
        ((RELAY, ONE), 100, 100, (RelayItem("https://vov.vn", 500), ONE), 0),
        ((RELAY, ONE), 100, 300, (RelayItem("https://vov.vn", 300), ONE), 0),
        ((RELAY, ONE), 100, 650, (ONE,), 0),
        ((RELAY, ONE), 630, 700, (ONE,), 30),
        ((ONE, TWO), 70, 200, (TWO,), 10),
        ((ONE, RELAY), 30, 130, (ONE, RelayItem("https://vov.vn", 500)), 30),
        ((ToneItem("music", 9), FileItem("gone"), TWO), 10, 50, (TWO,), 0),
        ((ONE,), 60, 90, (), 0),
    ],
)
def test_relays_lose_what_is_over_and_files_go_on_where_they_stood(
    items: tuple[Item, ...],
    played_s: int,
    late_s: int,
    left: tuple[Item, ...],
    offset_s: float,
) -> None:
    opener = Opener(cast(FileLibrary, Files()), Path(), cast(WhipServer, None))
    settings: dict[str, Any] = {"slot_s": 900, "start_utc": NOON_UTC}
    start = ScheduledStart(
        entry(items=items),
        OWNER,
        late_s=late_s,
        items=items,
        goes_on="b1",
        played_s=played_s,
        **settings,
    )
    assert opener._left(start) == (left, offset_s)
