"""Tests of what the API tells about broadcasts, from their start to their record."""

from __future__ import annotations

import asyncio
import contextlib
from io import BytesIO
from typing import Any

import av
import httpx
import pytest

from streamer.app.server import LoacastServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
BROADCASTS = "/api/v1/broadcasts"
SHORT = {"kind": "tone", "pattern": "music", "duration_s": 0.2}


async def closed(server: LoacastServer, broadcast_id: str) -> None:
    """Wait until a broadcast is over, its recording closed and all of it stored."""
    live = server.services.studio.find(broadcast_id)
    assert live is not None
    await live.closed.wait()
    await server.services.journal.written()


async def test_a_started_broadcast_is_described(
    admin: httpx.AsyncClient, order: Any
) -> None:
    answer = await admin.post(BROADCASTS, json=order("a", "b", "a", chime=True))
    found = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{BROADCASTS}/{found['id']}"
    assert found["class"] == "normal"
    assert (found["title"], found["source_kind"]) == ("Bản tin sáng", "tone")
    assert (found["zone_ids"], found["state"]) == (["a", "b"], "opening")
    assert found["started_by"] == "admin"
    assert found["started_utc"].endswith("Z")
    assert found["ended_utc"] is found["end_reason"] is found["end_detail"] is None
    assert found["heard_by"] == {
        "zones": [
            {"zone_id": "a", "heard": True, "listeners": 0, "speakers": 0},
            {"zone_id": "b", "heard": True, "listeners": 0, "speakers": 0},
        ],
        "listeners": 0,
        "speakers": 0,
    }
    clock_us = (await admin.get("/api/v1/server")).json()["clock_us"]
    assert 0 < clock_us - found["accepted_clock_us"] < 5_000_000
    await admin.post(f"{BROADCASTS}/{found['id']}/stop")


async def test_a_stopped_broadcast_says_so_once(
    admin: httpx.AsyncClient, start: Any
) -> None:
    broadcast = await start("a")
    stop = f"{BROADCASTS}/{broadcast['id']}/stop"
    answer = await admin.post(stop)
    assert answer.status_code in (200, 202)
    assert (await _ended(admin, broadcast["id"]))["end_reason"] == "stopped"
    again = await admin.post(stop)
    assert again.status_code == 409
    assert again.json()["type"] == "urn:loacast:problem:already-ended"


async def test_a_source_that_ends_ends_its_broadcast(
    admin: httpx.AsyncClient, start: Any
) -> None:
    broadcast = await start("a", source=SHORT)
    ended = await _ended(admin, broadcast["id"])
    assert (ended["state"], ended["end_reason"]) == ("ended", "completed")
    assert ended["frames"] == 11  # 10 of the tone and one for the encoder's tail
    assert ended["level"] is None
    assert ended["heard_by"]["listeners"] == 0


async def test_the_stronger_class_is_heard_and_the_weaker_waits(
    admin: httpx.AsyncClient, start: Any
) -> None:
    weak, strong = await start("p"), await start("a", **{"class": "emergency"})
    waiting = (await admin.get(f"{BROADCASTS}/{weak['id']}")).json()
    assert waiting["state"] == "on_air"  # it is still heard in b
    assert strong["heard_by"]["zones"][0]["heard"]
    air = {each["zone_id"]: each for each in (await admin.get("/api/v1/air")).json()}
    assert {zone_id: each["broadcast_id"] for zone_id, each in air.items()} == {
        "p": weak["id"],
        "a": strong["id"],
        "a1": strong["id"],
        "b": weak["id"],
    }
    assert (air["a1"]["title"], air["a1"]["class"]) == ("Bản tin sáng", "emergency")
    await admin.post(f"{BROADCASTS}/{strong['id']}/stop")
    await _ended(admin, strong["id"])
    air = {each["zone_id"]: each for each in (await admin.get("/api/v1/air")).json()}
    assert air["a1"]["broadcast_id"] == weak["id"]


async def test_who_is_heard_nowhere_waits(admin: httpx.AsyncClient, start: Any) -> None:
    weak = await start("a")
    await start("p", **{"class": "priority"})
    found = (await admin.get(f"{BROADCASTS}/{weak['id']}")).json()
    assert found["state"] == "waiting"
    assert found["heard_by"]["zones"] == [
        {"zone_id": "a", "heard": False, "listeners": 0, "speakers": 0}
    ]


async def test_the_log_tells_who_heard_what_when(
    admin: httpx.AsyncClient, start: Any, server: LoacastServer
) -> None:
    weak = await start("a")
    strong = await start("a1", source=SHORT, **{"class": "priority"})
    await closed(server, strong["id"])
    await admin.post(f"{BROADCASTS}/{weak['id']}/stop")
    await closed(server, weak["id"])
    log = (await admin.get(f"{BROADCASTS}/{weak['id']}/intervals")).json()
    other = (await admin.get(f"{BROADCASTS}/{strong['id']}/intervals")).json()
    assert [each["zone_id"] for each in log] == ["a", "a1", "a1"]
    assert None not in {each["to_utc"] for each in [*log, *other]}
    whole, before, after = log
    assert whole["from_utc"] == before["from_utc"]
    assert whole["to_utc"] == after["to_utc"]
    assert [(each["zone_id"], each["from_utc"], each["to_utc"]) for each in other] == [
        ("a1", before["to_utc"], after["from_utc"])
    ]


async def test_lists_hold_what_is_asked_for_the_latest_first(
    admin: httpx.AsyncClient, start: Any, server: LoacastServer
) -> None:
    over = await start("a", source=SHORT)
    await closed(server, over["id"])
    first, second = await start("a"), await start("b")

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in (await admin.get(BROADCASTS + query)).json()]

    assert await ids("?state=on_air") == [second["id"], first["id"]]
    assert (await ids("?state=ended"))[0] == over["id"]
    assert (await ids("?limit=3")) == [second["id"], first["id"], over["id"]]


async def test_what_is_no_longer_in_memory_comes_from_the_store(
    admin: httpx.AsyncClient, start: Any, server: LoacastServer
) -> None:
    broadcast = await start("a", source=SHORT)
    await closed(server, broadcast["id"])
    in_memory = (await admin.get(f"{BROADCASTS}/{broadcast['id']}")).json()
    server.services.studio._over.clear()
    stored = (await admin.get(f"{BROADCASTS}/{broadcast['id']}")).json()
    gone = {"accepted_clock_us": None, "ssrc": None}
    assert stored == in_memory | gone
    listed = (await admin.get(f"{BROADCASTS}?state=ended")).json()
    assert stored in listed
    again = await admin.post(f"{BROADCASTS}/{broadcast['id']}/stop")
    assert again.status_code == 409


async def test_the_recording_is_what_was_sent(
    admin: httpx.AsyncClient, start: Any, server: LoacastServer
) -> None:
    broadcast = await start("a", source=SHORT)
    await closed(server, broadcast["id"])
    (info,) = [
        each
        for each in (await admin.get("/api/v1/recordings")).json()
        if each["broadcast_id"] == broadcast["id"]
    ]
    assert info["complete"]
    answer = await admin.get(f"/api/v1/recordings/{broadcast['id']}")
    assert answer.headers["Content-Type"] == "audio/ogg"
    assert len(answer.content) == info["bytes"]
    with av.open(BytesIO(answer.content), "r") as container:
        frames = list(container.decode(audio=0))
    assert sum(frame.samples for frame in frames) == 9600
    part = await admin.get(
        f"/api/v1/recordings/{broadcast['id']}", headers={"Range": "bytes=4-9"}
    )
    assert (part.status_code, part.content) == (206, answer.content[4:10])


async def test_a_running_recording_is_not_given_out(
    admin: httpx.AsyncClient, start: Any
) -> None:
    broadcast = await start("a")
    answer = await admin.get(f"/api/v1/recordings/{broadcast['id']}")
    assert answer.status_code == 404


async def test_two_clients_that_start_at_the_same_instant_both_do(
    admin: httpx.AsyncClient, start: Any, server: LoacastServer
) -> None:
    started = await asyncio.gather(*(start("a") for _ in range(3)))
    orders = [
        server.services.studio.air.programmes[each["id"]].accepted_order
        for each in started
    ]
    assert len(set(orders)) == len({each["ssrc"] for each in started}) == 3
    heard = [
        each
        for each in (await admin.get(f"{BROADCASTS}?state=on_air")).json()
        if each["state"] == "on_air"
    ]
    first = started[orders.index(min(orders))]
    assert [each["id"] for each in heard] == [first["id"]]


async def test_an_uploaded_file_is_broadcast_to_its_last_sample(
    admin: httpx.AsyncClient, start: Any
) -> None:
    answer = await admin.post(
        "/api/v1/files", params={"name": "Bài hát.ogg"}, content=_ogg(milliseconds=300)
    )
    file = answer.json()
    assert answer.status_code == 201
    assert (file["name"], file["codec"], file["channels"]) == ("Bài hát.ogg", "opus", 1)
    assert file["duration_s"] == pytest.approx(0.3, abs=0.02)
    assert (await admin.get("/api/v1/files")).json() == [file]
    broadcast = await start("a", source={"kind": "file", "file_id": file["id"]})
    # While it is on the air it may go: what is open stays readable.
    assert (await admin.delete(f"/api/v1/files/{file['id']}")).status_code == 204
    ended = await _ended(admin, broadcast["id"])
    assert ended["end_reason"] == "completed"
    assert ended["frames"] == 16


def _ogg(*, milliseconds: int) -> bytes:
    output = BytesIO()
    with av.open(output, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        for number in range(milliseconds // 20):
            frame = av.AudioFrame(format="flt", layout="mono", samples=960)
            frame.planes[0].update(bytes(960 * 4))
            frame.sample_rate, frame.pts = 48_000, number * 960
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return output.getvalue()


async def _ended(client: httpx.AsyncClient, broadcast_id: str) -> dict[str, Any]:
    """Ask until the broadcast has ended and return what is then said."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while True:
                answer = await client.get(f"{BROADCASTS}/{broadcast_id}")
                found: dict[str, Any] = answer.json()
                if found["state"] == "ended":
                    return found
    raise AssertionError("it did not end")
