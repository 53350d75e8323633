"""Tests of what the API tells of the as-run log and of coverage."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from streamer.air.difference import AirEvent, AirEventKind
from streamer.air.priority import Origin
from streamer.app.server import LoacastServer
from streamer.store.asrunevents import AsRunEvent, AsRunKind
from streamer.store.chain import parsed
from streamer.store.receipts import StoredReceipt
from streamer.store.records import Broadcast, EndReason, SourceKind, Speaker
from streamer.store.verifier import verify
from streamer.wire.control import ProgrammeClass

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOG, COVERAGE = "/api/v1/log", "/api/v1/coverage"


def at(seconds: float) -> datetime:
    """The morning of 1 March, in Viet Nam; still February in UTC."""
    return datetime(2021, 2, 28, 22, 30, tzinfo=UTC) + timedelta(seconds=seconds)


def event(kind: AsRunKind, second: int, *zones: str, **more: Any) -> AsRunEvent:
    return AsRunEvent(at_utc=at(second), kind=kind, zone_ids=zones, **more)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def log(server: LoacastServer) -> list[AsRunEvent]:
    """Six events of 2021, which other tests of the module leave alone."""
    broadcast = {"broadcast_id": "march"}
    title = {"title": "Bản tin", "actor_name": "Chị Hoa"}
    events = [
        event(AsRunKind.ACCEPTED, 0, "p", actor="hoa", detail=title, **broadcast),
        event(AsRunKind.STARTED, 0, "p", "a", "b", "a1", **broadcast),
        event(AsRunKind.PREEMPTED, 20, "b", cause="broadcast", **broadcast),
        event(AsRunKind.REFUSED, 25, "b", actor="hoa", cause="quiet_hours"),
        event(AsRunKind.ENDED, 60, "p", "a", "a1", **broadcast),
        event(AsRunKind.ENDED, 60, cause="completed", **broadcast),
    ]
    await server.services.store.asrun.append(events)
    return events


async def listed(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    query = {
        "from_utc": "2021-01-01T00:00:00Z",
        "until_utc": "2022-01-01T00:00:00Z",
    } | query
    answer = await client.get(LOG, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.usefixtures("log")
async def test_the_log_says_who_did_what_when_and_why(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    page = await listed(admin, order="first")
    accepted, *_, refused, _, ended = page["events"]
    assert (accepted["kind"], accepted["zone_ids"]) == ("accepted", ["p"])
    assert accepted["at_utc"] == "2021-02-28T22:30:00.000Z"
    assert (accepted["actor"], accepted["actor_name"]) == ("hoa", "Chị Hoa")
    assert (refused["broadcast_id"], refused["cause"]) == (None, "quiet_hours")
    assert (ended["zone_ids"], ended["cause"]) == ([], "completed")
    head = await server.services.store.asrun.head()
    assert page["head"] == {"count": head.count, "hash": head.hash}
    assert page["next"] is None


@pytest.mark.usefixtures("log")
async def test_pages_and_filters(admin: httpx.AsyncClient) -> None:
    first = await listed(admin, limit=4)
    rest = await listed(admin, limit=4, before=first["next"])
    assert [len(each["events"]) for each in (first, rest)] == [4, 2]
    serials = [each["serial"] for each in first["events"] + rest["events"]]
    assert serials == sorted(serials, reverse=True)
    assert len(set(serials)) == 6

    async def kinds(**query: Any) -> list[str]:
        page = await listed(admin, order="first", **query)
        return [each["kind"] for each in page["events"]]

    assert await kinds(zone_id="a1") == ["started", "ended"]
    assert await kinds(actor="hoa") == ["accepted", "refused"]
    assert await kinds(kind=["refused", "preempted"]) == ["preempted", "refused"]
    assert await kinds(broadcast_id="march", until_utc=at(20).isoformat()) == [
        "accepted",
        "started",
    ]


@pytest.mark.usefixtures("log")
async def test_an_export_can_be_verified_by_itself(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    answer = await admin.get(f"{LOG}.jsonl")
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    links = [parsed(each) for each in answer.text.splitlines()]
    verdict = verify(links)
    assert verdict.fault is None
    assert verdict.head == await server.services.store.asrun.head()


@pytest.mark.usefixtures("log")
async def test_csv_is_for_spreadsheets(admin: httpx.AsyncClient) -> None:
    answer = await admin.get(f"{LOG}.csv", params={"broadcast_id": "march"})
    assert "asrun-log.csv" in answer.headers["Content-Disposition"]
    assert answer.content.startswith("\ufeffserial,".encode())
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [each["kind"] for each in rows] == [
        *("accepted", "started", "preempted", "ended", "ended")
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"from_utc": "2021-01-01"},
        {"from_utc": "2021-01-01T00:00:00"},
        {"order": "random"},
        {"after": "-1"},
        {"kind": ["x"] * 21},
    ],
)
async def test_a_bad_question_is_told_so(
    admin: httpx.AsyncClient, query: dict[str, Any]
) -> None:
    assert (await admin.get(LOG, params=query)).status_code == 422


async def test_a_broadcaster_may_not_read_the_log(client_of: Any) -> None:
    broadcaster, monitor = (
        await client_of("broadcaster", "a"),
        await client_of("monitor"),
    )
    for path in (LOG, f"{LOG}.csv", f"{LOG}.jsonl", f"{COVERAGE}?month=2021-03"):
        assert (await broadcaster.get(path)).status_code == 403
        assert (await monitor.get(path)).status_code == 200


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def march(server: LoacastServer, log: list[AsRunEvent]) -> Broadcast:
    """A minute that village ``a1`` heard and commune ``b`` lost after 20 s.

    Of the speakers in ``a1`` one heard all and one was killed after 30 s; in ``b``
    there is one that heard all it could.
    """
    assert log
    store = server.services.store
    for name, zone_id in (("whole", "a1"), ("killed", "a1"), ("cut", "b")):
        speaker = Speaker(
            id=name,
            name=f"Cụm {name}",
            zone_id=zone_id,
            secret_hash=name,
            created_utc=at(-1000),
        )
        await store.speakers.create(speaker)
    broadcast = Broadcast(
        id="march",
        title="Bản tin",
        programme_class=ProgrammeClass.NORMAL,
        origin=Origin.PROVINCE,
        source_kind=SourceKind.TONE,
        zone_ids=("p",),
        started_by="hoa",
        accepted_utc=at(0),
        started_utc=at(0),
    )
    await store.broadcasts.create(broadcast)
    for kind, second, zones in (
        (AirEventKind.STARTED, 0, ("p", "a", "b", "a1")),
        (AirEventKind.PREEMPTED, 20, ("b",)),
    ):
        step = AirEvent(0, kind, "march", zones)
        await store.broadcasts.record([step], at(second))
    await store.broadcasts.end("march", ended_utc=at(60), reason=EndReason.COMPLETED)
    await store.receipts.put(
        StoredReceipt(
            broadcast_id="march",
            speaker_id=name,
            run_us=1,
            zone_id="a1",
            packets_received=50 * seconds,
            total_samples_received=48_000 * seconds,
            played_samples=48_000 * seconds,
            concealed_samples=0,
            first_played_utc=at(0),
            last_played_utc=at(seconds),
            complete=name != "killed",
        )
        for name, seconds in (("whole", 60), ("killed", 30), ("cut", 20))
    )
    return await store.broadcasts.get("march")


@pytest.mark.usefixtures("march")
async def test_the_coverage_of_a_broadcast_names_who_missed_what(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    answer = await admin.get("/api/v1/broadcasts/march/coverage")
    found = answer.json()
    assert answer.status_code == 200, answer.text
    assert (found["speakers"], found["complete_speakers"]) == (3, 1)
    assert (found["expected_s"], found["heard_s"]) == (180, 110)
    assert (found["percent"], found["preliminary"]) == (61.11, False)
    assert [(each["zone_id"], each["percent"]) for each in found["zones"]] == [
        ("a1", 75),
        ("b", 33.33),
    ]
    a1, b = found["incomplete"]
    assert (a1["zone_id"], a1["gaps"]) == ("a1", [])
    (killed,) = a1["speakers"]
    assert killed["speaker_id"] == "killed"
    assert killed["gaps"] == [
        {
            "from_utc": "2021-02-28T22:30:30.000Z",
            "to_utc": "2021-02-28T22:31:00.000Z",
            "missed_s": 30,
            "cause": "not_received",
            "unconfirmed_s": 10,
        }
    ]
    assert [(each["missed_s"], each["cause"]) for each in b["gaps"]] == [
        (40, "preempted")
    ]
    assert [each["speaker_id"] for each in b["speakers"]] == ["cut"]


@pytest.mark.usefixtures("march")
async def test_the_coverage_of_a_month_here_and_below(admin: httpx.AsyncClient) -> None:
    async def month(**query: str) -> dict[str, Any]:
        answer = await admin.get(COVERAGE, params={"month": "2021-03"} | query)
        found: dict[str, Any] = answer.json()
        return found

    whole = await month()
    assert (whole["percent"], whole["speakers"]) == (61.11, 3)
    assert [each["broadcast_id"] for each in whole["broadcasts"]] == ["march"]
    assert whole["from_utc"] == "2021-02-28T17:00:00.000Z"
    below = await month(zone_id="a")
    assert [each["zone_id"] for each in below["zones"]] == ["a1"]
    assert below["percent"] == 75
    empty = await month(month="2021-02")
    assert (empty["percent"], empty["broadcasts"]) == (None, [])


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/api/v1/broadcasts/never/coverage", 404, "unknown-broadcast"),
        (f"{COVERAGE}?month=2021-13", 422, "invalid-request"),
        (f"{COVERAGE}?month=0000-01", 422, "invalid-request"),
        (f"{COVERAGE}?month=9999-12", 422, "invalid-request"),
        (f"{COVERAGE}?month=0001-01", 422, "invalid-request"),
        (COVERAGE, 422, "invalid-request"),
        (f"{COVERAGE}?month=2021-03&zone_id=nowhere", 404, "unknown-zone"),
    ],
)
async def test_what_is_not_there(
    admin: httpx.AsyncClient, path: str, status: int, slug: str
) -> None:
    answer = await admin.get(path)
    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:loacast:problem:{slug}"
