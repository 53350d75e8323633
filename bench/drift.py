"""Hours of a sound card whose clock is wrong, in minutes (research/speaker.md, 7.11).

The real `Playout` is given packets on the server's clock and asked for samples by a
device that runs *ppm* fast; no sockets, no waiting. On air is a minute of our chirps,
again and again, encoded as any programme. Once a minute one of them is found in what
the device got: how far from capture + D it left is the buffer's error, and how many
samples lie between the first and the last, less those captured in between, is what was
inserted. In the first minutes, when the correction is strongest, each chirp is
looked for: its distance to the one before says how fast it was (to 21 ppm, a sample).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np

from bench.correlate import find
from bench.latency import BURST_SAMPLES, MATCH_SCORE
from bench.report import Row, rounded
from clients.speaker.device import BLOCK_SAMPLES, elapsed_ns
from clients.speaker.playout import Playout
from ingest.tone import Pattern, render
from streamer.media.drift import LIMIT_PPM
from streamer.media.frame import (
    FRAME_NS,
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Pcm,
    samples_to_ns,
)
from streamer.media.opus import OpusEncoder
from streamer.wire.control import Programme, ProgrammeClass, Settings
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

SSRC = 1
DELAY_MS = 400
AHEAD_NS = 200_000_000
"How long before its time a packet is there; the network is not the question here."
START_NS = 60_000_000_000
LEARNING_S = 120
"Left out: the servo learns the drift, and works off what it made of it meanwhile."
EVERY_S = 60
LOOP_S = 60
MARGIN_SAMPLES = SAMPLE_RATE_HZ // 10
MAX_ERROR_MS = 5.0
MAX_INSERTED_ERROR = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked."""

    hours: float = 2.0
    ppm: float = 100.0


@dataclass(frozen=True, slots=True)
class Found:
    """A chirp in what the device got."""

    captured_ns: int
    out_sample: int


def run(plan: Plan, told: Callable[[str], None]) -> list[Row]:
    """Measure a device that is too fast and one that is too slow; one row each."""
    rows = []
    for ppm in (plan.ppm, -plan.ppm):
        rows.append(measure(ppm, plan.hours))
        told(f"{ppm:+.0f} ppm: {rows[-1]['status']}")
    return rows


def measure(ppm: float, hours: float) -> Row:
    """Return what became of *hours* on a device *ppm* fast."""
    seconds = round(hours * 3600)
    device = _Device(ppm)
    learning = list(_listen(device, range(5, LEARNING_S)))
    found = list(_listen(device, range(LEARNING_S + 30, seconds - 1, EVERY_S)))
    errors_ms = [
        (device.out_ns(chirp.out_sample) - chirp.captured_ns) / 1e6 - DELAY_MS
        for chirp in found
    ]
    slews_ppm = [
        ((b.out_sample - a.out_sample) / _samples(b.captured_ns - a.captured_ns) - 1)
        * 1e6
        for a, b in pairwise(learning)
    ]
    first, last = found[0], found[-1]
    captured_ns = last.captured_ns - first.captured_ns
    captured = _samples(captured_ns)
    inserted = (last.out_sample - first.out_sample) - captured
    expected = captured * ppm * 1e-6
    counted = device.playout.counters()
    row: Row = {
        "server": "loacast",
        "ppm": ppm,
        "hours": hours,
        "chirps_aired": len(range(LEARNING_S + 30, seconds - 1, EVERY_S)),
        "chirps_heard": len(found),
        "buffer_error_max_ms": rounded(max(map(abs, errors_ms))),
        "slew_max_ppm": rounded(max(map(abs, slews_ppm))),
        "inserted_samples": inserted,
        "drift_samples": rounded(expected),
        "inserted_error_ratio": rounded(abs(inserted / expected - 1)),
        "underruns": counted.concealment_events,
        "overruns": counted.packets_discarded,
        "steps": device.playout.steps,
    }
    return row | {"status": "ok" if _holds(row) else "failed"}


def _holds(row: Row) -> bool:
    return bool(
        row["chirps_heard"] == row["chirps_aired"]
        and row["buffer_error_max_ms"] <= MAX_ERROR_MS
        and row["inserted_error_ratio"] <= MAX_INSERTED_ERROR
        and row["slew_max_ppm"] <= LIMIT_PPM
        and not row["underruns"]
        and not row["overruns"]
        and row["steps"] == 1  # the first one, at the start
    )


class _Device:
    """A playout, the packets on their way to it, and a clock that is wrong."""

    def __init__(self, ppm: float) -> None:
        self._ppm = ppm
        self._samples = 0
        self._packets = _packets()
        self._next = 0
        self.playout = Playout()
        self.playout.on_settings(Settings(100, DELAY_MS))
        self.playout.on_programme(
            Programme(
                broadcast="b",
                programme_class=ProgrammeClass.NORMAL,
                title="",
                ssrc=SSRC,
                payload_type=OPUS_PAYLOAD_TYPE,
                timestamp=0,
                clock_us=START_NS // 1000,
                from_us=START_NS // 1000,
            )
        )

    def out_ns(self, sample: int) -> int:
        """Return when a sample leaves the device, on the server's clock."""
        return START_NS + elapsed_ns(sample, self._ppm)

    def sample_at(self, instant_ns: int) -> int:
        """Return the sample that leaves the device then."""
        return round((instant_ns - START_NS) * 48e-6 * (1 + self._ppm * 1e-6))

    def until(self, sample: int) -> Pcm:
        """Return all that the device gets until it has had *sample*."""
        parts = []
        while self._samples < sample:
            at_ns = self.out_ns(self._samples)
            while START_NS + self._next * FRAME_NS <= at_ns - AHEAD_NS:
                self.playout.on_packet(next(self._packets))
                self._next += 1
            parts.append(self.playout.render(BLOCK_SAMPLES, at_ns))
            self._samples += BLOCK_SAMPLES
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    @property
    def samples(self) -> int:
        """How many it has had."""
        return self._samples


def _listen(device: _Device, seconds: Iterable[int]) -> Iterator[Found]:
    """Yield those chirps of *seconds* that are found in what *device* gets."""
    with OpusEncoder() as encoder:
        latency_ns = samples_to_ns(encoder.lookahead_samples)
    for second in seconds:
        captured_ns = START_NS + second * 1_000_000_000 + latency_ns
        due = device.sample_at(captured_ns + DELAY_MS * 1_000_000)
        device.until(due - MARGIN_SAMPLES)
        first = device.samples
        heard = device.until(due + BURST_SAMPLES + MARGIN_SAMPLES)
        number = second % LOOP_S * SAMPLE_RATE_HZ
        match = find(render(Pattern.CHIRPS, number, BURST_SAMPLES), heard)
        if match.score >= MATCH_SCORE:
            yield Found(captured_ns, first + match.offset_samples)


def _packets() -> Iterator[RtpPacket]:
    """Yield the programme's packets for ever."""
    with OpusEncoder() as encoder:
        payloads = [
            encoder.encode(render(Pattern.CHIRPS, start, FRAME_SAMPLES))
            for start in range(0, LOOP_S * SAMPLE_RATE_HZ, FRAME_SAMPLES)
        ]
    for number in count():
        yield RtpPacket(
            OPUS_PAYLOAD_TYPE,
            number % 2**16,
            number * FRAME_SAMPLES % 2**32,
            SSRC,
            payloads[number % len(payloads)],
        )


def _samples(duration_ns: int) -> int:
    return round(duration_ns * SAMPLE_RATE_HZ / 1e9)
