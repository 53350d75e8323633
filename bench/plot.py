"""A run of `impair` as a picture: how late it sounded, and what was missing, over time.

matplotlib is asked for only here.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.impaired import Plan, Trace
from bench.report import Row

NAMES = {"loacast": "Loacast speaker", "aiortc": "aiortc's receiver"}
COLOURS = {"loacast": "#0b6e8a", "aiortc": "#c8571b"}
BIN_S = 1.0
BREAK_S = 0.75
"Pieces are half a second apart."


def unfit() -> str | None:
    """Return why nothing can be drawn here; None: it can."""
    found = importlib.util.find_spec("matplotlib") is not None
    return None if found else "matplotlib is not installed"


def draw(path: Path, plan: Plan, rows: Sequence[Row], traces: Sequence[Trace]) -> None:
    """Draw *traces* into *path*: delay above, concealment below."""
    from matplotlib.figure import Figure  # only when it is drawn

    figure = Figure(figsize=(11, 7.2), layout="constrained", dpi=120)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    end_s = plan.seconds
    width_s = BIN_S / len(traces)
    for place, (row, trace) in enumerate(zip(rows, traces, strict=True)):
        _delay(above, row, trace)
        _missing(below, row, trace, place * width_s, width_s)
    above.set_ylabel("mouth to ear (ms)")
    above.set_ylim(bottom=0)
    below.set_ylabel("not heard as sent\n(% of each second)")
    below.set_xlabel("time on air (s)")
    below.set_ylim(0, 105)
    below.set_xlim(0, end_s)
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    setting = plan.setting
    figure.suptitle(
        f"Speech through the link “{setting.profile}”, {setting.transport};"
        f" {setting.mode}, D = {setting.playout_delay_ms} ms"
    )
    figure.savefig(path)


def _delay(axes: Any, row: Row, trace: Trace) -> None:
    seconds, delays_ms = with_breaks(trace)
    axes.plot(
        seconds,
        delays_ms,
        ".-",
        markersize=4,
        linewidth=0.8,
        color=COLOURS[trace.name],
        label=f"{NAMES[trace.name]}: mean {row['delay_mean_ms']:.0f} ms,"
        f" p95 {row['delay_p95_ms']:.0f} ms",
    )


def _missing(axes: Any, row: Row, trace: Trace, shift_s: float, width_s: float) -> None:
    starts, shares = shares_by_bin(trace)
    axes.bar(
        [start + shift_s for start in starts],
        shares,
        width=width_s,
        align="edge",
        color=COLOURS[trace.name],
        label=f"{NAMES[trace.name]}: {row['concealed_ratio']:.2%} concealed,"
        f" {row['gaps']} gaps ≥ 150 ms",
    )


def with_breaks(trace: Trace) -> tuple[list[float], list[float]]:
    """Return instants (s) and delays (ms), with a break where nothing was found."""
    seconds: list[float] = []
    delays_ms: list[float] = []
    for lag in trace.lags:
        at_s = (lag.out_ns - trace.start_ns) / 1e9
        if seconds and at_s - seconds[-1] > BREAK_S:
            seconds.append(at_s)
            delays_ms.append(math.nan)
        seconds.append(at_s)
        delays_ms.append(lag.lag_ns / 1e6)
    return seconds, delays_ms


def shares_by_bin(trace: Trace) -> tuple[list[float], list[float]]:
    """Return, for each second since the start, what share of it was concealed (%)."""
    since_s = (trace.blocks["out_ns"] - trace.start_ns) / 1e9
    edges = np.arange(0, max(0.0, float(since_s[-1])), BIN_S)
    places = np.clip(np.searchsorted(since_s, edges), 0, len(since_s) - 1)
    concealed = np.diff(trace.blocks["concealed_samples"][places])
    total = np.maximum(np.diff(trace.blocks["total_samples"][places]), 1)
    return edges[:-1].tolist(), (100 * concealed / total).tolist()
