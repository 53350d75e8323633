"""Programmes of chirps, and finding them again in what a speaker's WAV sink heard."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamer.media.frame import FRAME_NS, SAMPLE_RATE_HZ, Pcm, ns_to_samples
from streamer.media.opus import OpusEncoder
from streamer.wire.control import Programme, ProgrammeClass
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

DELAY_MS = 300
DELAY_NS = DELAY_MS * 1_000_000
CHIRP_SAMPLES = 2_400
TOLERANCE = SAMPLE_RATE_HZ * 5 // 1000  # 5 ms


def chirp(first_hz: float, last_hz: float) -> Pcm:
    """50 ms that correlate with nothing else; Opus leaves its shape alone."""
    seconds = np.arange(CHIRP_SAMPLES) / SAMPLE_RATE_HZ
    length = CHIRP_SAMPLES / SAMPLE_RATE_HZ
    phase = first_hz * seconds + (last_hz - first_hz) * seconds**2 / (2 * length)
    window = np.hanning(CHIRP_SAMPLES)
    return (0.5 * window * np.sin(2 * np.pi * phase)).astype(np.float32)


UP, DOWN = chirp(500, 5_000), chirp(6_000, 1_000)
PERIOD = SAMPLE_RATE_HZ // 4


def chirps(shape: Pcm, count: int) -> Pcm:
    """A chirp each 250 ms, the first one at 100 ms."""
    pcm = np.zeros(count * PERIOD, dtype=np.float32)
    for index in range(count):
        start = index * PERIOD + 4_800
        pcm[start : start + CHIRP_SAMPLES] = shape
    return pcm


@dataclass
class Tape:
    """A programme that was captured as if live, from `origin_ns` on."""

    ssrc: int
    payloads: list[bytes]
    origin_ns: int
    "Capture instant of the first decoded sample."
    timestamp: int = 0xFFFF_F000  # wraps on the way

    def announcement(self, *, from_ns: int) -> Programme:
        return Programme(
            broadcast=f"b{self.ssrc}",
            programme_class=ProgrammeClass.NORMAL,
            title="Thử loa",
            ssrc=self.ssrc,
            payload_type=OPUS_PAYLOAD_TYPE,
            timestamp=self.timestamp,
            clock_us=self.origin_ns // 1000,
            from_us=from_ns // 1000,
        )

    def packet(self, index: int) -> bytes:
        return RtpPacket(
            payload_type=OPUS_PAYLOAD_TYPE,
            sequence=(65_500 + index) % 65_536,
            timestamp=(self.timestamp + index * 960) % (1 << 32),
            ssrc=self.ssrc,
            payload=self.payloads[index],
        ).serialize()

    def captured_ns(self, index: int) -> int:
        return self.origin_ns + index * FRAME_NS

    @property
    def end_ns(self) -> int:
        return self.captured_ns(len(self.payloads))


def tape(shape: Pcm, count: int, *, ssrc: int, start_ns: int) -> Tape:
    """Encode *count* chirps; the first sample is captured at *start_ns*."""
    with OpusEncoder(64_000) as encoder:
        frames = np.split(chirps(shape, count), count * PERIOD // 960)
        payloads = [encoder.encode(frame) for frame in frames]
        lookahead_ns = encoder.lookahead_samples * 1_000_000_000 // SAMPLE_RATE_HZ
    return Tape(ssrc, payloads, start_ns - lookahead_ns)


@dataclass
class Heard:
    """What a WAV sink heard, on the server's clock."""

    pcm: Pcm
    start_ns: int
    server_shift_ns: int
    ppm: float

    @classmethod
    def read(cls, path: Path, *, server_shift_ns: int = 0) -> Heard:
        """Read a recording; *server_shift_ns* is the server's clock minus ours."""
        with wave.open(str(path)) as file:
            assert file.getparams()[:3] == (1, 2, SAMPLE_RATE_HZ)
            data = file.readframes(file.getnframes())
        sidecar = json.loads(Path(f"{path}.json").read_text())
        pcm = (np.frombuffer(data, dtype="<i2") / 32_767).astype(np.float32)
        return cls(pcm, sidecar["monotonic_ns"], server_shift_ns, sidecar["ppm"])

    def sample_at(self, server_ns: int) -> int:
        elapsed_ns = server_ns - self.server_shift_ns - self.start_ns
        return round(ns_to_samples(elapsed_ns) * (1 + self.ppm * 1e-6))

    def error_of(self, shape: Pcm, captured_ns: int) -> int | None:
        """Return by how many samples the chirp captured then came too late.

        None when there is none within 40 ms of where it ought to be.
        """
        reach = 1_920
        expected = self.sample_at(captured_ns + DELAY_NS)
        window = self.pcm[expected - reach : expected + reach + CHIRP_SAMPLES]
        found = np.correlate(window, shape, mode="valid")
        best = int(np.argmax(found))
        alike = found[best] / float(np.dot(shape, shape))
        return best - reach if alike > 0.5 else None

    def errors(self, shape: Pcm, programme: Tape, count: int) -> list[int | None]:
        lookahead_ns = 6_500_000
        start_ns = programme.origin_ns + lookahead_ns + 100_000_000
        return [
            self.error_of(shape, start_ns + index * 250_000_000)
            for index in range(count)
        ]


async def until(condition: Callable[[], bool], *, timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is watched has no event
            await asyncio.sleep(0.01)


async def play_out() -> None:
    await asyncio.sleep(DELAY_MS / 1000 + 0.2)
