"""A run of `impair` as a picture: how late it sounded, and what was missing, over time.

matplotlib is asked for only here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.impaired import Plan, Trace
from bench.report import Row

NAMES = {"loacast": "Loacast speaker", "aiortc": "aiortc's receiver"}
COLOURS = {"loacast": "#0b6e8a", "aiortc": "#c8571b"}
BIN_S = 1.0


def unfit() -> str | None:
    """Return why nothing can be drawn here; None: it can."""
    found = importlib.util.find_spec("matplotlib") is not None
    return None if found else "matplotlib is not installed"


def draw(path: Path, plan: Plan, rows: Sequence[Row], traces: Sequence[Trace]) -> None:
    """Draw *traces* into *path*: delay above, concealment below."""
    from matplotlib.figure import Figure  # only when it is drawn

    figure = Figure(figsize=(11, 7), layout="constrained", dpi=120)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    end_s = plan.seconds
    for row, trace in zip(rows, traces, strict=True):
        _delay(above, row, trace)
        _missing(below, row, trace)
    above.set_ylabel("mouth to ear (ms)")
    above.set_ylim(bottom=0)
    below.set_ylabel("not heard as sent\n(% of each second)")
    below.set_xlabel("time on air (s)")
    below.set_ylim(0, 105)
    below.set_xlim(0, end_s)
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper right", framealpha=0.9)
    setting = plan.setting
    figure.suptitle(
        f"Link “{setting.profile}” over {setting.transport}, {setting.mode},"
        f" D = {setting.playout_delay_ms} ms"
    )
    figure.savefig(path)


def _delay(axes: Any, row: Row, trace: Trace) -> None:
    seconds = [(lag.out_ns - trace.start_ns) / 1e9 for lag in trace.lags]
    axes.plot(
        seconds,
        [lag.lag_ns / 1e6 for lag in trace.lags],
        ".-",
        markersize=4,
        linewidth=0.8,
        color=COLOURS[trace.name],
        label=f"{NAMES[trace.name]}: mean {row['delay_mean_ms']:.0f} ms,"
        f" p95 {row['delay_p95_ms']:.0f} ms",
    )


def _missing(axes: Any, row: Row, trace: Trace) -> None:
    starts, shares = shares_by_bin(trace)
    axes.bar(
        starts,
        shares,
        width=BIN_S,
        align="edge",
        alpha=0.7,
        color=COLOURS[trace.name],
        label=f"{NAMES[trace.name]}: {row['concealed_ratio']:.2%} concealed,"
        f" {row['gaps']} gaps of 150 ms and more",
    )


def shares_by_bin(trace: Trace) -> tuple[list[float], list[float]]:
    """Return, for each second since the start, what share of it was concealed (%)."""
    since_s = (trace.blocks["out_ns"] - trace.start_ns) / 1e9
    edges = np.arange(0, max(0.0, float(since_s[-1])), BIN_S)
    places = np.clip(np.searchsorted(since_s, edges), 0, len(since_s) - 1)
    concealed = np.diff(trace.blocks["concealed_samples"][places])
    total = np.maximum(np.diff(trace.blocks["total_samples"][places]), 1)
    return edges[:-1].tolist(), (100 * concealed / total).tolist()
