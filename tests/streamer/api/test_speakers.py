"""Tests of the speakers' routes and of the registry behind them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from time import monotonic_ns

import httpx
import pytest

from streamer.app.server import LoacastServer
from streamer.fanout.hub import Hub
from streamer.fanout.listener import FakeListener, ListenerIdentity
from streamer.wire.health import Health

pytestmark = pytest.mark.asyncio(loop_scope="module")
SPEAKERS = "/api/v1/speakers"
HEALTH = Health(
    ver="0.1.0",
    up_s=60,
    buf_ms=380,
    lost=0,
    conc=0,
    rtt_ms=61,
    off_us=-250,
    ppm=-31,
    dbfs=-18,
    sound=True,
    load=12,
    op="Viettel",
    sig=64,
    used_kib=1_843_200,
)


async def enrol(admin: httpx.AsyncClient, zone_id: str = "a") -> tuple[str, str]:
    answer = await admin.post(SPEAKERS, json={"name": "Loa 1", "zone_id": zone_id})
    assert answer.status_code == 201
    return answer.json()["id"], answer.json()["credential"]


def directory(server: LoacastServer, credential: str) -> ListenerIdentity | None:
    return server.services.speakers.authenticate(credential)


async def test_an_enrolled_speaker_is_known_by_its_credential(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    speaker_id, credential = await enrol(admin)
    assert directory(server, credential) == ListenerIdentity(speaker_id, "a", 100, 400)
    forged = credential[:-2] + ("AA" if credential[-2:] != "AA" else "BB")
    for wrong in (forged, "", "loas_x", str(server.admin_token)):
        assert directory(server, wrong) is None


async def test_the_credential_is_shown_once(admin: httpx.AsyncClient) -> None:
    speaker_id, credential = await enrol(admin)
    shown = (await admin.get(f"{SPEAKERS}/{speaker_id}")).text
    listed = (await admin.get(SPEAKERS)).text
    # A secret may hold an underscore itself.
    assert credential.split("_", 2)[2] not in shown + listed
    assert "hash" not in shown + listed


async def test_a_new_credential_replaces_the_former(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    speaker_id, former = await enrol(admin)
    listener = join(server.hub, speaker_id)
    answer = await admin.post(f"{SPEAKERS}/{speaker_id}/credential")
    assert directory(server, former) is None
    assert directory(server, answer.json()["credential"]) is not None
    assert listener.ending is not None


async def test_a_change_reaches_a_connected_speaker(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    speaker_id, credential = await enrol(admin)
    listener = join(server.hub, speaker_id)
    changes = {"volume_percent": 30, "zone_id": "b", "name": "Loa 2"}
    answer = await admin.patch(f"{SPEAKERS}/{speaker_id}", json=changes)
    assert answer.json() | changes == answer.json()
    identity = ListenerIdentity(speaker_id, "b", 30, 400)
    assert directory(server, credential) == identity
    assert server.hub.listeners_by_zone() == {"b": 1}
    listener.flush()
    assert b'"volume_percent":30' in listener.taken
    await admin.patch("/api/v1/zones/p", json={"playout_delay_ms": 900})
    listener.flush()
    assert b'"playout_delay_ms":900' in listener.taken
    await admin.patch("/api/v1/zones/p", json={"playout_delay_ms": None})
    listener.flush()
    answer = await admin.patch(f"{SPEAKERS}/{speaker_id}", json={"extra_delay_ms": 120})
    assert answer.json()["extra_delay_ms"] == 120
    listener.flush()
    assert listener.taken.endswith(b'"playout_delay_ms":400,"extra_delay_ms":120}')
    refused = await admin.patch(
        f"{SPEAKERS}/{speaker_id}", json={"extra_delay_ms": 1001}
    )
    assert refused.status_code == 422
    server.hub.remove(listener)


async def test_how_a_speaker_says_it_is_is_shown_and_outlives_the_process(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    speaker_id, _ = await enrol(admin)
    assert (await admin.get(f"{SPEAKERS}/{speaker_id}")).json()["health"] is None
    attendance = server.services.speakers._presence.came(
        speaker_id, now_ns=monotonic_ns()
    )
    attendance.health, attendance.health_ns = HEALTH, monotonic_ns()
    shown = (await admin.get(f"{SPEAKERS}/{speaker_id}")).json()["health"]
    assert shown == asdict(HEALTH) | {"seen_utc": shown["seen_utc"]}
    seen_utc = datetime.fromisoformat(shown["seen_utc"])
    assert abs(datetime.now(UTC) - seen_utc).total_seconds() < 5
    await server.services.speakers.write_last_seen()
    stored = await server.services.store.speakers.get(speaker_id)
    assert stored.health is not None
    assert (stored.health["op"], stored.health["used_kib"]) == ("Viettel", 1_843_200)


async def test_a_removed_speaker_is_sent_away(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    speaker_id, credential = await enrol(admin)
    listener = join(server.hub, speaker_id)
    assert (await admin.delete(f"{SPEAKERS}/{speaker_id}")).status_code == 204
    assert listener.ending is not None
    assert directory(server, credential) is None
    assert (await admin.get(f"{SPEAKERS}/{speaker_id}")).status_code == 404


async def test_a_zone_lists_the_speakers_in_it_and_below(
    admin: httpx.AsyncClient,
) -> None:
    ids = {zone_id: (await enrol(admin, zone_id))[0] for zone_id in ("a1", "b")}
    for zone_id, within in (("a", {"a1"}), ("p", {"a1", "b"}), ("b", {"b"})):
        found = (await admin.get(SPEAKERS, params={"zone": zone_id})).json()
        assert {each["id"] for each in found} & set(ids.values()) == {
            ids[each] for each in within
        }


async def test_when_speakers_were_seen_outlives_the_process(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    services = server.services
    (speaker_id, _), (other_id, _) = await enrol(admin), await enrol(admin)
    presence = services.speakers._presence
    presence.came(speaker_id, now_ns=monotonic_ns())
    before = (await admin.get(f"{SPEAKERS}/{speaker_id}")).json()
    assert before["connected"]
    await services.speakers.write_last_seen()
    stored = await services.store.speakers.get(speaker_id)
    assert stored.last_seen_utc is not None
    assert (await services.store.speakers.get(other_id)).last_seen_utc is None
    await services.speakers.load()
    presence.forget(speaker_id)
    after = (await admin.get(f"{SPEAKERS}/{speaker_id}")).json()
    assert not after["connected"]
    assert after["last_seen_utc"][:19] == before["last_seen_utc"][:19]


def join(hub: Hub, speaker_id: str) -> FakeListener:
    listener = FakeListener(ListenerIdentity(speaker_id, "a", 100, 400))
    hub.add(listener)
    listener.flush()
    return listener
