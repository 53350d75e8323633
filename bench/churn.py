"""Listeners over WebRTC that come and go while others stay: does the server leak?

Half of the listeners stay and are watched; the others leave and join again, so many a
second in all, in three ways: by DELETE, by DTLS' goodbye alone, and without a word (the
server then keeps them until consent expires). Resident memory is read every second; the
slope is least squares over all readings after the warm-up, by when everybody who comes
and goes has been replaced and the first ones who vanished have expired.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.contender import Contender
from bench.field import Opener
from bench.load import Load
from bench.processes import rss_kib
from bench.report import Row, Sample, rounded, status
from bench.window import Mark, Window

CONSENT_S = 30.0
"RFC 7675, section 5.1: who vanished is known to be gone after that."
MINUTE_S = 60.0
SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """One row's question."""

    listeners: int = 1000
    rate: float = 20.0
    "Of joins, and of leaves, a second."
    minutes: float = 10.0
    "After the warm-up."

    @property
    def stayers(self) -> int:
        """How many stay: half."""
        return self.listeners // 2

    @property
    def warm_up_s(self) -> float:
        """How long until the server holds what it will hold."""
        return (self.listeners - self.stayers) / self.rate + CONSENT_S


def run(
    plan: Plan, openers: Sequence[Opener], told: Callable[[str], None]
) -> list[Row]:
    """Watch each contender once; return one row each."""
    rows = []
    for opener in openers:
        with opener() as contender:
            rows.append(measure(contender, plan, told))
    return rows


def measure(contender: Contender, plan: Plan, told: Callable[[str], None]) -> Row:
    """Return one contender's row."""
    with contender.load(eager=min(400, plan.stayers), ptime_ms=20) as load:
        load.ask("join", count=plan.listeners)
        ssrc = contender.start()
        load.await_programme(ssrc)
        load.ask("churn", stayers=plan.stayers, rate=plan.rate)
        told(f"{contender.name}: warming up for {plan.warm_up_s:.0f} s")
        time.sleep(plan.warm_up_s)
        memory: list[tuple[float, int]] = []
        samples: list[Sample] = []
        end_s = time.monotonic() + plan.minutes * MINUTE_S
        while (left_s := end_s - time.monotonic()) > 1:
            seconds = min(left_s, MINUTE_S)
            samples.append(_watch(contender, load, ssrc, seconds, memory))
            told(f"{contender.name}: {_brief(samples[-1])}")
        churned = load.ask("calm")
    row = _row(contender, plan, samples, memory) | churned
    return row | {"status": "failed"} if churned["failed"] else row


def slope_kib_per_minute(memory: Sequence[tuple[float, int]]) -> float:
    """Return the least-squares slope of readings of (seconds, KiB)."""
    seconds, kib = np.array(memory, float).T
    return float(np.polyfit(seconds / MINUTE_S, kib, 1)[0])


def _watch(
    contender: Contender,
    load: Load,
    ssrc: int,
    seconds: float,
    memory: list[tuple[float, int]],
) -> Sample:
    """Observe a minute; add to *memory* every second."""
    load.ask("forget")
    start = Mark.now(contender, load)
    while (now_s := time.monotonic()) < start.at_ns / 1e9 + seconds:
        memory.append((now_s, rss_kib(contender.pid)))
        time.sleep(1)
    window = Window(start, Mark.now(contender, load), None)
    time.sleep(SETTLE_S)
    found = load.ask("collect", ssrc=ssrc, **window.bounds)
    names = ("delivered_ratio", "p50_ms", "p99_ms", "max_ms", "late", "payloads_wrong")
    return {
        **{name: found[name] for name in names},
        "generator_core_share": window.generator_share,
        "server_core_share": window.server_share,
        "rss_mib": memory[-1][1] / 1024,
    }


def _row(
    contender: Contender,
    plan: Plan,
    samples: Sequence[Sample],
    memory: Sequence[tuple[float, int]],
) -> Row:
    """The worst minute stands for all: one bad minute is what people hear."""
    worst = {
        name: rounded(max(values))
        for name in samples[0]
        if (values := [v for sample in samples if (v := sample[name]) is not None])
    }
    worst["delivered_ratio"] = min(one["delivered_ratio"] or 0 for one in samples)
    return {
        "server": contender.name,
        "transport": "webrtc",
        "listeners": plan.listeners,
        "stayers": plan.stayers,
        "rate": plan.rate,
        "minutes": plan.minutes,
        "status": status(samples),
        "rss_slope_kib_per_minute": rounded(slope_kib_per_minute(memory)),
        "rss_mib_first": rounded(memory[0][1] / 1024),
        "rss_mib_last": rounded(memory[-1][1] / 1024),
        **worst,
        "configured": contender.configured,
    }


def _brief(sample: Sample) -> str:
    names = ("rss_mib", "delivered_ratio", "p99_ms", "max_ms", "generator_core_share")
    return ", ".join(f"{name} {sample[name] or 0:.3f}" for name in names)
