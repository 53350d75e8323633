"""Tests of the zone tree's routes, and of what changes on the air with it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")
ZONES = "/api/v1/zones"


async def test_zones_are_listed_parents_first(admin: httpx.AsyncClient) -> None:
    zones = (await admin.get(ZONES)).json()
    assert [zone["id"] for zone in zones] == ["p", "a", "a1", "b"]
    assert zones[2] == {
        "id": "a1",
        "parent_id": "a",
        "name": "a1",
        "level": "village",
        "playout_delay_ms": None,
        "effective_playout_delay_ms": 400,
        "emergency_volume_percent": None,
        "effective_emergency_volume_percent": None,
        "public": False,
        "effective_public": False,
    }


async def test_an_id_is_made_of_the_name(admin: httpx.AsyncClient) -> None:
    body = {"name": "Thôn Đông", "level": "village", "parent_id": "b"}
    made = [(await admin.post(ZONES, json=body)).json()["id"] for _ in range(2)]
    assert made == ["thon-dong", "thon-dong-2"]
    for zone_id in made:
        assert (await admin.delete(f"{ZONES}/{zone_id}")).status_code == 204
    assert (await admin.get(f"{ZONES}/thon-dong")).status_code == 404


async def test_a_delay_is_inherited_until_it_is_overruled(
    admin: httpx.AsyncClient,
) -> None:
    async def effective() -> list[int]:
        zones = (await admin.get(ZONES)).json()
        return [zone["effective_playout_delay_ms"] for zone in zones]

    await admin.patch(f"{ZONES}/p", json={"playout_delay_ms": 1000})
    await admin.patch(f"{ZONES}/a", json={"playout_delay_ms": 150})
    assert await effective() == [1000, 150, 150, 1000]
    await admin.patch(f"{ZONES}/a", json={"playout_delay_ms": None})
    await admin.patch(f"{ZONES}/p", json={"playout_delay_ms": None})
    assert await effective() == [400, 400, 400, 400]


async def test_a_mark_makes_all_below_public_until_it_is_taken_away(
    admin: httpx.AsyncClient,
) -> None:
    async def public() -> list[str]:
        zones = (await admin.get(ZONES)).json()
        return [zone["id"] for zone in zones if zone["effective_public"]]

    assert (await admin.patch(f"{ZONES}/a", json={"public": True})).json()["public"]
    assert await public() == ["a", "a1"]
    await admin.patch(f"{ZONES}/a", json={"public": None})
    assert await public() == ["a", "a1"]
    await admin.patch(f"{ZONES}/a", json={"public": False})
    assert await public() == []
    refused = await admin.patch(f"{ZONES}/a", json={"public": "yes"})
    assert refused.status_code == 422


async def test_a_new_name_leaves_the_rest(admin: httpx.AsyncClient) -> None:
    answer = await admin.patch(f"{ZONES}/a1", json={"name": "Thôn Một"})
    assert (answer.json()["name"], answer.json()["parent_id"]) == ("Thôn Một", "a")
    answer = await admin.patch(f"{ZONES}/a1", json={"name": None})
    assert answer.json()["name"] == "Thôn Một"


async def test_a_zone_that_moves_hears_what_covers_its_new_place(
    admin: httpx.AsyncClient, start: Any
) -> None:
    here, there = await start("a"), await start("b")

    async def heard() -> object:
        air = (await admin.get("/api/v1/air")).json()
        return {each["zone_id"]: each["broadcast_id"] for each in air}["a1"]

    assert await heard() == here["id"]
    await admin.patch(f"{ZONES}/a1", json={"parent_id": "b"})
    assert await heard() == there["id"]
    await admin.patch(f"{ZONES}/a1", json={"parent_id": "a"})
    assert await heard() == here["id"]


async def test_a_new_zone_hears_what_is_on_the_air_above_it(
    admin: httpx.AsyncClient, start: Any
) -> None:
    broadcast = await start("b")
    body = {"id": "b9", "name": "b9", "level": "cluster", "parent_id": "b"}
    await admin.post(ZONES, json=body)
    air = {each["zone_id"]: each for each in (await admin.get("/api/v1/air")).json()}
    assert air["b9"]["broadcast_id"] == broadcast["id"]
    assert (await admin.delete(f"{ZONES}/b9")).status_code == 409
    await admin.post(f"/api/v1/broadcasts/{broadcast['id']}/stop")


async def test_the_floor_of_emergencies_is_inherited(admin: httpx.AsyncClient) -> None:
    answer = await admin.patch(f"{ZONES}/a", json={"emergency_volume_percent": 80})
    assert answer.json()["emergency_volume_percent"] == 80
    below = (await admin.get(f"{ZONES}/a1")).json()
    assert below["emergency_volume_percent"] is None
    assert below["effective_emergency_volume_percent"] == 80
    too_much = {"emergency_volume_percent": 101}
    assert (await admin.patch(f"{ZONES}/a", json=too_much)).status_code == 422
    answer = await admin.patch(f"{ZONES}/a", json={"emergency_volume_percent": None})
    assert answer.json()["effective_emergency_volume_percent"] is None
