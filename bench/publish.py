"""Writes what the bench files hold into README.md, beside what must be reached.

The limits are NUMBERS' "must" column; they are compared with medians, and a row whose
status is not "ok" meets nothing.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import Row

BEGIN, END = "<!-- results -->", "<!-- /results -->"
_AT_MOST: tuple[str, Callable[[float, float], bool]] = ("≤", operator.le)
_AT_LEAST: tuple[str, Callable[[float, float], bool]] = ("≥", operator.ge)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One figure and its limit."""

    number: int | str
    "Of the row in NUMBERS.md, or the issue that asks."
    what: str
    file: str
    figure: str
    limit: float
    sense: tuple[str, Callable[[float, float], bool]] = _AT_MOST

    def line(self, row: Row) -> str:
        """Return the row of the table."""
        measured = float(row[self.figure])
        sign, compare = self.sense
        met = row["status"] == "ok" and compare(measured, self.limit)
        lowest, highest = row[f"{self.figure}_min"], row[f"{self.figure}_max"]
        return (
            f"| {self.number} | {self.what} | {measured:g} | {lowest:g} to {highest:g} "
            f"| {sign} {self.limit:g} | {'yes' if met else 'no'} | {row['status']} |"
        )


REQUIREMENTS = (
    Requirement(1, "WebRTC, 500 listeners: CPU per packet, multiple of the floor's",
                "fanout-webrtc-500", "cpu_ratio_to_floor", 2.0),
    Requirement(1, "the same, of Janus'",
                "fanout-webrtc-500", "cpu_ratio_to_janus", 0.125),
    Requirement(1, "the same, of aiortc's",
                "fanout-webrtc-500", "cpu_ratio_to_aiortc", 0.0667),
    Requirement(2, "CPU per packet, 1,000 listeners, as a multiple of the floor's",
                "fanout-1000", "cpu_ratio_to_floor", 1.35),
    Requirement(2, "the same, of `websockets.broadcast()`'s",
                "fanout-1000", "cpu_ratio_to_websockets", 0.5),
    Requirement(3, "2,000 listeners at 20 ms: worst listener's share delivered",
                "fanout-2000", "delivered_ratio", 0.9999, _AT_LEAST),
    Requirement(3, "2,000 listeners at 20 ms: p99 lateness, ms",
                "fanout-2000", "p99_ms", 20),
    Requirement(3, "6,000 listeners at 60 ms: worst listener's share delivered",
                "fanout-6000", "delivered_ratio", 0.9999, _AT_LEAST),
    Requirement(3, "6,000 listeners at 60 ms: p99 lateness, ms",
                "fanout-6000", "p99_ms", 20),
    Requirement(3, "WebRTC, 2,500 listeners: worst listener's share delivered",
                "fanout-webrtc-2500", "delivered_ratio", 0.9999, _AT_LEAST),
    Requirement(3, "WebRTC, 2,500 listeners: p99 lateness, ms",
                "fanout-webrtc-2500", "p99_ms", 20),
    Requirement(4, "memory per idle listener, KiB",
                "fanout-1000", "rss_kib_per_listener", 25),
    Requirement(4, "memory per idle WebRTC listener, KiB",
                "fanout-webrtc-2500", "rss_kib_per_listener", 80),
    Requirement(5, "CPU to join, ms", "fanout-1000", "join_cpu_ms", 0.8),
    Requirement(5, "CPU to join over WebRTC, ms",
                "join-webrtc", "join_cpu_ms", 4),
    Requirement(6, "emergency at the slowest of 1,000 listeners: p99, ms",
                "preempt", "p99_ms", 60),
    Requirement(6, "the same over WebRTC", "preempt-webrtc", "p99_ms", 60),
    Requirement(6, "the same at the slowest of 2,000 listeners",
                "preempt-2000", "p99_ms", 60),
    Requirement(7, "mouth to ear beyond the playout delay: maximum, ms",
                "latency", "over_delay_max_ms", 40),
    Requirement(8, "encodes per second of one programme, 1,000 listeners",
                "fanout-1000", "encodes_per_second", 50.5),
    Requirement(8, "encodes per second of one programme, 6,000 listeners",
                "fanout-6000", "encodes_per_second", 50.5),
    Requirement(10, "50 of 500 stall: shift of the others' p99, ms",
                "stalled", "p99_shift_ms", 5),
    Requirement(10, "50 of 500 stall: server memory per stalled one, KiB",
                "stalled", "rss_kib_per_stalled", 64),
    Requirement(10, "50 of 500 stall: last one back on the live edge, ms",
                "stalled", "back_on_live_edge_ms", 1000),
    Requirement(14, "speaker process, playing: share of a core",
                "latency", "speaker_core_share", 0.03),
    Requirement(14, "speaker process, playing: MiB",
                "latency", "speaker_rss_mib", 60),
    Requirement("C", "a change of 10,000 zones, 100 programmes: p99, ms",
                "air", "p99_ms", 10),
    Requirement("C", "7 of 100 speakers killed: wrongly listed, or not listed",
                "coverage", "wrongly_listed_or_not", 0),
)  # fmt: skip


def publish(directory: Path, readme: Path) -> None:
    """Put the figures of the files in *directory* between the marks in *readme*."""
    documents = {
        path.stem: json.loads(path.read_text()) for path in directory.glob("*.json")
    }
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{markdown(documents)}\n{END}{after}")


def markdown(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the figures of bench files, by their names, as Markdown."""
    lines = [
        "| # | what | median | rounds | must | met | status |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in REQUIREMENTS:
        row = _our_row(documents.get(each.file))
        if row is not None and each.figure in row:
            lines.append(each.line(row))
    lines += ["", "| file | commit | machine |", "|---|---|---|"]
    lines += [_origin(name, documents[name]) for name in sorted(documents)]
    return "\n".join(lines)


def _our_row(content: Mapping[str, Any] | None) -> Row | None:
    rows: list[Row] = content["rows"] if content else []
    return next((row for row in rows if row["server"] == "loacast"), None)


def _origin(name: str, content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    described = (
        f"{machine['cores']} × {machine['cpu']}, Linux {machine['kernel']}, Python"
        f" {machine['python']}, {machine['libopus']}, load {machine['load_1min']}"
    )
    return f"| {name} | {content['commit']} | {described} |"
