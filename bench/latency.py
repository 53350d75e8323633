"""From the mouth to the ear, through everything that lies between (row 7).

Our server airs chirps; a real speaker client plays them into a WAV file whose sidecar
says when each sample was heard. Each second of the recording is looked for by
correlation, so a chirp's number, and with it the instant at which it was captured,
comes from the sound and not from a log. The capture instant is taken from the grid
that a second listener is told (`programme`); all clocks are this host's.

Before it believes itself the bench checks its ruler on what it recorded: a shift of
37 ms put into it must come out within 1 ms, and silence must match nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.correlate import find
from bench.load import Load, Target
from bench.processes import cores, cpu_seconds, rss_kib
from bench.province import PROVINCE
from bench.recording import Recording
from bench.report import Row, Sample, percentiles_ms, summarise
from bench.server import Server
from bench.speaker import SpeakerProcess
from ingest.tone import Pattern, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

BURST_SAMPLES = SAMPLE_RATE_HZ * 180 // 1000
"Of each second of the pattern, the part that sounds."
MATCH_SCORE = 0.7
SEARCH_S = 1.5
"A chirp is looked for from its capture until this long after it."
SETTLE_S = 6.0
"From the speaker's start until its clock is known and its position steady."
INSERTED_MS = 37
RULER_TOLERANCE_MS = 1.0


class RulerBroken(Exception):
    """The bench cannot find what it put in itself."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording, and the instant at which the pattern's sample 0 was captured."""

    pcm: Pcm
    recording: Recording
    capture_ns: int


def run(
    opener: Callable[[], Server],
    seconds: float,
    rounds: int,
    told: Callable[[str], None],
) -> list[Row]:
    """Measure in *rounds* counted rounds and one dropped; return one row."""
    samples = []
    for number in range(rounds + 1):
        with opener() as server, tempfile.TemporaryDirectory() as scratch:
            samples.append(measure(server, seconds, Path(scratch) / "speaker.wav"))
        told(f"round {number}: mouth to ear p50 {samples[-1]['p50_ms']:.2f} ms")
    kept = samples[1:]
    complete = all(one["chirps_heard"] == one["chirps_aired"] for one in kept)
    return [
        {
            "server": "loacast",
            "transport": "websocket",
            "listeners": 1,
            "mode": "synchronised",
            "status": "ok" if complete else "failed",
            **summarise(kept),
        }
    ]


def measure(server: Server, seconds: float, wav: Path) -> Sample:
    """Return the numbers of one round."""
    monitor = Target(server.port, server.credentials[1:2])
    speaker = SpeakerProcess(server.port, server.credentials[0], wav, cores=cores()[1:])
    with Load(monitor, core=cores()[1], eager=1) as load, speaker:
        load.ask("join", count=1)
        recording = speaker.recording()
        time.sleep(SETTLE_S)
        cpu_s, at_s = cpu_seconds(speaker.pid), time.monotonic()
        broadcast = server.api.start_tone(
            Pattern.CHIRPS, [PROVINCE.id], "normal", duration_s=seconds
        )
        grid = load.await_programme(broadcast["ssrc"])
        delay_ms = _playout_delay_ms(server)
        time.sleep(seconds + delay_ms / 1000 + 1)
        share = (cpu_seconds(speaker.pid) - cpu_s) / (time.monotonic() - at_s)
        mib = rss_kib(speaker.pid) / 1024
    heard = Heard(recording.read(), recording, grid["first_due_ns"])
    check_ruler(heard, int(seconds))
    found = list(chirps(heard, int(seconds)))
    over_ns = [latency_ns - delay_ms * 1_000_000 for latency_ns in found]
    return {
        **percentiles_ms(found),
        "playout_delay_ms": delay_ms,
        **{f"over_delay_{k}": v for k, v in percentiles_ms(over_ns).items()},
        "chirps_aired": int(seconds),
        "chirps_heard": len(found),
        "speaker_core_share": share,
        "speaker_rss_mib": mib,
    }


def chirps(heard: Heard, count: int) -> Sequence[int]:
    """Return mouth-to-ear nanoseconds of each of *count* chirps that was heard."""
    return list(chirps_by_number(heard, count).values())


def chirps_by_number(heard: Heard, count: int) -> dict[int, int]:
    """Return mouth-to-ear nanoseconds of those of *count* chirps that were heard."""
    found = {}
    for second in range(count):
        captured_ns = heard.capture_ns + second * 1_000_000_000
        first = max(0, heard.recording.sample_at(captured_ns))
        window = heard.pcm[first : first + round(SEARCH_S * SAMPLE_RATE_HZ)]
        burst = render(Pattern.CHIRPS, second * SAMPLE_RATE_HZ, BURST_SAMPLES)
        if len(window) < len(burst):
            continue
        match = find(burst, window)
        if match.score >= MATCH_SCORE:
            out_ns = heard.recording.out_ns(first + match.offset_samples)
            found[second] = out_ns - captured_ns
    return found


def check_ruler(heard: Heard, count: int) -> None:
    """Prove on *heard* that a delay is measured right and silence is not heard.

    Raises:
        RulerBroken: It is not so.
    """
    inserted = INSERTED_MS * SAMPLE_RATE_HZ // 1000
    shifted = replace(heard, pcm=np.concatenate((silence(inserted), heard.pcm)))
    plain, moved = chirps(heard, count), chirps(shifted, count)
    if plain and len(plain) == len(moved):
        apart_ms = [(b - a) / 1e6 for a, b in zip(plain, moved, strict=True)]
        error_ms = max(abs(each - INSERTED_MS) for each in apart_ms)
    else:
        error_ms = float("inf")
    if error_ms > RULER_TOLERANCE_MS:
        raise RulerBroken(
            f"{len(plain)} chirps, {len(moved)} once {INSERTED_MS} ms late;"
            f" measured wrong by {error_ms:.2f} ms"
        )
    if chirps(replace(heard, pcm=silence(len(heard.pcm))), count):
        raise RulerBroken("chirps were found in silence")


def _playout_delay_ms(server: Server) -> int:
    zones = {zone["id"]: zone for zone in server.api.get("zones")}
    return int(zones[PROVINCE.id]["effective_playout_delay_ms"])
