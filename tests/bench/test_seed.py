"""Tests of bench.seed and bench.province."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from bench.province import PROVINCE, VILLAGES, ZONES
from bench.seed import seed
from streamer.air.zones import ZoneTree
from streamer.config import Config
from streamer.store.credentials import parse, verify
from streamer.store.database import sqlite_url
from streamer.store.records import Role
from streamer.store.store import Store


def test_the_province_is_a_tree_with_the_province_at_its_root() -> None:
    tree = ZoneTree(ZONES)
    assert [zone.id for zone in tree if zone.parent_id is None] == [PROVINCE.id]


def test_a_seeded_directory_holds_speakers_in_all_villages_and_an_admin(
    tmp_path: Path,
) -> None:
    seeded = seed(tmp_path / "data", 13)

    async def read() -> None:
        url = sqlite_url(Config.load(data_directory=seeded.directory).database_path)
        async with Store(url) as store:
            speakers = {speaker.id: speaker for speaker in await store.speakers.all()}
            (token,) = await store.tokens.all()
        assert len(speakers) == 13
        for text in seeded.credentials:
            shown = parse(text)
            assert verify(shown.secret, speakers[shown.id].secret_hash)
        assert set(Counter(one.zone_id for one in speakers.values()).values()) == {2, 3}
        assert {one.zone_id for one in speakers.values()} == {z.id for z in VILLAGES}
        assert token.role is Role.ADMIN
        assert verify(parse(seeded.token).secret, token.secret_hash)

    asyncio.run(read())
