"""Tests of the routes of schedule and policies, on a server with a clock to set.

The schedule starts real broadcasts in the real studio; only the wall clock by which
it is kept stands still at Monday noon, unless a test sets it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from streamer.air.priority import Origin
from streamer.air.schedule import Owner, RelayItem
from streamer.air.timetable import OutcomeKind
from streamer.api.plans import owner_now
from streamer.api.requests import ToneSource
from streamer.api.server import build
from streamer.api.tokens import TokenRegistry
from streamer.app.server import PAGES_DIRECTORY, LoacastServer
from streamer.store.records import Role, Token
from streamer.studio.broadcast import BroadcastRequest
from streamer.studio.errors import OwnerRefusedError
from streamer.studio.planning import Planning
from streamer.studio.policies import PolicyKeeper
from streamer.studio.scheduled import ScheduledStart
from streamer.studio.timetable import ScheduleKeeper
from tests.streamer.air.schedules import NOON_UTC
from tests.streamer.air.schedules import entry as schedule_entry

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = ("streamer", "ingest")
"Whose loggers a server listens to."
SCHEDULE, ZONES = "/api/v1/schedule", "/api/v1/zones"
Json = dict[str, Any]


class Clock:
    """Monday, 2026-01-05, 12:00 in Hà Nội, until it is set."""

    now_utc = NOON_UTC


async def _never(_: float) -> None:
    await asyncio.Event().wait()


class Rig:
    """A schedule on a server that lives in this process."""

    def __init__(self, server: LoacastServer) -> None:
        self.clock = Clock()
        self.studio = server.services.studio
        self._tokens = server.services.tokens
        store = server.services.store
        self.keeper = ScheduleKeeper(
            store.timetable,
            store.outcomes,
            start=self._start,
            clock=lambda: self.clock.now_utc,
            wait=_never,
        )
        self.policies = PolicyKeeper(store.policies, lambda: self.studio.tree)
        planning = Planning(self.keeper, store.timetable, store.outcomes)
        services = replace(server.services, planning=planning, policies=self.policies)
        self.app: ASGIApp = build(services, pages_directory=PAGES_DIRECTORY)

    async def _start(self, wanted: ScheduledStart) -> str:
        entry = wanted.entry
        await owner_now(wanted.owner, entry, self._tokens, self.studio.tree)
        request = BroadcastRequest(
            source=ToneSource(kind="tone", pattern="music"),
            source_kind="tone",
            source_detail="music",
            zone_ids=entry.zone_ids,
            programme_class=entry.programme_class,
            origin=wanted.owner.origin,
            title=entry.title,
            chime=entry.chime,
            started_by=wanted.owner.name,
            token_id=wanted.owner.token_id,
        )
        return (await self.studio.start(request)).id

    async def at(self, now_utc: datetime) -> None:
        self.clock.now_utc = now_utc
        while await self.keeper.turn():
            pass
        await self.keeper.settled()

    def client(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://loacast",
            headers={"Authorization": token},
        )


@pytest_asyncio.fixture(loop_scope="module")
async def rig(server: LoacastServer) -> AsyncIterator[Rig]:
    rig = Rig(server)
    async with rig.keeper:
        yield rig
        planning = Planning(
            rig.keeper, server.services.store.timetable, server.services.store.outcomes
        )
        for planned in planning.all():
            await planning.delete(planned.entry.id)
    for live in rig.studio.on_air():
        rig.studio.stop(live.id)
        await live.closed.wait()


@pytest_asyncio.fixture(loop_scope="module")
async def http(rig: Rig, admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with rig.client(admin.headers["Authorization"]) as client:
        yield client


def body(**members: Any) -> Json:
    return {
        "title": "Bản tin chiều",
        "zone_ids": ["a"],
        "class": "normal",
        "items": [{"kind": "tone", "pattern": "bulletin", "duration_s": 60}],
        "starts_local": "2026-01-05T17:00:00",
        "duration_s": 600,
        "recurrence": "freq=daily",
    } | members


async def planned(http: httpx.AsyncClient, **members: Any) -> Json:
    answer = await http.post(SCHEDULE, json=body(**members))
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    assert answer.headers["Location"] == f"{SCHEDULE}/{found['id']}"
    return found


async def test_an_entry_is_planned_seen_changed_and_deleted(
    http: httpx.AsyncClient,
) -> None:
    entry = await planned(http)
    assert entry == body() | {
        "id": entry["id"],
        "uid": f"{entry['id']}@loacast",
        "time_zone": "Asia/Ho_Chi_Minh",
        "recurrence": "FREQ=DAILY",
        "except_dates": [],
        "except_starts": [],
        "fill": "fade",
        "filler_file_id": None,
        "grace_s": 300,
        "chime": False,
        "conflict": "wait",
        "comeback": "rejoin",
        "skip_after_s": None,
        "enabled": True,
        "planned_by": "admin",
        "armed_utc": "2026-01-05T05:00:00.000Z",
        "next_start_utc": "2026-01-05T10:00:00.000Z",
    }
    path = f"{SCHEDULE}/{entry['id']}"
    assert (await http.get(path)).json() == entry
    assert (await http.get(SCHEDULE)).json() == [entry]
    changed = await http.put(path, json=body(starts_local="2026-01-05T18:00:00"))
    assert changed.json()["next_start_utc"] == "2026-01-05T11:00:00.000Z"
    assert (await http.delete(path)).status_code == 204
    for method in ("GET", "DELETE"):
        gone = await http.request(method, path)
        assert (gone.status_code, gone.json()["type"]) == (
            *(404, "urn:loacast:problem:unknown-entry"),
        )


@pytest.mark.parametrize(
    ("members", "slug", "says"),
    [
        ({"recurrence": "FREQ=SECONDLY"}, "invalid-schedule", "too often"),
        ({"recurrence": "FREQ=DAILY;COUNT=99999"}, "invalid-schedule", "COUNT"),
        ({"recurrence": "FREQ=DAILY;UNTIL=20200101"}, "invalid-schedule", "never"),
        (
            {"recurrence": "FREQ=DAILY;BYHOUR=5,6", "duration_s": 7200},
            *("invalid-schedule", "overlaps itself"),
        ),
        ({"time_zone": "Asia/Hanoi"}, "invalid-schedule", "time zone"),
        ({"items": []}, "invalid-request", "items"),
        (
            {"items": [{"kind": "relay", "url": "file:///x", "duration_s": 5}]},
            *("invalid-schedule", "URL"),
        ),
        ({"items": [{"kind": "file", "file_id": "gone"}]}, "unknown-file", "'gone'"),
        ({"filler_file_id": "gone"}, "unknown-file", "'gone'"),
        ({"starts_local": "2026-01-05T17:00:00Z"}, "invalid-request", "starts_local"),
        ({"zone_ids": ["nowhere"]}, "unknown-zone", "'nowhere'"),
        ({"duration_s": 0}, "invalid-request", "duration_s"),
        ({"surprise": 1}, "invalid-request", "surprise"),
    ],
)
async def test_what_cannot_be_carried_out_is_refused(
    http: httpx.AsyncClient, members: Json, slug: str, says: str
) -> None:
    answer = await http.post(SCHEDULE, json=body(**members))
    assert answer.status_code == 422
    assert answer.json()["type"] == f"urn:loacast:problem:{slug}"
    assert says in answer.json()["detail"]
    assert (await http.get(SCHEDULE)).json() == []


async def test_a_start_is_on_the_air_and_its_outcome_is_told(
    rig: Rig, http: httpx.AsyncClient
) -> None:
    entry = await planned(http)
    await rig.at(NOON_UTC + timedelta(hours=5, minutes=1))
    (live,) = rig.studio.on_air()
    assert live.request.title == "Bản tin chiều"
    (outcome,) = (await http.get(f"{SCHEDULE}/outcomes")).json()
    assert outcome == {
        "entry_id": entry["id"],
        "start_utc": "2026-01-05T10:00:00.000Z",
        "kind": "aired",
        "title": "Bản tin chiều",
        "zone_ids": ["a"],
        "late_s": 60,
        "broadcast_id": live.id,
        "detail": "",
        "decided_utc": "2026-01-05T10:01:00.000Z",
    }
    window = {"from": "2026-01-05T00:00:00Z", "to": "2026-01-06T23:00:00+07:00"}
    first, second = (await http.get(f"{SCHEDULE}/occurrences", params=window)).json()
    assert (first["outcome"], second["outcome"]) == (outcome, None)
    assert second["start_local"] == "2026-01-06T17:00:00"
    assert second["end_utc"] == "2026-01-06T10:10:00.000Z"


async def test_a_missed_start_is_told(rig: Rig, http: httpx.AsyncClient) -> None:
    entry = await planned(http)
    rig.clock.now_utc = NOON_UTC + timedelta(hours=7)
    await rig.at(rig.clock.now_utc)
    answer = await http.get(
        f"{SCHEDULE}/outcomes", params={"entry_id": entry["id"], "limit": 1}
    )
    assert [(each["kind"], each["late_s"]) for each in answer.json()] == [
        ("missed", 7200)
    ]


async def test_one_day_is_cancelled_and_restored(http: httpx.AsyncClient) -> None:
    entry = await planned(http)
    day = f"{SCHEDULE}/{entry['id']}/cancelled/2026-01-05"
    for _ in range(2):  # again changes nothing
        cancelled = (await http.put(day)).json()
    assert cancelled["except_dates"] == ["2026-01-05"]
    assert cancelled["next_start_utc"] == "2026-01-06T10:00:00.000Z"
    restored = (await http.delete(day)).json()
    assert restored["next_start_utc"] == "2026-01-05T10:00:00.000Z"
    never = await http.put(f"{SCHEDULE}/{entry['id']}/cancelled/2026-01-04")
    assert (never.status_code, never.json()["member"]) == (422, "day")
    assert (await http.put(f"{SCHEDULE}/gone/cancelled/2026-01-04")).status_code == 404


@pytest.mark.parametrize(
    "window",
    [
        {"from": "2026-01-05T00:00:00Z", "to": "2026-01-04T00:00:00Z"},
        {"from": "2026-01-05T00:00:00Z", "to": "2028-01-04T00:00:00Z"},
        {"from": "9999-12-31T00:00:00Z"},
        {"from": "2026-01-05T00:00:00"},
    ],
)
async def test_an_impossible_window_is_refused(
    http: httpx.AsyncClient, window: dict[str, str]
) -> None:
    answer = await http.get(f"{SCHEDULE}/occurrences", params=window)
    assert answer.status_code == 422


class TestCalendar:
    """iCalendar, out and in."""

    async def test_an_export_is_taken_back_as_it_was(
        self, http: httpx.AsyncClient
    ) -> None:
        await planned(http)
        await planned(http, title="Sáng; 5:30, “mới”", starts_local="2026-01-06T05:30")
        before = (await http.get(SCHEDULE)).json()
        export = await http.get("/api/v1/schedule.ics")
        assert export.headers["Content-Type"] == "text/calendar; charset=utf-8"
        for each in before:
            await http.delete(f"{SCHEDULE}/{each['id']}")
        taken = await http.post(f"{SCHEDULE}/import", content=export.content)
        assert taken.status_code == 200, taken.text
        again = await http.post(f"{SCHEDULE}/import", content=export.content)
        after = (await http.get(SCHEDULE)).json()
        assert len(after) == len(again.json()) == 2

        def known(entries: list[Json]) -> list[Json]:
            return sorted((each | {"id": ""} for each in entries), key=str)

        assert known(after) == known(before)

    async def test_an_event_of_another_program_is_told_what_to_broadcast(
        self, http: httpx.AsyncClient
    ) -> None:
        options = {
            "zone_id": ["a1"],
            "class": "priority",
            "relay_url": "https://vov.vn/live",
        }
        answer = await http.post(f"{SCHEDULE}/import", content=_event(), params=options)
        (found,) = answer.json()
        assert (found["class"], found["zone_ids"]) == ("priority", ["a1"])
        assert found["items"][0]["url"] == "https://vov.vn/live"

    async def test_nothing_is_taken_of_a_file_with_a_fault(
        self, http: httpx.AsyncClient
    ) -> None:
        answer = await http.post(f"{SCHEDULE}/import", content=_event())
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["type"] == "urn:loacast:problem:invalid-calendar"
        assert "say what to broadcast" in problem["problems"][0]
        assert (await http.get(SCHEDULE)).json() == []


class TestOwners:
    """Whoever planned it must still be allowed to when it starts."""

    async def test_a_token_that_is_gone_starts_nothing(
        self, rig: Rig, client_of: Any, server: LoacastServer
    ) -> None:
        token = (await client_of("broadcaster", "a")).headers["Authorization"]
        async with rig.client(token) as owner:
            entry = await planned(owner)
        (of,) = rig.keeper.timetable.planned
        await server.services.tokens.delete(of.owner.token_id)
        await rig.at(NOON_UTC + timedelta(hours=5))
        assert rig.studio.on_air() == []
        planning = Planning(
            rig.keeper, server.services.store.timetable, server.services.store.outcomes
        )
        (outcome,) = await planning.outcomes.between(
            NOON_UTC, NOON_UTC + timedelta(hours=9), entry_id=entry["id"]
        )
        assert outcome.kind is OutcomeKind.REFUSED
        assert "may no longer broadcast this: the token was revoked" in outcome.detail

    @pytest.mark.parametrize(
        ("role", "zone_id", "says"),
        [
            ("broadcaster", None, None),
            ("operator", "p", None),
            ("monitor", None, "A monitor may not broadcast"),
            ("broadcaster", "b", "in 'b' and below only"),
            ("broadcaster", "gone", "in 'gone' and below only"),
        ],
    )
    async def test_it_starts_by_the_right_of_today(
        self, server: LoacastServer, role: str, zone_id: str | None, says: str | None
    ) -> None:
        tree = server.services.studio.tree
        token = Token(
            id="t",
            name="Lan",
            role=Role(role),
            zone_id=zone_id,
            secret_hash="",
            created_utc=NOON_UTC,
        )
        tokens = TokenRegistry(server.services.store.tokens)
        tokens._tokens["t"] = token
        was = Owner("t", "Lan", "admin", Origin.PROVINCE)
        entry = schedule_entry(zone_ids=("a", "not-there-any-more"))
        if says is None:
            owner = await owner_now(was, entry, tokens, tree)
            assert (owner.role, owner.origin) == (role, Origin.PROVINCE)
            return
        with pytest.raises(OwnerRefusedError, match=says):
            await owner_now(was, entry, tokens, tree)

    async def test_to_take_over_is_an_operators_right_here_too(
        self, rig: Rig, client_of: Any
    ) -> None:
        token = (await client_of("broadcaster", "a")).headers["Authorization"]
        async with rig.client(token) as broadcaster:
            new = body(conflict="take_over")
            assert (await broadcaster.post(SCHEDULE, json=new)).status_code == 403


class TestSecrets:
    """Another station's secret can be set, and never read."""

    URL = "https://xa:matkhau@vov.vn/live?token=bimat"
    SHOWN = "https://***@vov.vn/live?token=***"

    def relay(self, url: str, **members: Any) -> Json:
        item = {"kind": "relay", "url": url, "duration_s": 60, "fallback_file_id": None}
        return {"items": [item], **members}

    def stored(self, rig: Rig) -> list[str]:
        return [
            item.url
            for (each,) in [rig.keeper.timetable.planned]
            for item in each.entry.items
            if isinstance(item, RelayItem)
        ]

    async def test_no_answer_and_no_export_tells_it(
        self, rig: Rig, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        entry = await planned(http, **self.relay(self.URL))
        path = f"{SCHEDULE}/{entry['id']}"
        day = f"{path}/cancelled/2026-01-05"
        answers = [
            await http.get(path),
            await http.get(SCHEDULE),
            await http.get(f"{SCHEDULE}/occurrences"),
            await http.put(path, json=body(**self.relay(self.URL, title="B"))),
            await http.put(day),
            await http.delete(day),
            await http.get("/api/v1/schedule.ics"),
            await http.post(SCHEDULE, json=body(**self.relay(f"ftp{self.URL[5:]}"))),
            await http.post(SCHEDULE, json=body(**self.relay(self.URL, grace_s="x"))),
            await http.post(
                f"{SCHEDULE}/import",
                content=_event(),
                params={"zone_id": ["a"], "relay_url": f"ftp{self.URL[5:]}"},
            ),
        ]
        logged = [r.getMessage() for r in caplog.records if r.name.startswith(OURS)]
        for each in (repr(entry), *logged, *(each.text for each in answers)):
            assert "matkhau" not in each
            assert "bimat" not in each
        assert entry["items"][0]["url"] == self.SHOWN
        assert self.stored(rig) == [self.URL]

    async def test_what_was_shown_is_kept_as_it_is_stored(
        self, rig: Rig, http: httpx.AsyncClient
    ) -> None:
        entry = await planned(http, **self.relay(self.URL))
        path = f"{SCHEDULE}/{entry['id']}"
        answer = await http.put(path, json=body(**self.relay(self.SHOWN, title="B")))
        assert (answer.status_code, answer.json()["title"]) == (200, "B")
        assert self.stored(rig) == [self.URL]
        export = (await http.get("/api/v1/schedule.ics")).content
        taken = await http.post(f"{SCHEDULE}/import", content=export)
        assert taken.status_code == 200, taken.text
        assert self.stored(rig) == [self.URL]
        answer = await http.put(path, json=body(**self.relay("https://vov.vn/?t=new")))
        assert self.stored(rig) == ["https://vov.vn/?t=new"]

    async def test_a_mask_of_nothing_is_refused(
        self, rig: Rig, http: httpx.AsyncClient
    ) -> None:
        new = await http.post(SCHEDULE, json=body(**self.relay(self.SHOWN)))
        assert new.json()["type"] == "urn:loacast:problem:invalid-schedule"
        entry = await planned(http, **self.relay(self.URL))
        path = f"{SCHEDULE}/{entry['id']}"
        elsewhere = self.SHOWN.replace("vov.vn", "evil.example")
        moved = await http.put(path, json=body(**self.relay(elsewhere)))
        assert moved.json()["type"] == "urn:loacast:problem:invalid-schedule"
        export = (await http.get("/api/v1/schedule.ics")).content
        await http.delete(path)
        gone = await http.post(f"{SCHEDULE}/import", content=export)
        assert gone.json()["type"] == "urn:loacast:problem:invalid-calendar"
        assert "nobody stored" in gone.json()["problems"][0]
        assert (await http.get(SCHEDULE)).json() == []


def _event() -> str:
    return "\r\n".join(
        [
            *("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:x@elsewhere"),
            *("SUMMARY:Họp thôn", "DTSTART:20260106T190000", "DURATION:PT30M"),
            *("END:VEVENT", "END:VCALENDAR", ""),
        ]
    )


class TestRights:
    """Who may plan, and where."""

    async def test_a_monitor_sees_and_does_not_plan(
        self, rig: Rig, http: httpx.AsyncClient, client_of: Any
    ) -> None:
        entry = await planned(http)
        token = (await client_of("monitor")).headers["Authorization"]
        async with rig.client(token) as monitor:
            assert (await monitor.get(SCHEDULE)).status_code == 200
            assert (await monitor.get("/api/v1/schedule.ics")).status_code == 200
            path = f"{SCHEDULE}/{entry['id']}"
            for refused in (
                await monitor.post(SCHEDULE, json=body()),
                await monitor.put(path, json=body()),
                await monitor.delete(path),
                await monitor.put(f"{path}/cancelled/2026-01-05"),
                await monitor.post(f"{SCHEDULE}/import", content=_event()),
                await monitor.put(f"{ZONES}/a/policy", json={}),
            ):
                assert refused.status_code == 403

    async def test_a_broadcaster_plans_in_its_zone_only(
        self, rig: Rig, http: httpx.AsyncClient, client_of: Any
    ) -> None:
        theirs = await planned(http, zone_ids=["b"])
        export = (await http.get("/api/v1/schedule.ics")).content
        token = (await client_of("broadcaster", "a")).headers["Authorization"]
        async with rig.client(token) as broadcaster:
            mine = await planned(broadcaster, zone_ids=["a1"])
            path = f"{SCHEDULE}/{theirs['id']}"
            for refused in (
                await broadcaster.post(SCHEDULE, json=body(zone_ids=["p"])),
                await broadcaster.put(path, json=body(zone_ids=["a1"])),
                await broadcaster.put(
                    f"{SCHEDULE}/{mine['id']}", json=body(zone_ids=["b"])
                ),
                await broadcaster.delete(path),
                await broadcaster.put(f"{path}/cancelled/2026-01-05"),
                await broadcaster.delete(f"{path}/cancelled/2026-01-05"),
                await broadcaster.post(f"{SCHEDULE}/import", content=export),
            ):
                assert refused.status_code == 403, refused.text
        (kept,) = [
            each
            for each in (await http.get(SCHEDULE)).json()
            if each["id"] == theirs["id"]
        ]
        assert kept == theirs


class TestPolicies:
    """What zones allow."""

    async def test_a_policy_is_set_seen_and_taken_away(
        self, http: httpx.AsyncClient
    ) -> None:
        policy = {
            "time_zone": "Asia/Ho_Chi_Minh",
            "slots": [{"days": ["mo", "fr"], "from": "05:30", "to": "06:30"}],
            "quiet_hours": [
                {
                    "days": ["mo", "tu", "we", "th", "fr", "sa", "su"],
                    "from": "22:00",
                    "to": "24:00",
                }
            ],
            "longest_s": 3600,
            "roles": {"priority": ["admin", "operator"]},
        }
        above = await http.put(f"{ZONES}/p/policy", json={"longest_s": 600})
        assert above.json()["inherited_from"] == []
        answer = await http.put(f"{ZONES}/a1/policy", json=policy)
        expected = {"zone_id": "a1", "policy": policy, "inherited_from": ["p"]}
        assert answer.json() == expected
        assert (await http.get(f"{ZONES}/a1/policy")).json() == expected
        listed = (await http.get("/api/v1/policies")).json()
        assert [each["zone_id"] for each in listed] == ["p", "a1"]
        for zone_id in ("p", "a1"):
            gone = await http.delete(f"{ZONES}/{zone_id}/policy")
            assert gone.status_code == 204
        gone = await http.get(f"{ZONES}/a1/policy")
        assert gone.json()["type"] == "urn:loacast:problem:unknown-policy"
        nowhere = await http.get(f"{ZONES}/nowhere/policy")
        assert nowhere.json()["type"] == "urn:loacast:problem:unknown-zone"

    @pytest.mark.parametrize(
        "policy",
        [
            {"slots": [{"from": "5:30", "to": "06:30"}]},
            {"slots": [{"from": "05:30", "to": "24:01"}]},
            {"slots": [{"days": [], "from": "05:30", "to": "06:30"}]},
            {"slots": [{"from": "05:30", "to": "06:30"}] * 65},
            {"longest_s": 0},
            {"time_zone": "Mars/Base"},
            {"roles": {"loud": ["admin"]}},
            {"roles": {"normal": ["king"]}},
            {"surprise": 1},
        ],
    )
    async def test_an_impossible_policy_is_refused(
        self, http: httpx.AsyncClient, policy: Json
    ) -> None:
        answer = await http.put(f"{ZONES}/a/policy", json=policy)
        assert answer.status_code == 422
        assert (await http.get(f"{ZONES}/a/policy")).status_code == 404

    async def test_a_refusal_says_which_rule_which_zone_and_until_when(
        self, http: httpx.AsyncClient
    ) -> None:
        quiet = {"quiet_hours": [{"from": "16:00", "to": "19:00"}]}
        await http.put(f"{ZONES}/p/policy", json=quiet)
        answer = await http.post(SCHEDULE, json=body())
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem == {
            "type": "urn:loacast:problem:policy-refused",
            "title": "Policy refused",
            "status": 403,
            "detail": problem["detail"],
            "rule": "quiet_hours",
            "zone_id": "p",
            "allowed_from_utc": "2026-01-05T12:00:00.000Z",
        }
        assert "2026-01-05 19:00" in problem["detail"]
        emergency = await http.post(SCHEDULE, json=body(**{"class": "emergency"}))
        assert emergency.status_code == 201
        await http.delete(f"{ZONES}/p/policy")

    async def test_a_slot_longer_than_allowed_is_refused_for_good(
        self, http: httpx.AsyncClient
    ) -> None:
        await http.put(f"{ZONES}/a1/policy", json={"longest_s": 300})
        problem = (await http.post(SCHEDULE, json=body())).json()
        assert (problem["rule"], problem["zone_id"]) == ("longest", "a1")
        assert problem["allowed_from_utc"] is None
        await http.delete(f"{ZONES}/a1/policy")
