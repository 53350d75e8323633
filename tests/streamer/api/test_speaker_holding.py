"""What a speaker fetches, what an admin orders, and who may do neither."""

from __future__ import annotations

import asyncio
import base64
import io
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from streamer.app.server import LoacastServer
from streamer.store.asrunevents import AsRunEvent, AsRunKind
from streamer.store.identifiers import planned_id
from streamer.store.receipts import StoredReceipt
from streamer.studio.adoption import Adopting
from streamer.wire.documents import Item, Manifest, parse_manifest, parse_order
from tests.streamer.api.conftest import ClientOf, Json

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANIFEST, FILES = "/api/v1/speaker/manifest", "/api/v1/speaker/files"


def tone() -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        samples = 8_000 * np.sin(np.arange(48_000) / 20)
        file.writeframes(samples.astype("<i2").tobytes())
    return data.getvalue()


async def speaker_of(server: LoacastServer, zone_id: str) -> httpx.AsyncClient:
    _, credential = await server.services.speakers.enrol(
        name="cụm", zone_id=zone_id, volume_percent=100
    )
    return httpx.AsyncClient(
        base_url=server.api_url,
        headers={"Authorization": f"Bearer {credential}"},
        trust_env=False,
    )


def verifier(server: LoacastServer) -> Any:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(server._key.public))

    def verify(signature: bytes, document: bytes) -> bool:
        try:
            key.verify(signature, document)
        except InvalidSignature:
            return False
        return True

    return verify


async def held(
    client: httpx.AsyncClient, server: LoacastServer, count: int, *, orders: int = 0
) -> Manifest:
    """Wait until a manifest has so many items and orders."""
    async with asyncio.timeout(10):
        while True:
            answer = await client.get(MANIFEST)
            if answer.status_code == 503:  # the schedule is being read
                await asyncio.sleep(0.1)
                continue
            manifest = parse_manifest(answer.content, verifier(server))
            if (len(manifest.items), len(manifest.orders)) == (count, orders):
                return manifest
            await asyncio.sleep(0.1)


async def plan(admin: httpx.AsyncClient, start: datetime) -> tuple[Json, Json]:
    """Plan a bulletin for commune a, and keep a message in the province."""
    file = (await admin.post("/api/v1/files?name=b.wav", content=tone())).json()["id"]
    entry = {
        "title": "Bản tin",
        "zone_ids": ["a"],
        "class": "normal",
        "items": [{"kind": "file", "file_id": file}],
        "starts_local": (start + timedelta(hours=7)).replace(tzinfo=None).isoformat(),
        "duration_s": 60,
        "fill": "none",
    }
    message = {"title": "Lũ", "file_id": file, "zone_ids": ["p"], "attention_s": 3}
    planned = await admin.post("/api/v1/schedule", json=entry)
    stored = await admin.post("/api/v1/messages", json=message)
    return planned.json(), stored.json()


async def test_from_the_plan_to_the_log(
    server: LoacastServer, admin: httpx.AsyncClient, client_of: ClientOf
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    planned, stored = await plan(admin, start)
    inside = await speaker_of(server, "a1")
    outside = await speaker_of(server, "b")
    manifest = await held(inside, server, 2)
    assert manifest.zone_ids == ("a1", "a", "p")
    item = next(each for each in manifest.items if each.start_utc_us is not None)
    assert item.start_utc_us == int(start.timestamp()) * 1_000_000
    assert item.id == planned_id(planned["id"], item.start_utc_us)
    assert item.samples == 48_000
    others = await held(outside, server, 1)
    assert others.items[0].start_utc_us is None

    await check_files(item, inside, outside)
    await check_who_may_not(server, client_of, stored)
    order_id = await check_orders(server, admin, stored)
    await held(inside, server, 2, orders=2)
    await held(outside, server, 1)
    await check_adoption(server, item, order_id)

    silence = {"zone_ids": ["a"], "reason": "thử"}
    await admin.post("/api/v1/air/silence", json=silence)
    assert (await held(inside, server, 0)).silenced
    await admin.post("/api/v1/air/lift", json={"zone_ids": ["a"]})
    await admin.delete(f"/api/v1/messages/{stored['id']}")
    assert (await held(inside, server, 1, orders=2)).items[0].id == item.id
    await inside.aclose()
    await outside.aclose()


async def items_in(client: httpx.AsyncClient, server: LoacastServer, count: int) -> Any:
    """Return the planned items, once there are so many."""
    async with asyncio.timeout(10):
        while True:
            answer = await client.get(MANIFEST)
            if answer.status_code == 200:
                manifest = parse_manifest(answer.content, verifier(server))
                items = [e for e in manifest.items if e.start_utc_us is not None]
                if len(items) == count:
                    return manifest, items
            await asyncio.sleep(0.1)


async def test_what_a_start_would_be_refused_for_is_not_held(
    server: LoacastServer, admin: httpx.AsyncClient, client_of: ClientOf
) -> None:
    """A policy above, a token that is revoked: each makes another manifest."""
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    tokens = server.services.tokens
    owner, secret = await tokens.create(name="xã", role="operator")
    file = (await admin.post("/api/v1/files?name=b.wav", content=tone())).json()["id"]
    entry = {
        "title": "Bản tin",
        "zone_ids": ["b"],
        "class": "normal",
        "items": [{"kind": "file", "file_id": file}] * 2,
        "starts_local": (start + timedelta(hours=7)).replace(tzinfo=None).isoformat(),
        "duration_s": 60,
        "fill": "none",
    }
    bearer = {"Authorization": f"Bearer {secret}"}
    planned = await admin.post("/api/v1/schedule", json=entry, headers=bearer)
    planned.raise_for_status()
    speaker = await speaker_of(server, "b")
    first, (item,) = await items_in(speaker, server, 1)
    assert item.samples == 2 * 48_000

    url = "/api/v1/zones/p/policy"  # of the zone above
    (await admin.put(url, json={"longest_s": 1})).raise_for_status()
    async with asyncio.timeout(5):
        while item.samples != 48_000:  # the rest is cut off
            _, (item,) = await items_in(speaker, server, 1)
    await tokens.delete(owner.id)
    refused, _ = await items_in(speaker, server, 0)
    assert refused.version > first.version
    (await admin.delete(url)).raise_for_status()
    await speaker.aclose()


async def test_a_silence_of_everything_empties_every_manifest(
    server: LoacastServer, admin: httpx.AsyncClient
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    await plan(admin, start)
    speaker = await speaker_of(server, "a1")
    before, _ = await items_in(speaker, server, 1)
    await admin.post("/api/v1/air/silence", json={"zone_ids": ["*"], "reason": "thử"})
    silent, _ = await items_in(speaker, server, 0)
    assert (silent.silenced, silent.items, silent.orders) == (True, (), ())
    assert silent.version > before.version
    await admin.post("/api/v1/air/lift", json={"zone_ids": ["*"]})
    lifted, _ = await items_in(speaker, server, 1)
    assert not lifted.silenced
    await speaker.aclose()


async def check_files(
    item: Item, inside: httpx.AsyncClient, outside: httpx.AsyncClient
) -> None:
    tag = (await inside.get(MANIFEST)).headers["ETag"]
    again = await inside.get(MANIFEST, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    url = f"{FILES}/{item.sha256}"
    whole = await inside.get(url)
    assert len(whole.content) == item.size_bytes
    part = {"Range": "bytes=100-", "If-Range": f'"{item.sha256}"'}
    rest = await inside.get(url, headers=part)
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert (await outside.get(url)).status_code == 404


async def check_who_may_not(
    server: LoacastServer, client_of: ClientOf, stored: Json
) -> None:
    monitor, operator = await client_of("monitor"), await client_of("operator")
    assert (await monitor.get(MANIFEST)).status_code == 403
    async with httpx.AsyncClient(base_url=server.api_url, trust_env=False) as nobody:
        assert (await nobody.get(MANIFEST)).status_code == 401
    body = {"message_id": stored["id"]}
    assert (await operator.post("/api/v1/orders", json=body)).status_code == 403


async def check_orders(
    server: LoacastServer, admin: httpx.AsyncClient, stored: Json
) -> str:
    body = {"message_id": stored["id"], "zone_ids": ["a"], "repeat": 2, "gap_s": 5}
    first = (await admin.post("/api/v1/orders", json=body)).json()
    second = (await admin.post("/api/v1/orders", json=body)).json()
    assert second["serial"] > first["serial"]
    order = parse_order(first["signed"].encode(), verifier(server))
    assert (order.id, order.repeat, order.zone_ids) == (first["id"], 2, ("a",))
    too_long = await admin.post("/api/v1/orders", json=body | {"gap_s": 31})
    assert too_long.status_code == 422
    return order.id


async def check_adoption(server: LoacastServer, item: Item, order_id: str) -> None:
    """An order is adopted at once, a start that may still come is not."""
    store, now_utc = server.services.store, datetime.now(UTC)
    receipt = StoredReceipt(
        broadcast_id=order_id,
        speaker_id="s",
        run_us=1,
        zone_id="a1",
        packets_received=1,
        total_samples_received=1,
        played_samples=1,
        concealed_samples=0,
        first_played_utc=now_utc,
        last_played_utc=now_utc,
        complete=True,
    )
    others = [replace(receipt, broadcast_id=id_) for id_ in (item.id, "never-was")]
    events: list[AsRunEvent] = []
    adopting = Adopting(store, lambda: server.services.studio.tree, events.append)
    left = await adopting.put([receipt, *others])
    assert {each.broadcast_id for each in left} == {item.id, "never-was"}
    adopted = await store.broadcasts.get(order_id)
    assert adopted.frames == (2 * (3 + 1) + 5) * 50
    intervals = await store.broadcasts.intervals(order_id)
    assert {each.zone_id for each in intervals} == {"a", "a1"}
    assert [(each.kind, each.detail["title"]) for each in events] == [
        (AsRunKind.CACHED, "Lũ")
    ]
