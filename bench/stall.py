"""A TCP link that freezes for three seconds while a speaker plays.

The speaker's packets come through `bench.badlink.Tunnel`, at 64 kB/s; nothing passes
while it is frozen, and all that was on its way comes then. What the server holds for
the speaker meanwhile is asked of the kernel (`ss`), what it costs of /proc, and when
the speaker is back of the speaker's own account of each block.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench import tunnel
from bench.badlink import Tunnel
from bench.concealment import Blocks, missed
from bench.processes import rss_kib
from bench.report import Row, rounded, summarise
from bench.server import Server
from bench.theatre import SETTLE_S, Setting, Theatre
from ingest.tone import Pattern

PROFILE = "narrow"
BACK_NS = 500_000_000
"So long without anything missing: the speaker is back."
BETWEEN_S = 8.0
LOOK_S = 0.05
MAX_BACK_MS, MAX_UNSENT_BYTES, MAX_RSS_KIB = 1000.0, 4096, 64
_NOT_SENT = re.compile(r"\bnotsent:(\d+)")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked."""

    freeze_s: float = 3.0
    rounds: int = 3
    playout_delay_ms: int = 1000


@dataclass(frozen=True, slots=True)
class Freeze:
    """One of them, by our monotonic clock, and what the server held meanwhile."""

    start_ns: int
    end_ns: int
    unsent_bytes: int
    rss_kib: int


def run(plan: Plan, told: Callable[[str], None]) -> list[Row]:
    """Freeze the link, several times; return one row."""
    named: Row = {
        "server": "loacast",
        "profile": PROFILE,
        "freeze_s": plan.freeze_s,
        "playout_delay_ms": plan.playout_delay_ms,
    }
    if (why := tunnel.unfit()) is not None:
        told(f"skipped: {why}")
        return [named | {"status": "skipped", "why": why}]
    delay_ms = plan.playout_delay_ms
    setting = Setting(PROFILE, playout_delay_ms=delay_ms)
    length_s = BETWEEN_S + plan.rounds * (plan.freeze_s + BETWEEN_S)
    with Theatre(setting) as theatre:
        link = theatre.links[0]
        assert isinstance(link, Tunnel)  # TCP has no other
        time.sleep(SETTLE_S)
        theatre.tone(Pattern.MUSIC, length_s + delay_ms / 1000 + 1)
        freezes = []
        for _ in range(plan.rounds):
            time.sleep(BETWEEN_S)
            freezes.append(_freeze(theatre.server, link, plan.freeze_s))
        time.sleep(BETWEEN_S)
        speaker = theatre.speakers[0]
        ended, blocks = speaker.finish(), speaker.blocks()
    row = summarise([_judge(freeze, blocks, plan) for freeze in freezes])
    # Of the memory of a whole process, the median: it also moves by itself.
    held = (
        row["back_ms_max"] <= MAX_BACK_MS
        and row["server_unsent_bytes_max"] <= MAX_UNSENT_BYTES
        and row["server_rss_growth_kib"] <= MAX_RSS_KIB
    )
    return [named | {"status": "ok" if held else "failed"} | row | {"ended": ended}]


def back_ms(blocks: Blocks, end_ns: int) -> float:
    """Return how long after *end_ns* a stretch without anything missing begins.

    Raises:
        ValueError: The speaker did not come back.
    """
    good = np.diff(blocks["total_samples"]) > np.diff(blocks["concealed_samples"])
    whole = np.diff(blocks["concealed_samples"]) == 0
    after = blocks["out_ns"][1:] >= end_ns
    for first in np.flatnonzero(after & good & whole):
        until_ns = blocks["out_ns"][1:][first] + BACK_NS
        following = slice(first, np.searchsorted(blocks["out_ns"][1:], until_ns))
        if whole[following].all() and good[following].mean() > 0.9:
            return float(blocks["out_ns"][1:][first] - end_ns) / 1e6
    raise ValueError("the speaker did not come back")


def _freeze(server: Server, link: Tunnel, seconds: float) -> Freeze:
    before_kib = rss_kib(server.pid)
    start_ns = time.monotonic_ns()
    end_ns = link.freeze(seconds)
    unsent_bytes = 0
    while time.monotonic_ns() < end_ns:
        unsent_bytes = max(unsent_bytes, _unsent_bytes(server))
        time.sleep(LOOK_S)
    return Freeze(start_ns, end_ns, unsent_bytes, rss_kib(server.pid) - before_kib)


def _unsent_bytes(server: Server) -> int:
    """Return what the kernel was given for the speaker and has not yet sent."""
    where = ("src", f"{server.host}:{server.port}")
    told = subprocess.run(
        ["ss", "-tinH", "state", "established", *where],
        capture_output=True,
        text=True,
        check=True,
    )
    return max(map(int, _NOT_SENT.findall(told.stdout)), default=0)


def _judge(freeze: Freeze, blocks: Blocks, plan: Plan) -> dict[str, float | None]:
    until_ns = freeze.end_ns + round((BETWEEN_S - 1) * 1e9)
    lost = missed(blocks, freeze.start_ns, until_ns)
    window_s = (until_ns - freeze.start_ns) / 1e9
    silent_s = (lost.concealed_ratio + lost.unheard_ratio) * window_s
    return {
        "back_ms": rounded(back_ms(blocks, freeze.end_ns)),
        "server_unsent_bytes": freeze.unsent_bytes,
        "server_rss_growth_kib": freeze.rss_kib,
        "missed_s": rounded(silent_s),
        "must_miss_s": plan.freeze_s - plan.playout_delay_ms / 1000,
        "longest_gap_ms": rounded(lost.longest_gap_ms),
    }
