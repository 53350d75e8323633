"""Tests of the rules of the air as the API offers them: on a real server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from streamer.api.orders import shown_url
from streamer.app.server import LoacastServer
from streamer.store.asrunevents import AsRunFilter

pytestmark = pytest.mark.asyncio(loop_scope="module")
BROADCASTS, AIR = "/api/v1/broadcasts", "/api/v1/air"
MUSIC = {"kind": "tone", "pattern": "music"}
EMERGENCY = {"class": "emergency"}
PRIORITY = {"class": "priority"}


async def state_of(admin: httpx.AsyncClient, broadcast: Any) -> str:
    found = (await admin.get(f"{BROADCASTS}/{broadcast['id']}")).json()
    return str(found["state"])


async def stop(admin: httpx.AsyncClient, broadcast: Any) -> None:
    answer = await admin.post(f"{BROADCASTS}/{broadcast['id']}/stop")
    assert answer.status_code in (200, 202), answer.text


class TestConflict:
    """What a newcomer does, and what becomes of those cut off."""

    async def test_refuse_names_zones_and_holders(
        self, admin: httpx.AsyncClient, order: Any, start: Any
    ) -> None:
        held = await start("a", title="Bản tin xã")
        wanted = order("p", conflict="refuse")
        answer = await admin.post(BROADCASTS, json=wanted)
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["type"] == "urn:loacast:problem:zones-held"
        assert problem["holders"] == [
            {
                "broadcast_id": held["id"],
                "title": "Bản tin xã",
                "zone_ids": ["a", "a1"],
            }
        ]
        assert "Bản tin xã" in problem["detail"]

    async def test_resume_holds_and_goes_on(
        self, admin: httpx.AsyncClient, start: Any
    ) -> None:
        file = await start("a", comeback="resume")
        warning = await start("p", **EMERGENCY)
        assert await state_of(admin, file) == "held"
        await stop(admin, warning)
        assert await state_of(admin, file) == "on_air"
        found = (await admin.get(f"{BROADCASTS}/{file['id']}")).json()
        assert found["ssrc"] != file["ssrc"], "another take"

    async def test_drop_and_skip_say_so(
        self, admin: httpx.AsyncClient, start: Any
    ) -> None:
        dropped = await start("a", comeback="drop")
        await start("p", **EMERGENCY)
        found = (await admin.get(f"{BROADCASTS}/{dropped['id']}")).json()
        assert (found["state"], found["end_reason"]) == ("ended", "dropped")

    async def test_taking_over_needs_the_right_to(
        self, client_of: Any, order: Any, start: Any, admin: httpx.AsyncClient
    ) -> None:
        first = await start("a")
        wanted = order("a", conflict="take_over")
        broadcaster = await client_of("broadcaster", "a")
        assert (await broadcaster.post(BROADCASTS, json=wanted)).status_code == 403
        operator = await client_of("operator", "a")
        answer = await operator.post(BROADCASTS, json=wanted)
        assert answer.status_code == 201
        assert await state_of(admin, first) == "waiting"
        await stop(admin, answer.json())

    @pytest.mark.parametrize(
        "members",
        [
            {"attention_s": 3},
            {"attention_s": 5, "class": "emergency"},
            {"repeat": {"gap_s": 0}},
            {"repeat": {"gap_s": 31}, "source": {"kind": "file", "file_id": "x"}},
            {"comeback": "return"},
            {"skip_after_s": -1},
            {"replay_share": 1.1},
            {
                "source": {
                    "kind": "recording",
                    "broadcast_id": "x",
                    "from_s": 2,
                    "to_s": 1,
                }
            },
            {"source": {"kind": "recording", "broadcast_id": "../x"}},
            {"source": {"kind": "relay", "url": "file:///etc/passwd"}},
            {"source": {"kind": "relay", "url": "http://127.0.0.1/x"}, "chime": 3},
        ],
    )
    async def test_nonsense_is_refused(
        self, admin: httpx.AsyncClient, order: Any, members: Any
    ) -> None:
        answer = await admin.post(BROADCASTS, json=order("a", **members))
        assert answer.status_code == 422, answer.text

    async def test_an_address_is_logged_without_its_secrets(self) -> None:
        shown = shown_url("http://ann:secret@radio.example:8000/live?token=secret")
        assert shown == "http://radio.example:8000/live"
        assert shown_url("http://[") == "an address that cannot be read"


class TestEmergency:
    """Who may take a warning off the air."""

    async def test_only_its_owner_a_higher_origin_or_an_admin(
        self, client_of: Any, order: Any, admin: httpx.AsyncClient
    ) -> None:
        owner = await client_of("operator", "a")
        other, above = await client_of("operator", "a"), await client_of("operator")
        speaker = await client_of("broadcaster", "a")
        for who, status in (
            (other, 403),
            (speaker, 403),
            (above, 200),
            (owner, 200),
            (admin, 200),
        ):
            answer = await owner.post(BROADCASTS, json=order("a", **EMERGENCY))
            stop = f"{BROADCASTS}/{answer.json()['id']}/stop"
            answer = await who.post(stop)
            assert answer.status_code in {status, 202 if status == 200 else status}
            if status == 403:
                await admin.post(stop)

    async def test_attention_comes_first(
        self, admin: httpx.AsyncClient, start: Any
    ) -> None:
        found = await start("a", attention_s=10, **EMERGENCY)
        assert found["state"] == "opening"


class TestSilence:
    """The kill switch."""

    async def test_an_admin_silences_and_lifts(
        self, admin: httpx.AsyncClient, start: Any, server: LoacastServer
    ) -> None:
        music = await start("p", comeback="resume")
        body = {"zone_ids": ["a"], "reason": "Loa bị chiếm"}
        (silence,) = (await admin.post(f"{AIR}/silence", json=body)).json()
        assert (silence["zone_id"], silence["by"]) == ("a", "admin")
        assert silence["reason"] == "Loa bị chiếm"
        assert (await admin.get(f"{AIR}/silences")).json() == [silence]
        air = {each["zone_id"]: each for each in (await admin.get(AIR)).json()}
        assert air["a"]["broadcast_id"] is air["a1"]["broadcast_id"] is None
        assert air["b"]["broadcast_id"] == music["id"]
        await admin.post(f"{AIR}/silence", json={"everything": True})
        assert await state_of(admin, music) == "held"
        await server.services.journal.written()
        stored = await server.services.store.silences.all()
        assert [each.zone_id for each in stored] == ["*", "a"]
        answer = await admin.post(f"{AIR}/lift", json={"everything": True})
        assert answer.json() == []
        assert await state_of(admin, music) == "on_air"
        await server.services.journal.written()
        assert await server.services.store.silences.all() == []

    @pytest.mark.parametrize(
        "body", [{}, {"zone_ids": []}, {"zone_ids": ["a"], "everything": True}]
    )
    async def test_what_is_meant_must_be_said(
        self, admin: httpx.AsyncClient, body: Any
    ) -> None:
        assert (await admin.post(f"{AIR}/silence", json=body)).status_code == 422

    async def test_an_admin_of_a_commune_silences_that_only(
        self, client_of: Any, admin: httpx.AsyncClient
    ) -> None:
        local = await client_of("admin", "a")
        answer = await local.post(f"{AIR}/silence", json={"zone_ids": ["b"]})
        assert answer.status_code == 403
        await admin.post(f"{AIR}/silence", json={"zone_ids": ["b"]})
        (
            await local.post(f"{AIR}/silence", json={"everything": True})
        ).raise_for_status()
        answer = await local.post(f"{AIR}/lift", json={"everything": True})
        assert [each["zone_id"] for each in answer.json()] == ["b"]
        await admin.post(f"{AIR}/lift", json={"everything": True})

    async def test_a_root_that_is_made_in_the_silence_of_everything_is_silent(
        self, admin: httpx.AsyncClient, client_of: Any, start: Any
    ) -> None:
        (found,) = (
            await admin.post(f"{AIR}/silence", json={"everything": True})
        ).json()
        assert found["zone_id"] == "*"
        new = {"id": "q", "parent_id": None, "name": "Q", "level": "province"}
        (await admin.post("/api/v1/zones", json=new)).raise_for_status()
        storm = await start("q", **EMERGENCY)
        assert await state_of(admin, storm) == "waiting"
        local = await client_of("admin", "a")
        for path in ("silence", "lift"):
            answer = await local.post(f"{AIR}/{path}", json={"zone_ids": ["*"]})
            assert answer.status_code == 403
        answer = await local.post(f"{AIR}/lift", json={"everything": True})
        assert [each["zone_id"] for each in answer.json()] == ["*"]
        answer = await admin.post(f"{AIR}/lift", json={"zone_ids": ["*"]})
        assert answer.json() == []
        assert await state_of(admin, storm) == "on_air"
        await stop(admin, storm)
        (await admin.delete("/api/v1/zones/q")).raise_for_status()


class TestQueue:
    """Who is next."""

    async def test_an_operator_reorders_what_waits(
        self, admin: httpx.AsyncClient, client_of: Any, start: Any
    ) -> None:
        first, second, third = [await start("a", **PRIORITY) for _ in range(3)]
        operator = await client_of("operator", "a")
        wanted = {"broadcast_ids": [third["id"], second["id"]]}
        answer = await operator.post(f"{AIR}/queue", json=wanted)
        assert [each["id"] for each in answer.json()] == wanted["broadcast_ids"]
        await stop(admin, first)
        assert await state_of(admin, third) == "on_air"
        foreign = await client_of("operator", "b")
        assert (await foreign.post(f"{AIR}/queue", json=wanted)).status_code == 403
        unknown = {"broadcast_ids": ["x"]}
        assert (await admin.post(f"{AIR}/queue", json=unknown)).status_code == 404

    async def test_only_priority_has_a_queue(
        self, admin: httpx.AsyncClient, start: Any
    ) -> None:
        music = await start("a")
        wanted = {"broadcast_ids": [music["id"]]}
        answer = await admin.post(f"{AIR}/queue", json=wanted)
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:loacast:problem:not-in-queue"


class TestPolicy:
    """What zones allow."""

    async def test_a_refusal_names_the_rule_and_is_logged(
        self, admin: httpx.AsyncClient, order: Any, server: LoacastServer
    ) -> None:
        policy = {"longest_s": 60}
        (await admin.put("/api/v1/zones/a/policy", json=policy)).raise_for_status()
        source = {**MUSIC, "duration_s": 61}
        answer = await admin.post(BROADCASTS, json=order("p", source=source))
        assert answer.status_code == 403
        assert (answer.json()["rule"], answer.json()["zone_id"]) == ("longest", "a")
        warning = order("p", source=source, **EMERGENCY)
        answer = await admin.post(BROADCASTS, json=warning)
        assert answer.status_code == 201, "emergencies are exempt"
        await stop(admin, answer.json())
        await server.services.journal.written()
        kinds = frozenset({"refused"})
        (*_, last) = await server.services.store.asrun.read(
            AsRunFilter(kinds=kinds), limit=100
        )
        assert last.cause == "longest"
        (await admin.delete("/api/v1/zones/a/policy")).raise_for_status()

    async def test_what_lasts_too_long_is_ended(
        self, admin: httpx.AsyncClient, start: Any, server: LoacastServer
    ) -> None:
        await admin.put("/api/v1/zones/a/policy", json={"longest_s": 1})
        found = await start("a")
        live = server.services.studio.find(found["id"])
        assert live is not None
        await live.ended.wait()
        ended = (await admin.get(f"{BROADCASTS}/{found['id']}")).json()
        assert ended["end_reason"] == "limited"
        assert "longest" in ended["end_detail"]
        assert 45 <= ended["frames"] <= 75
        (await admin.delete("/api/v1/zones/a/policy")).raise_for_status()


class TestSources:
    """Recordings."""

    async def test_a_part_of_a_recording_is_aired(
        self, admin: httpx.AsyncClient, start: Any, server: LoacastServer
    ) -> None:
        was = await start("a", source={**MUSIC, "duration_s": 0.6})
        live = server.services.studio.find(was["id"])
        assert live is not None
        await live.closed.wait()
        part = {"broadcast_id": was["id"], "from_s": 0.2, "to_s": 0.5}
        again = await start("a", source={"kind": "recording", **part})
        live = server.services.studio.find(again["id"])
        assert live is not None
        await live.closed.wait()
        assert live.frames == 16  # 15 and one for the encoder's tail
        found = (await admin.get(f"{BROADCASTS}/{again['id']}")).json()
        assert found["source_kind"] == "recording"
