"""A whole speaker without its server: tonight's bulletin, and a signed order."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import time
import wave
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from scipy.signal import fftconvolve

from clients.speaker import durable
from clients.speaker.device import wav_file
from clients.speaker.notebook import Notebook
from clients.speaker.pantry import Diet
from clients.speaker.speaker import Speaker
from clients.speaker.standin import StandIn
from streamer.app.server import LoacastServer
from streamer.app.signingkey import load_or_create
from streamer.config import Config
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm
from streamer.media.source import PcmSource, Source
from streamer.programme.programme import ProgrammeSettings
from streamer.studio.renditions import Rendition, Renditions
from streamer.wire.control import ProgrammeClass
from streamer.wire.documents import Item, Manifest, Order, serialize
from tests.end_to_end.chirps import DOWN, PERIOD, UP, Heard, chirps
from tests.end_to_end.test_server import Process

pytestmark = pytest.mark.end_to_end

DELAY_MS = 300
FIRST_CHIRP_S = 0.1
NOBODY = "ws://127.0.0.1:9/v1/listen"
AT_ONCE = Diet(spread=0.0, bytes_per_s=1e9)


def speaker(url: str, credential: str, directory: Path, **options: Any) -> Speaker:
    return Speaker(
        url=url,
        credential=credential,
        device=wav_file(directory / "heard.wav"),
        uniform=lambda low, high: min(high, low + 0.2),
        stand_in=partial(StandIn, directory / "state", diet=AT_ONCE, **options),
    )


async def until(true: Callable[[], object], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - also other processes
            await asyncio.sleep(0.05)


def wav_of(pcm: Pcm, path: Path) -> bytes:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes((pcm * 32_767).astype("<i2").tobytes())
    return path.read_bytes()


def find(heard: Heard, shape: Pcm) -> list[float]:
    """Return when the chirps of this shape left the speaker, seconds since 1970."""
    alike = fftconvolve(heard.pcm, shape[::-1], mode="valid") / np.dot(shape, shape)
    found: list[int] = []
    while alike[best := int(np.argmax(alike))] > 0.5:
        found.append(best)
        alike[max(0, best - PERIOD // 2) : best + PERIOD // 2] = 0
    began_s = (heard.start_ns + time.time_ns() - time.monotonic_ns()) / 1e9
    return [began_s + at / SAMPLE_RATE_HZ for at in sorted(found)]


def plan(api: httpx.Client, directory: Path, start: datetime) -> str:
    """Plan a bulletin of six chirps; return a speaker's credential."""
    zone = {"id": "a", "name": "a", "level": "commune", "playout_delay_ms": DELAY_MS}
    api.post("/zones", json=zone).raise_for_status()
    enrolled = api.post("/speakers", json={"name": "cụm 1", "zone_id": "a"}).json()
    data = wav_of(chirps(UP, 6), directory / "bulletin.wav")
    file = api.post("/files?name=b.wav", content=data).json()
    local = start + timedelta(hours=7)
    entry = {
        "title": "Bản tin tối",
        "zone_ids": ["a"],
        "class": "normal",
        "items": [{"kind": "file", "file_id": file["id"]}],
        "starts_local": local.replace(tzinfo=None).isoformat(),
        "duration_s": 60,
        "fill": "none",
        "grace_s": 1,
    }
    api.post("/schedule", json=entry).raise_for_status()
    credential: str = enrolled["credential"]
    return credential


def client(api_url: str, token: str | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{api_url}/api/v1", headers=headers, trust_env=False)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


async def test_tonights_bulletin_is_played_with_the_server_killed(  # noqa: PLR0915
    tmp_path: Path,
) -> None:
    data, cache = tmp_path / "data", tmp_path / "state" / "cache"
    with Process(data, "--no-webrtc") as server:
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
        with client(server.api_url, server.token) as api:
            credential = plan(api, tmp_path, start)
        config = Config.load(
            data_directory=data,
            host="127.0.0.1",
            api_port=port_of(server.api_url),
            stream_port=port_of(server.stream_url),
            webrtc=False,
        )
        async with speaker(server.stream_url, credential, tmp_path) as listening:
            await until(lambda: list(cache.glob("*.opus")))
            await asyncio.to_thread(server.end, signal.SIGKILL)
            assert datetime.now(UTC) < start, "too late to show anything"
            await until(lambda: datetime.now(UTC) > start + timedelta(seconds=1.9))
            assert not listening.status.connected
            async with LoacastServer(config) as again:
                broadcasts = again.services.store.broadcasts
                async with asyncio.timeout(20):
                    while not (found := await broadcasts.latest()):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                with client(again.api_url, server.token) as api:
                    url = f"/broadcasts/{found[0].id}/coverage"
                    answer = await asyncio.to_thread(api.get, url)
    (broadcast,), coverage = found, answer.json()
    (file,) = cache.glob("*.opus")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == file.stem
    chirped = find(Heard.read(tmp_path / "heard.wav"), UP)
    assert len(chirped) == 6, "each chirp once"
    first_s = chirped[0] - start.timestamp() - DELAY_MS / 1000 - FIRST_CHIRP_S
    assert abs(first_s) < 0.1
    assert np.allclose(np.diff(chirped), PERIOD / SAMPLE_RATE_HZ, atol=0.001)
    assert broadcast.title == "Bản tin tối"
    assert coverage["percent"] == 100.0
    assert coverage["speakers"] == 1


async def prepare(directory: Path) -> tuple[Rendition, Callable[[bytes], bytes]]:
    """Leave a state directory as a speaker has it that knew a server yesterday."""

    async def source() -> Source:
        return PcmSource(chirps(DOWN, 3))

    state = directory / "state"
    renditions = Renditions(state / "cache", ProgrammeSettings())
    made = await renditions.make("k", source, chirps(DOWN, 0))
    key = load_or_create(directory / "signing.pem")
    notebook = Notebook(state / "notebook")
    notebook.notes.key = key.public
    notebook.save()
    size_bytes, samples = made.size_bytes, made.samples
    item = Item("m", "Lũ", ProgrammeClass.EMERGENCY, made.sha256, size_bytes, samples)
    manifest = Manifest("v", 1, 1, 100, False, zone_ids=("v", "p"), items=(item,))
    durable.write(state / "manifest", serialize(manifest, key.sign))
    return made, key.sign


async def test_an_order_from_a_memory_stick_is_obeyed_once(tmp_path: Path) -> None:
    """By a speaker that was switched on where no server is."""
    made, sign = await prepare(tmp_path)
    now_us = time.time_ns() // 1000
    order = Order(
        id="o-1",
        serial=7,
        title="Lũ",
        programme_class=ProgrammeClass.EMERGENCY,
        sha256=made.sha256,
        issued_utc_us=now_us - 60_000_000,
        expires_utc_us=now_us + 60_000_000,
        repeat=2,
        zone_ids=("p",),
    )
    genuine = serialize(order, sign)
    forged = serialize(replace(order, serial=9), sign).replace(b'peat":2', b'peat":9')
    orders = tmp_path / "state" / "orders"
    orders.mkdir()

    def drop(name: str, document: bytes) -> None:
        (orders / f"{name}.part").write_bytes(document)
        (orders / f"{name}.part").rename(orders / f"{name}.order")

    async with speaker(NOBODY, "loas_1_x", tmp_path):
        drop("forged", forged)
        drop("genuine", genuine)
        await asyncio.sleep(2.2)
        drop("copy", genuine)
        await asyncio.sleep(0.6)
    assert len(find(Heard.read(tmp_path / "heard.wav"), DOWN)) == 6
    notebook = Notebook(tmp_path / "state" / "notebook")
    notebook.load()
    assert notebook.notes.serial == 7
    played = notebook.notes.played["o-1"]
    assert (played.done, played.owed) == (True, True)
    assert played.samples == 2 * made.samples
