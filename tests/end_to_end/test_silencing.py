"""A zone is silenced: how soon nothing is heard any more, and how it comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic_ns

import aioice.ice
import numpy as np
import numpy.typing as npt
import pytest

from clients.speaker.policy import Transport
from streamer.bus.bus import AirChange, Switch
from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.media.opus import OpusEncoder
from tests.end_to_end.chirps import Heard, Tape, until
from tests.end_to_end.test_speaker_webrtc import ZONE, House, house, over, speaking

pytestmark = pytest.mark.end_to_end

DELAY_MS = 1_000
REACH_NS = 10_000_000_000
AUDIBLE = 0.01


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


def steady_tone(seconds: float, *, start_ns: int) -> Tape:
    phase = 2 * np.pi * 500 * np.arange(round(seconds * 50) * 960) / SAMPLE_RATE_HZ
    pcm = (0.5 * np.sin(phase)).astype(np.float32)
    with OpusEncoder(64_000) as encoder:
        payloads = [encoder.encode(frame) for frame in pcm.reshape(-1, 960)]
    return Tape(1, payloads, start_ns)


def switch(station: House, ssrc: int | None, from_ns: int) -> None:
    change = AirChange(switches=(Switch((ZONE,), ssrc, from_ns),))
    station.server.bus.publish_air_change(change)


def audible(heard: Heard, first_ns: int, last_ns: int) -> npt.NDArray[np.bool_]:
    """Return which samples between two instants can be heard."""
    part = heard.pcm[heard.sample_at(first_ns) : heard.sample_at(last_ns)]
    return np.abs(part) > AUDIBLE


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.WEBRTC])
async def test_nothing_is_heard_soon_after_and_it_comes_back(
    tmp_path: Path, transport: Transport
) -> None:
    """A second of audio is held when the word comes; it is not played."""
    path = tmp_path / "heard.wav"
    async with (
        house(tmp_path, delay_ms=DELAY_MS) as station,
        speaking(station, path, transport) as speaker,
    ):
        await until(over(transport, speaker))
        await until(lambda: speaker.status.clock_synchronised)
        programme = steady_tone(3.2, start_ns=monotonic_ns())
        station.start(programme)
        airing = asyncio.create_task(station.air(programme))
        await asyncio.sleep(1.5)
        silenced_ns = monotonic_ns()
        switch(station, None, silenced_ns - REACH_NS)
        await asyncio.sleep(0.5)
        assert speaker.status.playing is None
        received = speaker.status.counters.packets_received
        await asyncio.sleep(0.2)
        assert speaker.status.counters.packets_received == received
        lifted_ns = monotonic_ns()
        switch(station, programme.ssrc, lifted_ns)
        await airing
        station.silence(programme)
        await asyncio.sleep(DELAY_MS / 1000 + 0.1)
    heard = Heard.read(path)
    before = audible(heard, silenced_ns - 300_000_000, silenced_ns)
    assert before.mean() > 0.9
    back_ns = lifted_ns + DELAY_MS * 1_000_000
    between = audible(heard, silenced_ns, back_ns - 5_000_000)
    last_ms = int(np.flatnonzero(between)[-1]) * 1000 // SAMPLE_RATE_HZ
    assert last_ms < 200, f"silent {last_ms} ms after the word"
    after = audible(heard, back_ns + 10_000_000, back_ns + 400_000_000)
    assert after.mean() > 0.9
