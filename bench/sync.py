"""How far apart speakers sound that should sound together (row 13).

Each speaker's device runs at its own wrong speed, behind a link of its own; all play
the same chirps into WAV files. The instants at which each chirp left the speakers are
compared: the spread is the last one's less the first one's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import tunnel
from bench.latency import Heard, check_ruler, chirps_by_number
from bench.report import Row, rounded
from bench.theatre import SETTLE_S, Setting, Theatre
from ingest.tone import Pattern

JOINED_S = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked."""

    setting: Setting
    speakers: int = 2
    ppm: float = 100.0
    seconds: int = 120


def speeds(speakers: int, ppm: float) -> tuple[float, ...]:
    """Return how fast each device's clock is: evenly from -ppm to +ppm."""
    if speakers == 1:
        return (ppm,)
    return tuple(ppm * (2 * n / (speakers - 1) - 1) for n in range(speakers))


def run(plan: Plan, told: Callable[[str], None]) -> list[Row]:
    """Measure one run; return one row."""
    named: Row = {
        "server": "loacast",
        "profile": plan.setting.profile,
        "transport": plan.setting.transport,
        "speakers": plan.speakers,
        "ppm": plan.ppm,
        "seconds": plan.seconds,
        "playout_delay_ms": plan.setting.playout_delay_ms,
    }
    if plan.setting.transport == "websocket" and (why := tunnel.unfit()) is not None:
        told(f"skipped: {why}")
        return [named | {"status": "skipped", "why": why}]
    with Theatre(plan.setting, speeds(plan.speakers, plan.ppm)) as theatre:
        time.sleep(SETTLE_S)
        capture_ns = theatre.tone(Pattern.CHIRPS, plan.seconds)
        time.sleep(plan.seconds + plan.setting.playout_delay_ms / 1000 + 1)
        heard = []
        for speaker in theatre.speakers:
            recording = speaker.recording()
            heard.append(Heard(recording.read(), recording, capture_ns))
        ended = [speaker.finish() for speaker in theatre.speakers]
    check_ruler(heard[0], plan.seconds)
    return [named | judge(heard, plan) | {"ended": ended}]


def judge(heard: Sequence[Heard], plan: Plan) -> Row:
    """Return the spread over all chirps that every speaker played."""
    delay_ns = plan.setting.playout_delay_ms * 1_000_000
    numbers = range(JOINED_S, plan.seconds)
    left = [chirps_by_number(each, plan.seconds) for each in heard]
    common = [n for n in numbers if all(n in each for each in left)]
    if not common:
        return {"status": "failed", "chirps_heard": 0}
    spreads = sorted(
        max(each[n] for each in left) - min(each[n] for each in left) for n in common
    )
    errors = sorted(abs(each[n] - delay_ns) for each in left for n in common)
    return {
        "status": "ok",
        "chirps_aired": len(numbers),
        "chirps_heard": len(common),
        **_quantiles("", spreads),
        **_quantiles("from_d_", errors),
    }


def _quantiles(name: str, ordered: Sequence[int]) -> Row:
    last = len(ordered) - 1
    return {
        f"{name}p50_ms": rounded(ordered[round(last * 0.50)] / 1e6),
        f"{name}p95_ms": rounded(ordered[round(last * 0.95)] / 1e6),
        f"{name}max_ms": rounded(ordered[last] / 1e6),
    }
