"""What a tenth of the listeners that stop reading do to the others (row 10).

They stop for some seconds while a programme is on air, then read again. Their sockets
have the smallest receive buffer the kernel gives, so the stall reaches the server at
once. Lateness of the others is compared between the windows before and during.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.load import Load, Target
from bench.processes import cores, rss_kib
from bench.report import Row, Sample, status, summarise
from bench.server import Server
from bench.window import observe

STALL_S = 6.0
"Below the ten seconds after which the server closes a stalled connection."
RECOVERY_S = 2.5


def run(
    opener: Callable[[], Server],
    listeners: int,
    rounds: int,
    told: Callable[[str], None],
) -> list[Row]:
    """Stall a tenth of *listeners*, in *rounds* counted rounds and one dropped."""
    samples = []
    for number in range(rounds + 1):
        with opener() as server:
            samples.append(measure(server, listeners))
        told(f"round {number}: others' p99 {samples[-1]['p99_shift_ms']:+.2f} ms")
    kept = samples[1:]
    return [
        {
            "server": "loacast",
            "transport": "websocket",
            "listeners": listeners,
            "stalled": listeners // 10,
            "stall_seconds": STALL_S,
            "status": _status(kept),
            **summarise(kept),
        }
    ]


def measure(server: Server, listeners: int) -> Sample:
    """Return the numbers of one round."""
    stalled = listeners // 10
    target = Target(server.port, server.credentials[:listeners])
    with Load(target, core=cores()[1], eager=listeners, stallable=stalled) as load:
        load.ask("join", count=listeners)
        ssrc = server.start()
        load.await_programme(ssrc)
        time.sleep(2)
        calm = observe(server, load, STALL_S)
        before = load.ask("collect", ssrc=ssrc, **calm.bounds)
        kib = rss_kib(server.pid)
        load.ask("stall")
        storm = observe(server, load, STALL_S - 1)
        during = load.ask("collect", ssrc=ssrc, **storm.bounds)
        skipped = server.api.metric("loacast_packets_skipped_total")
        grown_kib = rss_kib(server.pid) - kib
        load.ask("resume")
        time.sleep(RECOVERY_S)
        edges = load.ask("edges")
    live = [after_ns / 1e6 for after_ns in edges["live_after_ns"] if after_ns]
    return {
        "p99_before_ms": before["p99_ms"],
        "p99_ms": during["p99_ms"],
        "p50_ms": during["p50_ms"],
        "max_ms": during["max_ms"],
        "p99_shift_ms": during["p99_ms"] - before["p99_ms"],
        "delivered_ratio": min(before["delivered_ratio"], during["delivered_ratio"]),
        # That the server noticed: without it the kernel swallowed the stall.
        "packets_skipped_per_stalled": skipped / stalled,
        "rss_kib_per_stalled": grown_kib / stalled,
        "back_on_live_edge_ms": max(live, default=None),
        "not_back": stalled - len(live),
        "stalled_closed": edges["closed"],
        "generator_core_share": max(calm.generator_share, storm.generator_share),
        "server_core_share": storm.server_share,
    }


def _status(samples: list[Sample]) -> str:
    if any(
        one["not_back"] or not one["packets_skipped_per_stalled"] for one in samples
    ):
        return "failed"
    return status(samples)
