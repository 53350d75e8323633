"""How long an emergency takes to reach the last listener (NUMBERS.md row 6).

Listeners hear background tones. An emergency is started through the API, again and
again; an emergency's figure is the arrival of the first emergency packet at the slowest
listener minus the instant at which the server accepted it (`accepted_clock_us`), both
on this host's CLOCK_MONOTONIC. Every listener is read eagerly.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.load import Load
from bench.province import PROVINCE
from bench.report import Row, Sample, percentiles_ms, status, summarise
from bench.server import Server
from bench.window import Mark, Window

EMERGENCY_S = 0.6
"Long enough to arrive everywhere, short enough for many trials."
RETURN_S = 0.7
"From its end until everybody is back on the background for some time."
SEED = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """How many emergencies."""

    trials: int = 20
    "In a round."
    rounds: int = 5
    "Counted ones; one more is run first and dropped."
    ptime_ms: int = 20
    "Audio per message; all listeners are timed, and 2,000 take a core at 20 ms."


@dataclass(frozen=True, slots=True)
class Trial:
    """One emergency."""

    delays_ns: tuple[int, ...]
    "By listener that was reached."
    missed: int
    "Listeners that were not."


def run(
    server: Server, listeners: int, plan: Plan, told: Callable[[str], None]
) -> list[Row]:
    """Run the emergencies of *plan* over *listeners*; return one row."""
    pauses = random.Random(SEED)
    samples: list[Sample] = []
    with server.load(eager=listeners, ptime_ms=plan.ptime_ms) as load:
        load.ask("join", count=listeners)
        load.await_programme(server.start())
        time.sleep(2)
        for number in range(plan.rounds + 1):
            samples.append(_round(server, load, plan.trials, pauses))
            told(f"round {number}: slowest p99 {samples[-1]['p99_ms']:.1f} ms")
    kept = samples[1:]
    return [
        {
            "server": "loacast",
            "transport": server.transport,
            "listeners": listeners,
            "ptime_ms": plan.ptime_ms,
            "trials_per_round": plan.trials,
            "status": status(kept),
            **summarise(kept),
        }
    ]


def _round(server: Server, load: Load, trials: int, pauses: random.Random) -> Sample:
    """Return the numbers of one round of *trials*."""
    start = Mark.now(server, load)
    done = []
    for _ in range(trials):
        # Not in step with the 20 ms grid, which an even pause could be.
        time.sleep(pauses.uniform(0, 0.04))
        done.append(_trial(server, load))
    window = Window(start, Mark.now(server, load), None)
    every = [delay_ns for trial in done for delay_ns in trial.delays_ns]
    missed = sum(trial.missed for trial in done)
    slowest = [max(trial.delays_ns, default=0) for trial in done]
    return {
        **percentiles_ms(slowest),
        **{f"any_listener_{k}": v for k, v in percentiles_ms(every).items()},
        "delivered_ratio": len(every) / (len(every) + missed),
        "generator_core_share": window.generator_share,
        "server_core_share": window.server_share,
    }


def _trial(server: Server, load: Load) -> Trial:
    broadcast = server.api.start_tone(
        "siren", [PROVINCE.id], "emergency", duration_s=EMERGENCY_S
    )
    time.sleep(EMERGENCY_S + RETURN_S)
    accepted_ns = broadcast["accepted_clock_us"] * 1000
    answer = load.ask("arrivals", ssrc=broadcast["ssrc"], since_ns=accepted_ns)
    arrivals = answer["arrivals_ns"]
    reached = tuple(at_ns - accepted_ns for at_ns in arrivals if at_ns is not None)
    return Trial(reached, len(arrivals) - len(reached))
