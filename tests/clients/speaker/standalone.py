"""A whole speaker with a state directory, its link and its clocks in virtual time.

Everything is real but the link's socket, the sound card and what time it is: the
server's side is played by the test, through what `Link` calls on its receiver.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import fftconvolve

from clients.speaker import (
    device,
    diskplay,
    durable,
    offline,
    pantry,
    speaker,
    standin,
    timekeeping,
)
from clients.speaker.filestream import FileStream
from clients.speaker.handshake import Address
from clients.speaker.notebook import Notebook
from clients.speaker.playout import Playout
from clients.speaker.speaker import Speaker
from clients.speaker.standin import StandIn
from streamer.app.signingkey import load_or_create
from streamer.media.clocksync import ClockSync
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm
from streamer.media.source import PcmSource, Source
from streamer.programme.programme import ProgrammeSettings
from streamer.studio.renditions import Rendition, Renditions
from streamer.wire.control import Idle, ProgrammeClass, Settings, Welcome
from streamer.wire.documents import Item, Manifest, serialize
from tests.end_to_end.chirps import PERIOD, UP, chirps

DELAY_MS = 300
START_US = 1_830_000_000_000_000
"Of the bulletin, by UTC; in 2027."
CHIRPS = [each for each in range(60) if each % 7 not in (2, 5) and each % 11 != 4]
"Of the bulletin's quarters of a second; no stretch sounds like another one."
FIRST_CHIRP_S = 0.1
STEP_NS = 20_000_000
OFFSET_NS = 7_000_000_000
"The server's media clock minus ours."
LOCAL_NS = 1_000_000_000_000


class Time:
    """What the modules take for `time`: the box's clocks, which a test moves.

    Args:
        utc_us: What the true time is now.
        wall_error_us: By how much the box's wall clock is ahead of that.
    """

    def __init__(self, utc_us: int, wall_error_us: int = 0) -> None:
        self.now_ns = LOCAL_NS
        self._utc_us = utc_us
        self._wall_error_us = wall_error_us

    @property
    def utc_us(self) -> int:
        return self._utc_us + (self.now_ns - LOCAL_NS) // 1000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.now_ns / 1e9

    def time_ns(self) -> int:
        return (self.utc_us + self._wall_error_us) * 1000

    def time(self) -> float:
        return self.time_ns() / 1e9


@dataclass(frozen=True)
class Prepared:
    """A state directory as a speaker has it that knew a server yesterday."""

    directory: Path
    file: Rendition
    sign: Callable[[bytes], bytes]
    bulletin: Item

    def stream(self, utc_us: int, time: Time, ssrc: int = 77) -> FileStream:
        """Return the bulletin as a server airs it that began at *utc_us*."""
        file = (self.directory / "cache" / f"{self.file.sha256}.opus").open("rb")
        media_us = (time.now_ns + OFFSET_NS) // 1000 + utc_us - time.utc_us
        stream = FileStream(file, self.bulletin, self.bulletin.id, 0, ssrc)
        stream.origin_us = media_us - stream.zero_us
        return stream


async def prepare(directory: Path, **notes: Any) -> Prepared:
    """Make one: a bulletin of 15 s, planned at `START_US`, and a stored message."""

    async def source() -> Source:
        pcm = chirps(UP, 60).reshape(60, PERIOD)
        pcm[[each for each in range(60) if each not in CHIRPS]] = 0.0
        return PcmSource(pcm.ravel())

    state = directory / "state"
    made = await Renditions(state / "cache", ProgrammeSettings()).make(
        "k", source, chirps(UP, 0)
    )
    key = load_or_create(directory / "signing.pem")
    notebook = Notebook(state / "notebook")
    notebook.notes = replace(notebook.notes, key=key.public, **notes)
    notebook.save()
    normal, emergency = ProgrammeClass.NORMAL, ProgrammeClass.EMERGENCY
    facts = made.sha256, made.size_bytes, made.samples
    bulletin = Item("bulletin", "Bản tin", normal, *facts, start_utc_us=START_US)
    items = (bulletin, Item("message", "Lũ", emergency, *facts))
    manifest = Manifest("v", 1, 1, DELAY_MS, False, zone_ids=("v", "p"), items=items)
    durable.write(state / "manifest", serialize(manifest, key.sign))
    return Prepared(state, made, key.sign, bulletin)


class Box:
    """A speaker that was switched on; `run` lets time pass."""

    def __init__(self, prepared: Prepared, time: Time) -> None:
        self.time = time
        self._live: FileStream | None = None
        self.heard: list[Pcm] = []
        self._began_utc_us = time.utc_us
        self._prepared = prepared
        self._turns = 0
        self.speaker = Speaker(
            url="ws://127.0.0.1:9/v1/listen",
            credential="loas_1_x",
            device=device.null(),
            stand_in=self._stand_in,
        )
        self.stand_in: StandIn
        self._playout: Playout
        self._clock: ClockSync

    def _stand_in(self, playout: Playout, clock: ClockSync, to: Address) -> StandIn:
        self._playout, self._clock = playout, clock
        self.stand_in = StandIn(self._prepared.directory, playout, clock, to)
        return self.stand_in

    @property
    def media_us(self) -> int:
        """The server's media clock."""
        return (self.time.now_ns + OFFSET_NS) // 1000

    async def run(self, seconds: float) -> None:
        """Let time pass: packets come, ten turns a second are made, sound is heard."""
        for _ in range(round(seconds * 1e9 / STEP_NS)):
            if self._live is not None:
                for packet in self._live.take(self.media_us):
                    self.speaker.on_packet(packet)
            if self._turns % 5 == 0:
                await self.stand_in.offline.turn()
            self._turns += 1
            at_ns = self.stand_in.media_ns(self.time.now_ns)
            self.heard.append(self._playout.render(STEP_NS * 48 // 1_000_000, at_ns))
            self.time.now_ns += STEP_NS

    def connect(self, first: FileStream | None = None) -> None:
        """The server welcomes the speaker, and says what is on the air."""
        clock_utc_us = self.time.utc_us - self.media_us
        self.speaker.on_welcome(Welcome("s", "v", 20, clock_utc_us=clock_utc_us))
        self.speaker.on_settings(Settings(100, DELAY_MS, None))
        if first is None:
            self.speaker.on_idle(Idle(0))
        else:
            self.put_on_air(first)
        for _ in range(10):
            self.pong()

    def put_on_air(self, live: FileStream) -> None:
        """The server airs something from where that is."""
        self._send(live)
        programme = live.begin(live.sample_at(self.media_us))
        self.speaker.on_programme(
            replace(programme, timestamp=0, clock_us=live.origin_us)  # of its packet 0
        )

    def silence(self) -> None:
        """The server's kill switch (FORMAT.md, "What is heard when")."""
        self._send(None)
        self.speaker.on_idle(Idle(self.media_us - 10_000_000))

    def pong(self) -> None:
        """A ping is answered."""
        now_ns = self.time.now_ns
        server_ns = now_ns + OFFSET_NS
        self._clock.add(now_ns, server_ns, server_ns, now_ns)
        self.speaker.on_pong(now_ns // 1000)

    def lose_link(self) -> None:
        """The link is gone."""
        self._send(None)
        self.speaker.on_link_lost()

    def cut_power(self) -> None:
        """Leave everything as it is."""
        self._send(None)
        self.stand_in.offline.end()

    def _send(self, live: FileStream | None) -> None:
        if self._live is not None:
            self._live.close()
        self._live = live

    def chirps(self) -> list[float]:
        """Return when chirps were heard, in seconds after the start of the plan + D."""
        pcm = np.concatenate(self.heard)
        alike = fftconvolve(pcm, UP[::-1], mode="valid") / np.dot(UP, UP)
        found: list[int] = []
        while alike[best := int(np.argmax(alike))] > 0.5:
            found.append(best)
            alike[max(0, best - PERIOD // 2) : best + PERIOD // 2] = 0
        began_s = (self._began_utc_us - START_US) / 1e6 - DELAY_MS / 1e3
        return [began_s + at / SAMPLE_RATE_HZ for at in sorted(found)]

    def numbers(self) -> list[int]:
        """Return which chirps of the bulletin were heard; each in its very place."""
        places = [
            (at - FIRST_CHIRP_S) * SAMPLE_RATE_HZ / PERIOD for at in self.chirps()
        ]
        numbers = [round(each) for each in places]
        assert np.allclose(places, numbers, atol=0.01), "2.5 ms"
        return numbers


@asynccontextmanager
async def switched_on(
    prepared: Prepared,
    monkeypatch: pytest.MonkeyPatch,
    at_s: float,
    *,
    wall_error_us: int = 0,
) -> AsyncIterator[Box]:
    """Switch a speaker on, so long after the start of the plan; then cut its power."""
    time = Time(START_US + round(at_s * 1e6), wall_error_us)
    for module in (offline, diskplay, pantry, timekeeping):
        monkeypatch.setattr(module, "time", time)
    for module in (standin, speaker):
        monkeypatch.setattr(module, "monotonic_ns", time.monotonic_ns)
    box = Box(prepared, time)
    await box.stand_in.offline.begin()
    try:
        yield box
    finally:
        box.cut_power()
