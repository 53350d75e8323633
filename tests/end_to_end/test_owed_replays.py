"""Replays that a server owed when it ended, on whole servers, one after another."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streamer.air.priority import Comeback, Origin
from streamer.air.zones import ZoneLevel
from streamer.api.requests import ToneSource
from streamer.app.replays import TOO_LATE, find_owed
from streamer.app.server import LoacastServer
from streamer.config import Config
from streamer.store.asrunevents import AsRunEntry, AsRunFilter
from streamer.studio.broadcast import BroadcastRequest, RecordingPart
from streamer.studio.live import Live
from streamer.studio.owed import Owed
from streamer.wire.control import ProgrammeClass


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.load(
        data_directory=tmp_path, host="127.0.0.1", api_port=0, stream_port=0
    )


def music(*zone_ids: str, **members: Any) -> BroadcastRequest:
    settings: dict[str, Any] = {
        "source": ToneSource(kind="tone", pattern="music"),
        "source_kind": "tone",
        "source_detail": "music",
        "zone_ids": zone_ids,
        "programme_class": ProgrammeClass.NORMAL,
        "origin": Origin.PROVINCE,
        "title": "music",
        "chime": False,
        "started_by": "test",
        "token_id": "t",
    }
    return BroadcastRequest(**settings | members)


async def make_zones(server: LoacastServer) -> None:
    for zone_id, parent_id in (("p", None), ("a", "p"), ("b", "p")):
        await server.services.zones.create(
            zone_id=zone_id,
            parent_id=parent_id,
            name=zone_id,
            level=ZoneLevel.PROVINCE if parent_id is None else ZoneLevel.COMMUNE,
            playout_delay_ms=None,
        )


async def replay_of(server: LoacastServer) -> Live:
    """Wait for the replay, heard or not."""
    async with asyncio.timeout(5):
        while True:
            for live in server.services.studio.on_air():
                if live.request.cause == "replay":
                    return live
            await asyncio.sleep(0.02)


async def replays_in_log(server: LoacastServer) -> list[AsRunEntry]:
    await server.services.journal.written()
    kinds = frozenset({"accepted", "missed", "refused"})
    found = await server.services.store.asrun.read(AsRunFilter(kinds=kinds), limit=99)
    return [each for each in found if "replay_of" in each.detail]


def samples(live: Live) -> tuple[int, int]:
    source = live.request.source
    assert isinstance(source, RecordingPart)
    assert source.stop_samples is not None
    return source.start_samples, source.stop_samples


async def miss_a_part(server: LoacastServer) -> Live:
    """Let zone b hear a storm warning for 1.8 s of the news, which go on."""
    studio = server.services.studio
    news = await studio.start(music("p", comeback=Comeback.REPLAY, title="news"))
    await asyncio.sleep(0.3)
    storm = await studio.start(music("b", programme_class=ProgrammeClass.EMERGENCY))
    await asyncio.sleep(1.8)
    studio.stop(storm.id)
    await storm.ended.wait()
    return news


async def test_what_was_missed_is_aired_by_the_servers_that_follow(
    config: Config,
) -> None:
    async with LoacastServer(config) as server:
        await make_zones(server)
        news = await miss_a_part(server)
    async with LoacastServer(config) as server:
        first = await replay_of(server)
        assert (first.request.title, first.request.zone_ids) == ("news", ("b",))
        assert first.request.more["replay_of"] == news.id
        start, stop = samples(first)
        assert start / 48_000 == pytest.approx(0.3, abs=0.25)
        assert (stop - start) / 48_000 == pytest.approx(1.8, abs=0.25)
        await asyncio.sleep(0.4)
    async with LoacastServer(config) as server:
        second = await replay_of(server)
        assert second.request.more["continues"] == first.id
        went_on, end = samples(second)
        assert end == stop
        assert (went_on - start) / 48_000 == pytest.approx(0.5, abs=0.3)
        async with asyncio.timeout(5):
            await second.closed.wait()
        assert second.end is not None
        assert second.end.reason == "completed"
        assert await still_owed(server) == []
        assert len(await replays_in_log(server)) == 2


async def still_owed(server: LoacastServer) -> list[Owed]:
    now_utc = datetime.now(UTC)
    log, tree = server.services.store.asrun, server.services.studio.tree
    return await find_owed(log, tree, alive_utc=now_utc, now_utc=now_utc)


async def test_after_a_day_it_is_recorded_as_missed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LoacastServer(config) as server:
        await make_zones(server)
        studio = server.services.studio
        studio.desk.silence(["b"], by="t")
        tone = ToneSource(kind="tone", pattern="music", duration_s=1.5)
        await studio.start(music("p", source=tone, comeback=Comeback.REPLAY))
        replay = await replay_of(server)
        assert replay.ssrc is None, "it waits for the silence to be lifted"
    monkeypatch.setattr("streamer.studio.owed.LONGEST_AGO", timedelta(0))
    async with LoacastServer(config) as server:
        told: list[AsRunEntry] = []
        for _ in range(250):
            told = await replays_in_log(server)
            if len(told) == 2:
                break
            await asyncio.sleep(0.02)
        assert [each.kind for each in told] == ["accepted", "missed"]
        assert told[1].detail["reason"] == TOO_LATE
        assert told[1].detail["continues"] == replay.id
        assert server.services.studio.on_air() == []
