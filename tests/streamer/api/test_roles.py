"""What each role may do, as one table."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from streamer.api.principals import RIGHTS
from streamer.store.records import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZONE: dict[str, Any] = {"name": "x", "level": "commune", "parent_id": "p"}
SPEAKER = {"name": "x", "zone_id": "a"}
QUEUE, UNKNOWN = {"broadcast_ids": ["unknown"]}, {"zone_ids": ["unknown"]}
TOKEN = {"name": "x", "role": "monitor"}
ADMIN, OPERATOR, BROADCASTER, MONITOR = "admin", "operator", "broadcaster", "monitor"
READERS = {ADMIN, OPERATOR, BROADCASTER, MONITOR}
SPEAKING = {ADMIN, OPERATOR, BROADCASTER}

# What is asked, and who is not answered with 403.
TABLE: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/api/v1/server", None, READERS),
    ("GET", "/api/v1/me", None, READERS),
    ("GET", "/api/v1/zones", None, READERS),
    ("GET", "/api/v1/air", None, READERS),
    ("GET", "/api/v1/air/silences", None, READERS),
    ("GET", "/api/v1/broadcasts", None, READERS),
    ("GET", "/api/v1/recordings", None, READERS),
    ("GET", "/metrics", None, READERS),
    ("GET", "/readyz", None, READERS),
    ("GET", "/api/v1/speakers", None, READERS - {BROADCASTER}),
    ("GET", "/api/v1/files", None, SPEAKING),
    ("POST", "/api/v1/files?name=x", None, SPEAKING),
    ("POST", "/api/v1/broadcasts/unknown/stop", None, SPEAKING),
    ("POST", "/whip", None, SPEAKING),
    ("DELETE", "/whip/unknown", None, SPEAKING),
    ("DELETE", "/api/v1/files/unknown", None, {ADMIN, OPERATOR}),
    ("POST", "/api/v1/air/queue", QUEUE, {ADMIN, OPERATOR}),
    ("POST", "/api/v1/air/silence", UNKNOWN, {ADMIN}),
    ("POST", "/api/v1/air/lift", UNKNOWN, {ADMIN}),
    ("POST", "/api/v1/zones", ZONE, {ADMIN}),
    ("PATCH", "/api/v1/zones/a", {"name": "y"}, {ADMIN}),
    ("DELETE", "/api/v1/zones/unknown", None, {ADMIN}),
    ("POST", "/api/v1/speakers", SPEAKER, {ADMIN}),
    ("PATCH", "/api/v1/speakers/unknown", {"name": "y"}, {ADMIN}),
    ("DELETE", "/api/v1/speakers/unknown", None, {ADMIN}),
    ("POST", "/api/v1/speakers/unknown/credential", None, {ADMIN}),
    ("GET", "/api/v1/tokens", None, {ADMIN}),
    ("POST", "/api/v1/tokens", TOKEN, {ADMIN}),
    ("DELETE", "/api/v1/tokens/unknown", None, {ADMIN}),
]


async def test_the_table_of_rights_knows_every_role() -> None:
    assert set(RIGHTS) == set(Role)


@pytest.mark.parametrize("role", [OPERATOR, BROADCASTER, MONITOR, ADMIN])
async def test_role(role: str, client_of: Any) -> None:
    client = await client_of(role, "a" if role == BROADCASTER else None)
    refused = set()
    for method, path, body, _ in TABLE:
        answer = await client.request(method, path, json=body)
        assert answer.status_code not in (401, 500), (method, path)
        if answer.status_code == 403:
            refused.add((method, path))
    assert refused == {(m, p) for m, p, _, allowed in TABLE if role not in allowed}


async def test_a_monitor_may_not_start(client_of: Any, order: Any) -> None:
    answer = await (await client_of(MONITOR)).post(
        "/api/v1/broadcasts", json=order("a")
    )
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("zone_ids", "status"),
    [(["a"], 201), (["a1"], 201), (["b"], 403), (["a", "b"], 403), (["p"], 403)],
)
@pytest.mark.usefixtures("start")  # ends what is started
async def test_a_broadcaster_speaks_in_its_zone_and_below(
    client_of: Any, order: Any, zone_ids: list[str], status: int
) -> None:
    client = await client_of(BROADCASTER, "a")
    answer = await client.post("/api/v1/broadcasts", json=order(*zone_ids))
    assert answer.status_code == status


async def test_a_broadcaster_stops_only_what_is_its_zones(
    admin: httpx.AsyncClient, client_of: Any, start: Any
) -> None:
    whole, own = await start("p"), await start("a1")
    client = await client_of(BROADCASTER, "a")
    stop = "/api/v1/broadcasts/{}/stop"
    assert (await client.post(stop.format(whole["id"]))).status_code == 403
    assert (await client.post(stop.format(own["id"]))).status_code == 200
    found = (await admin.get(f"/api/v1/broadcasts/{whole['id']}")).json()
    assert found["state"] == "on_air"


async def test_a_broadcaster_hears_recordings_of_its_zone_only(
    client_of: Any, start: Any, server: Any
) -> None:
    ids = {}
    for zone_id in ("a", "b"):
        source = {"kind": "tone", "pattern": "music", "duration_s": 0.1}
        ids[zone_id] = (await start(zone_id, source=source))["id"]
        await server.services.studio.find(ids[zone_id]).closed.wait()
    await server.services.journal.written()
    client = await client_of(BROADCASTER, "a")
    listed = (await client.get("/api/v1/recordings")).json()
    assert {each["broadcast_id"] for each in listed} & set(ids.values()) == {ids["a"]}
    answers = {
        zone_id: (await client.get(f"/api/v1/recordings/{id_}")).status_code
        for zone_id, id_ in ids.items()
    }
    assert answers == {"a": 200, "b": 403}


async def test_a_broadcaster_without_a_zone_is_not_made(
    admin: httpx.AsyncClient,
) -> None:
    body = {"name": "x", "role": BROADCASTER}
    answer = await admin.post("/api/v1/tokens", json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:loacast:problem:zone-required"
