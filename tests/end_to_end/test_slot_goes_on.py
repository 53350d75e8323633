"""A slot of the schedule that a server's end cut off, on whole servers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamer.air.priority import Origin
from streamer.air.schedule import Owner, ToneItem
from streamer.air.zones import ZoneLevel
from streamer.app.server import LoacastServer
from streamer.config import Config
from streamer.store.asrunevents import AsRunFilter
from streamer.studio.live import Live
from tests.streamer.air.schedules import entry


async def on_air(server: LoacastServer) -> Live:
    for _ in range(500):
        if found := server.services.studio.on_air():
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError("nothing came on the air")


async def test_a_slot_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    config = Config.load(
        data_directory=tmp_path, host="127.0.0.1", api_port=0, stream_port=0
    )
    async with LoacastServer(config) as server:
        await server.services.zones.create(
            zone_id="a",
            parent_id=None,
            name="a",
            level=ZoneLevel.COMMUNE,
            playout_delay_ms=None,
        )
        assert server.services.planning is not None
        (admin,) = server.services.tokens.all()
        soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        await server.services.planning.create(
            entry(
                items=(ToneItem("music", 60),),
                starts_local=soon.replace(tzinfo=None),
                time_zone="UTC",
            ),
            Owner(admin.id, admin.name, "admin", Origin.PROVINCE),
        )
        first = await on_air(server)
        await asyncio.sleep(1.2)
    async with LoacastServer(config) as server:
        second = await on_air(server)
        more = second.request.more
        assert (more["continues"], more["entry_id"]) == (first.id, "e1")
        assert 1 <= more["played_s"] <= 2
        await server.services.journal.written()
        told = await server.services.store.asrun.read(
            AsRunFilter(broadcast_id=second.id), limit=9
        )
        assert told[0].detail["continues"] == first.id
