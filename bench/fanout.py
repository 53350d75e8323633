"""How much CPU a listener costs, and whether everybody gets everything in time.

NUMBERS.md rows 1 to 5 and 8. Each round starts each contender afresh, in turn; the
first round is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.contender import Contender
from bench.field import Opener, interleave
from bench.load import EAGER_LISTENERS, Load
from bench.processes import cpu_seconds, rss_kib
from bench.report import Row, Sample, status, summarise
from bench.window import Window, observe

WARM_UP_LISTENERS = 16
"Join before memory and CPU per listener are taken: imports and arenas are paid."
QUIET_S = 0.5
SETTLE_S = 2.0
"From going on air to the first mark."


@dataclass(frozen=True, slots=True)
class Plan:
    """One row's question."""

    listeners: int
    seconds: float
    ptime_ms: int = 20
    rounds: int = 5
    "Counted ones; one more is run first and dropped."
    eager: int = EAGER_LISTENERS
    transport: str = "websocket"
    "Of all contenders; nothing is compared across transports."


def run(
    plan: Plan, openers: Sequence[Opener], told: Callable[[str], None]
) -> list[Row]:
    """Measure every contender in every round; return one row each.

    Args:
        plan: What to measure.
        openers: Each starts a fresh contender; ours first.
        told: Gets a line of progress.
    """
    samples, configured = interleave(
        openers,
        plan.rounds,
        lambda contender: measure(contender, plan),
        lambda name, number, sample: told(f"{name}, round {number}: {_brief(sample)}"),
    )
    return [_row(plan, name, samples) | {"configured": configured[name]}
            for name in samples]  # fmt: skip


def measure(contender: Contender, plan: Plan) -> Sample:
    """Join, go on air, observe: one contender's numbers of one round."""
    with contender.load(eager=plan.eager, ptime_ms=plan.ptime_ms) as load:
        sample = join_all(contender, load, plan.listeners)
        ssrc = contender.start()
        load.await_programme(ssrc)
        time.sleep(SETTLE_S)
        before = load.ask("totals")
        window = observe(contender, load, plan.seconds)
        found = load.ask("collect", ssrc=ssrc, **window.bounds)
        after = load.ask("totals")
        sample["rss_mib"] = rss_kib(contender.pid) / 1024
    messages = after["messages"] - before["messages"]
    sample["message_bytes"] = (after["audio_bytes"] - before["audio_bytes"]) / messages
    return sample | _costs(window, found, plan) | _deliveries(found)


def join_all(contender: Contender, load: Load, listeners: int) -> Sample:
    """Join *listeners* with nothing on air; return what one more costs."""
    warm_up = min(WARM_UP_LISTENERS, listeners // 2)
    load.ask("join", count=warm_up)
    time.sleep(QUIET_S)
    cpu_s, kib = cpu_seconds(contender.pid), rss_kib(contender.pid)
    load.ask("join", count=listeners - warm_up)
    time.sleep(QUIET_S)
    joined = listeners - warm_up
    return {
        "join_cpu_ms": (cpu_seconds(contender.pid) - cpu_s) * 1000 / joined,
        "rss_kib_per_listener": (rss_kib(contender.pid) - kib) / joined,
    }


def _costs(window: Window, found: dict[str, float], plan: Plan) -> Sample:
    packets = found["packets_due"] * plan.listeners * found["delivered_ratio_mean"]
    per_packet = window.server_cpu_s * 1e6 / packets if packets else None
    return {
        "cpu_us_per_packet": per_packet,
        **_per_message(per_packet, plan),
        "server_core_share": window.server_share,
        "generator_core_share": window.generator_share,
        "encodes_per_second": window.encodes_per_second,
    }


def _per_message(per_packet: float | None, plan: Plan) -> Sample:
    """A WebSocket message bundles packets; a datagram is one."""
    if plan.transport != "websocket":
        return {}
    return {"cpu_us_per_message": per_packet and per_packet * plan.ptime_ms / 20}


def _deliveries(found: dict[str, float]) -> Sample:
    names = (
        *("delivered_ratio", "delivered_ratio_mean", "listeners_with_loss"),
        *("connections_closed", "misnumbered", "payloads_compared", "payloads_wrong"),
        *("p50_ms", "p99_ms", "max_ms", "lateness_samples"),
    )
    return {name: found[name] for name in names if name in found}


def _row(plan: Plan, name: str, samples: dict[str, list[Sample]]) -> Row:
    mine = [dict(sample) for sample in samples[name]]
    for other, theirs in samples.items():
        if other != name:
            for sample, beside in zip(mine, theirs, strict=True):
                sample[f"cpu_ratio_to_{other}"] = _ratio(sample, beside)
    return {
        "server": name,
        "transport": plan.transport,
        "listeners": plan.listeners,
        "ptime_ms": plan.ptime_ms,
        "seconds": plan.seconds,
        "status": status(mine),
        **summarise(mine),
    }


def _ratio(sample: Sample, beside: Sample) -> float | None:
    ours, theirs = sample["cpu_us_per_packet"], beside["cpu_us_per_packet"]
    return ours / theirs if ours and theirs else None


def _brief(sample: Sample) -> str:
    names = ("cpu_us_per_packet", "delivered_ratio", "p99_ms", "generator_core_share")
    return ", ".join(f"{name} {sample[name] or 0:.3f}" for name in names)
