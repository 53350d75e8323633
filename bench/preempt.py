"""How long an emergency takes to reach the last listener (NUMBERS.md row 6).

Listeners hear background tones. An emergency is started through the API, again and
again; a trial's figure is the arrival of the first emergency packet at the slowest
listener minus the instant at which the server accepted it (`accepted_clock_us`), both
on this host's CLOCK_MONOTONIC. Every listener is read eagerly.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.load import Load, Target
from bench.processes import cores
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
class Trial:
    """One emergency."""

    delays_ns: tuple[int, ...]
    "By listener that was reached."
    missed: int
    "Listeners that were not."


def run(
    server: Server, listeners: int, trials: int, told: Callable[[str], None]
) -> list[Row]:
    """Run *trials* emergencies over *listeners*; return one row."""
    target = Target(server.port, server.credentials[:listeners])
    pauses = random.Random(SEED)
    done: list[Trial] = []
    with Load(target, core=cores()[1], eager=listeners) as load:
        load.ask("join", count=listeners)
        load.await_programme(server.start())
        time.sleep(2)
        start = Mark.now(server, load)
        for number in range(trials):
            # Not in step with the 20 ms grid, which an unlucky pause could be.
            time.sleep(pauses.uniform(0, 0.04))
            done.append(_trial(server, load))
            slowest_ms = max(done[-1].delays_ns, default=0) / 1e6
            told(f"emergency {number + 1}: slowest {slowest_ms:.1f} ms")
        window = Window(start, Mark.now(server, load), None)
    return [_row(listeners, done, window)]


def _trial(server: Server, load: Load) -> Trial:
    broadcast = server.api.start_tone(
        "siren", [PROVINCE.id], "emergency", duration_s=EMERGENCY_S
    )
    time.sleep(EMERGENCY_S + RETURN_S)
    arrivals = load.ask("arrivals", ssrc=broadcast["ssrc"])["arrivals_ns"]
    accepted_ns = broadcast["accepted_clock_us"] * 1000
    reached = tuple(at_ns - accepted_ns for at_ns in arrivals if at_ns is not None)
    return Trial(reached, len(arrivals) - len(reached))


def _row(listeners: int, trials: list[Trial], window: Window) -> Row:
    every = [delay_ns for trial in trials for delay_ns in trial.delays_ns]
    missed = sum(trial.missed for trial in trials)
    sample: Sample = {
        "generator_core_share": window.generator_share,
        "server_core_share": window.server_share,
        "delivered_ratio": len(every) / (len(every) + missed),
    }
    by_listener = percentiles_ms(every)
    return {
        "server": "loacast",
        "transport": "websocket",
        "listeners": listeners,
        "trials": len(trials),
        "status": status([sample]),
        **summarise(
            [percentiles_ms([max(trial.delays_ns, default=0) for trial in trials])]
        ),
        **{f"any_listener_{name}": value for name, value in by_listener.items()},
        **sample,
    }
