"""What speakers really play around a cut: no syllable is lost, none comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aioice.ice
import httpx
import numpy as np
import pytest

from clients.speaker.device import wav_file
from clients.speaker.policy import Transport
from clients.speaker.speaker import Speaker
from streamer.app.server import LoacastServer
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from streamer.programme.chime import attention_signal
from tests.end_to_end.chirps import Heard, until
from tests.end_to_end.syllables import (
    SAME_SAMPLES,
    STEP_SAMPLES,
    SYLLABLE_SAMPLES,
    Sounding,
    shares,
    syllables,
    wav_bytes,
)
from tests.end_to_end.test_air_rules import open_server
from tests.end_to_end.test_server import order

pytestmark = pytest.mark.end_to_end

VILLAGES = {"dong": Transport.WEBSOCKET, "tay": Transport.WEBRTC}
DELAY_MS = 300
AUDIBLE = 0.01
ATTENTION_S = 3
SERVED = {
    "bitrate_bps": 64_000,
    "webrtc": True,
    "webrtc_port": 0,
    "webrtc_host": "127.0.0.1",
}
NEWS, WARNING = syllables(25, seed=1), syllables(7, seed=2)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


@asynccontextmanager
async def listening(
    server: LoacastServer, client: httpx.AsyncClient, directory: Path
) -> AsyncIterator[dict[str, Path]]:
    """Let real speakers record, one over each transport; yield their files."""
    settings = {"playout_delay_ms": DELAY_MS}
    (await client.patch("zones/p", json=settings)).raise_for_status()
    files = {zone_id: directory / f"{zone_id}.wav" for zone_id in VILLAGES}
    async with AsyncExitStack() as stack:
        speakers = []
        for zone_id, transport in VILLAGES.items():
            zone = {"id": zone_id, "name": "x", "level": "village", "parent_id": "p"}
            (await client.post("zones", json=zone)).raise_for_status()
            new = {"name": zone_id, "zone_id": zone_id}
            enrolled = (await client.post("speakers", json=new)).json()
            speaker = Speaker(
                url=server.stream_url,
                credential=enrolled["credential"],
                device=wav_file(files[zone_id]),
                transport=transport,
                api_url=server.api_url,
            )
            speakers.append(await stack.enter_async_context(speaker))
        await until(lambda: all(one.status.clock_synchronised for one in speakers))
        await until(
            lambda: {one.transport for one in speakers} == set(VILLAGES.values())
        )
        yield files


async def uploaded(client: httpx.AsyncClient, name: str, pcm: Pcm) -> dict[str, str]:
    answer = await client.post("files", params={"name": name}, content=wav_bytes(pcm))
    answer.raise_for_status()
    return {"kind": "file", "file_id": answer.json()["id"]}


async def begun(client: httpx.AsyncClient, *zone_ids: str, **members: Any) -> str:
    answer = await client.post("broadcasts", json=order(*zone_ids, **members))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_held_file_goes_on_to_the_frame_and_no_syllable_is_lost(
    tmp_path: Path,
) -> None:
    """A warning cuts into the news of two villages; both speakers are listened to."""
    async with (
        open_server(tmp_path / "data", **SERVED) as (server, client),
        listening(server, client, tmp_path) as files,
    ):
        news = await uploaded(client, "news.wav", NEWS)
        warning = await uploaded(client, "warning.wav", WARNING)
        held = await begun(client, *VILLAGES, source=news, comeback="resume")
        live = server.services.studio.find(held)
        assert live is not None
        await asyncio.sleep(0.55)
        emergency = {"class": "emergency", "attention_s": ATTENTION_S}
        await begun(client, "p", source=warning, **emergency)
        assert live.held
        await asyncio.wait_for(live.closed.wait(), 8)
        await asyncio.sleep(DELAY_MS / 1000 + 0.1)
    recordings = [Heard.read(path) for path in files.values()]
    starts_ns = [judged(heard) for heard in recordings]
    assert max(starts_ns) - min(starts_ns) < 5_000_000, "both at once"


def judged(heard: Heard) -> float:
    """Hold a recording against what was sent; return when the news began in it."""
    pcm = heard.pcm
    before = Sounding.of(NEWS[:SYLLABLE_SAMPLES], pcm).place
    last = Sounding.of(NEWS[-SYLLABLE_SAMPLES:], pcm).place
    after = last + SYLLABLE_SAMPLES - len(NEWS)
    stop, resume = borders(pcm, before, after)
    assert 0.1 < stop / len(NEWS) < 0.9, "it was cut in its midst"
    # For 25 ms what is cut fades out, and is heard again: nothing is lost.
    assert 0 <= stop - resume <= FRAME_SAMPLES
    end = after + len(NEWS)
    parts = (
        pcm[before - SAME_SAMPLES : before + resume],
        pcm[after + resume : end + SAME_SAMPLES],
    )
    assert_whole(NEWS, np.concatenate(parts))
    first, last = warned(pcm)
    assert abs(first - (before + stop)) <= FRAME_SAMPLES
    assert 0 <= after + resume - last <= 2 * FRAME_SAMPLES, "its last frame is padded"
    for rest in (pcm[: before - FRAME_SAMPLES], pcm[end + 2 * FRAME_SAMPLES :]):
        assert np.max(np.abs(rest)) < AUDIBLE, "nothing is heard twice"
    return heard.start_ns + before * 1e9 / SAMPLE_RATE_HZ


def warned(pcm: Pcm) -> tuple[int, int]:
    """Find the attention signal and every syllable after it; return from where to."""
    attention = attention_signal(ATTENTION_S)
    signal = Sounding.of(attention, pcm)
    assert signal.is_whole, signal
    first = signal.place + len(attention)
    last = first + len(WARNING)
    assert_whole(WARNING, pcm[first - SAME_SAMPLES : last + SAME_SAMPLES])
    return signal.place, last


def assert_whole(programme: Pcm, recording: Pcm) -> None:
    """Hold each syllable against what is heard where it ought to be.

    The recording has `SAME_SAMPLES` more at either end.
    """
    for place, sent in enumerate(programme.reshape(-1, SYLLABLE_SAMPLES)):
        first = place * SYLLABLE_SAMPLES
        heard = recording[first : first + SYLLABLE_SAMPLES + 2 * SAME_SAMPLES]
        spoken = Sounding.of(sent, heard)
        assert spoken.is_whole, (place, spoken)


def borders(pcm: Pcm, before: int, after: int) -> tuple[int, int]:
    """Return at which sample of the news it stopped, and with which it went on.

    Heard is what is more than half as loud as it was sent.
    """
    first, last = (shares(NEWS, pcm, shift) > 0.5 for shift in (before, after))
    stop = int(np.argmin(first)) * STEP_SAMPLES
    resume = (len(last) - int(np.argmin(last[::-1]))) * STEP_SAMPLES
    return stop, resume
