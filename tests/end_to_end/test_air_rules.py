"""The rules of the air on whole servers: across a kill, by the clock, from afar."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.app import logbook
from streamer.app.server import LoacastServer
from streamer.config import Config
from streamer.media.level import Level
from streamer.studio.live import Live
from tests.end_to_end.chirps import until
from tests.end_to_end.test_server import Process, order
from tests.ingest.stations import Station, stalls_after, stream_of

pytestmark = pytest.mark.end_to_end
EMERGENCY = {"class": "emergency"}
SILENT = Level(-120, -120)


@asynccontextmanager
async def open_server(
    directory: Path, **members: Any
) -> AsyncIterator[tuple[LoacastServer, httpx.AsyncClient]]:
    config = Config.load(
        data_directory=directory,
        host="127.0.0.1",
        api_port=0,
        stream_port=0,
        **({"webrtc": False} | members),
    )
    async with (
        LoacastServer(config) as server,
        httpx.AsyncClient(
            base_url=f"{server.api_url}/api/v1/",
            headers={"Authorization": f"Bearer {server.admin_token}"},
            trust_env=False,
        ) as client,
    ):
        zone = {"id": "p", "name": "p", "level": "province"}
        (await client.post("zones", json=zone)).raise_for_status()
        yield server, client


async def on_air(server: LoacastServer) -> Live:
    """Wait for a broadcast that nobody has asked for just now."""
    studio = server.services.studio
    await until(lambda: bool(studio.on_air()))
    (live,) = studio.on_air()
    return live


def test_a_silence_holds_across_a_kill_and_the_log_forgets_nothing(
    tmp_path: Path,
) -> None:
    with Process(tmp_path) as process, process.client(process.token) as client:
        zone = {"id": "p", "name": "p", "level": "province"}
        client.post("/api/v1/zones", json=zone)
        held = _begin(client, comeback="resume")
        warning = _begin(client, **EMERGENCY)
        everything = {"everything": True, "reason": "Loa bị chiếm"}
        client.post("/api/v1/air/silence", json=everything)
        client.get(f"/api/v1/broadcasts/{held['id']}/intervals")  # it is written
        process.end(signal.SIGKILL)
    token = process.token
    with Process(tmp_path) as process, process.client(token) as client:
        (silence,) = client.get("/api/v1/air/silences").json()
        assert (silence["zone_id"], silence["reason"]) == ("*", "Loa bị chiếm")
        again = _begin(client, **EMERGENCY)
        assert again["state"] == "waiting", "whatever its class"
        client.post("/api/v1/air/lift", json={"everything": True})
        found = client.get(f"/api/v1/broadcasts/{again['id']}").json()
        assert found["state"] == "on_air"
        events = client.get("/api/v1/log", params={"limit": 100}).json()["events"]
        process.end()
    kinds = {(each["kind"], each["broadcast_id"]) for each in events}
    assert kinds >= {("held", held["id"]), ("silenced", None), ("lifted", None)}
    assert {each["broadcast_id"] for each in events if _is_interrupted(each)} == {
        *(held["id"], warning["id"]),
    }


def test_a_changed_log_is_found_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each on a copy of what a whole server left: one byte, one row, two swapped."""
    left = tmp_path / "left"
    with Process(left) as process, process.client(process.token) as client:
        zone = {"id": "p", "name": "p", "level": "province"}
        client.post("/api/v1/zones", json=zone)
        _begin(client, **EMERGENCY)
        process.end()
    assert verified(left) == 0
    assert "The log is whole" in capsys.readouterr().out
    for number, statements in enumerate(TAMPERINGS):
        copy = shutil.copytree(left, tmp_path / f"copy-{number}")
        config = Config.load(data_directory=copy)
        with sqlite3.connect(config.database_path) as database:
            for statement in statements:
                assert database.execute(statement).rowcount == 1
        assert verified(copy) == 1, statements
        assert "The log is broken at event 2." in capsys.readouterr().out


TAMPERINGS = (
    ("update asrun_events set kind = 'x' || substr(kind, 2) where serial = 2",),
    ("update asrun_events set at_utc = at_utc + 1 where serial = 2",),
    ("delete from asrun_events where serial = 2",),
    (
        "update asrun_events set serial = -1 where serial = 2",
        "update asrun_events set serial = 2 where serial = 3",
        "update asrun_events set serial = 3 where serial = -1",
    ),
)


def verified(directory: Path) -> int:
    """Run `loacast log verify`; return its exit status."""
    config = Config.load(data_directory=directory)
    return logbook.verify(config, expected=(), file=None)


def _begin(client: httpx.Client, **members: Any) -> Any:
    answer = client.post("/api/v1/broadcasts", json=order("p", **members))
    assert answer.status_code == 201, answer.text
    return answer.json()


def _is_interrupted(event: Any) -> bool:
    return (event["kind"], event["cause"]) == ("ended", "interrupted") and not event[
        "zone_ids"
    ]


async def test_the_schedule_fills_a_slot_and_a_warning_only_holds_it(
    tmp_path: Path,
) -> None:
    async with open_server(tmp_path) as (server, client):
        starts = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
        entry = {
            "title": "Bản tin chiều",
            "zone_ids": ["p"],
            "class": "normal",
            "items": [
                {"kind": "tone", "pattern": "bulletin", "duration_s": 1},
                {"kind": "tone", "pattern": "music", "duration_s": 60},
            ],
            "starts_local": starts.replace(tzinfo=None).isoformat(),
            "time_zone": "UTC",
            "duration_s": 2,
            "comeback": "resume",
        }
        answer = await client.post("schedule", json=entry)
        assert answer.status_code == 201, answer.text
        live = await on_air(server)
        late = datetime.now(UTC) - starts
        assert timedelta(0) <= late < timedelta(seconds=0.5)
        warning = (await client.post("broadcasts", json=order("p", **EMERGENCY))).json()
        await asyncio.sleep(0.2)
        assert live.held
        await client.post(f"broadcasts/{warning['id']}/stop")
        await asyncio.wait_for(live.closed.wait(), 4)
        assert live.end is not None
        assert live.end.reason == "completed"
        # A slot of two seconds, whatever its items last; each take has a tail.
        assert 100 <= live.frames <= 105
        (outcome,) = (await client.get("schedule/outcomes")).json()
        assert (outcome["kind"], outcome["broadcast_id"]) == ("aired", live.id)
        await server.services.journal.written()
        page = (await client.get("log", params={"broadcast_id": live.id})).json()
        (*_, first) = page["events"]
        assert (first["kind"], first["cause"]) == ("accepted", "schedule")


async def test_another_station_is_relayed_only_where_it_may_be(tmp_path: Path) -> None:
    with Station(stalls_after(stream_of("mp3"))) as station:
        relay = {"kind": "relay", "url": f"{station.url}?token=secret"}
        async with open_server(tmp_path / "any", relay_reach="any") as (server, client):
            body = order("p", source=relay)
            found = (await client.post("broadcasts", json=body)).json()
            live = server.services.studio.find(found["id"])
            assert live is not None
            airing = live.airing
            assert airing is not None
            await until(lambda: (airing.level or SILENT).peak_dbfs > -40)
            await server.services.journal.written()
            stored = await server.services.store.broadcasts.get(live.id)
            assert stored.source_detail == station.url
        async with open_server(tmp_path / "public") as (_, client):
            answer = await client.post("broadcasts", json=body)
            asked = len(station.requests)
            if answer.status_code == 201:  # refused when it is connected to
                await asyncio.sleep(0.3)
            assert len(station.requests) == asked


async def test_who_missed_a_part_hears_it_afterwards(tmp_path: Path) -> None:
    async with open_server(tmp_path) as (server, client):
        for zone_id in ("a", "b"):
            zone = {"id": zone_id, "name": "x", "level": "commune", "parent_id": "p"}
            await client.post("zones", json=zone)
        tone = {"kind": "tone", "pattern": "bulletin", "duration_s": 2.6}
        body = order("p", source=tone, comeback="replay", replay_share=0.2)
        bulletin = (await client.post("broadcasts", json=body)).json()
        live = server.services.studio.find(bulletin["id"])
        assert live is not None
        siren = {"kind": "tone", "pattern": "siren", "duration_s": 1.3}
        warning = order("b", source=siren, **EMERGENCY)
        (await client.post("broadcasts", json=warning)).raise_for_status()
        await asyncio.wait_for(live.closed.wait(), 5)
        replay = await on_air(server)
        assert replay.request.zone_ids == ("b",)
        assert replay.request.source_kind == "recording"
        await asyncio.wait_for(replay.closed.wait(), 5)
        assert replay.end is not None
        assert replay.end.reason == "completed"
        assert replay.frames / 50 == pytest.approx(1.35, abs=0.15)
