"""What a join costs the server, and when all who join at once hear (NUMBERS.md row 5).

First with nothing on air: CPU and memory for each listener beyond the first few. Then
all leave, a programme goes on air and all join again, as fast as the generator can:
`all_hear_s` is from the first one's first step until the last one's first packet. The
generator shakes hands too, on a core of its own: where `joiner_core_share` is near one
it is the generator that the time is of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.contender import Contender
from bench.fanout import join_all
from bench.field import Opener, interleave
from bench.findings import Answer
from bench.load import Load
from bench.processes import cpu_seconds
from bench.report import Row, Sample, percentiles_ms, summarise

QUIET_S = 1.0
HEAR_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One row's question."""

    listeners: int
    rounds: int = 5
    "Counted ones; one more is run first and dropped."
    transport: str = "webrtc"


def run(
    plan: Plan, openers: Sequence[Opener], told: Callable[[str], None]
) -> list[Row]:
    """Measure every contender in every round; return one row each."""
    samples, configured = interleave(
        openers,
        plan.rounds,
        lambda contender: measure(contender, plan),
        lambda name, number, sample: told(f"{name}, round {number}: {_brief(sample)}"),
    )
    return [_row(plan, name, samples[name], configured[name]) for name in samples]


def measure(contender: Contender, plan: Plan) -> Sample:
    """Return one contender's numbers of one round."""
    with contender.load(eager=plan.listeners, ptime_ms=20) as load:
        sample = join_all(contender, load, plan.listeners)
        load.ask("leave")
        contender.start()
        time.sleep(QUIET_S)
        return sample | _join_on_air(contender, load, plan.listeners)


def _join_on_air(contender: Contender, load: Load, listeners: int) -> Sample:
    server_s, joiner_s = cpu_seconds(contender.pid), load.cpu_seconds()
    joined = load.ask("join", count=listeners)
    heard = _await_heard(load)
    server_s = cpu_seconds(contender.pid) - server_s
    joiner_s = load.cpu_seconds() - joiner_s
    both = zip(heard["joined_ns"], heard["first_media_ns"], strict=True)
    hears = [(since, at) for since, at in both if at is not None]
    waited = percentiles_ms([at - since for since, at in hears])
    end_ns = max((at for _, at in hears), default=joined["start_ns"])
    seconds = joined["seconds"]
    return {
        "joins_per_second": listeners / seconds,
        "all_hear_s": (end_ns - joined["start_ns"]) / 1e9,
        **{f"hear_{name}": value for name, value in waited.items()},
        "deaf": listeners - len(hears),
        "server_core_share": server_s / seconds,
        "joiner_core_share": joiner_s / seconds,
    }


def _await_heard(load: Load) -> Answer:
    give_up = time.monotonic() + HEAR_TIMEOUT_S
    while True:
        heard = load.ask("heard")
        if None not in heard["first_media_ns"] or time.monotonic() > give_up:
            return heard
        time.sleep(0.1)


def _row(plan: Plan, name: str, samples: list[Sample], configured: str) -> Row:
    deaf = any(sample["deaf"] for sample in samples)
    return {
        "server": name,
        "transport": plan.transport,
        "listeners": plan.listeners,
        "status": "failed" if deaf else "ok",
        **summarise(samples),
        "configured": configured,
    }


def _brief(sample: Sample) -> str:
    names = ("join_cpu_ms", "joins_per_second", "all_hear_s", "joiner_core_share")
    return ", ".join(f"{name} {sample[name] or 0:.3f}" for name in names)
