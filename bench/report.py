"""What a bench found: rows of medians with their spread, as JSON and as a table.

Every file is ``{"bench": NAME, "commit": …, "machine": {…}, "rows": [{…}]}``. A
measured number stands as its median over the rounds, with ``_min`` and ``_max``
beside it; a row also says what it measured (``server``, ``listeners``, …) and its
``status``.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

Row: TypeAlias = dict[str, Any]
Sample: TypeAlias = dict[str, float | None]
"One round's numbers; None where a contender has no such thing."

MUST_DELIVER_RATIO = 0.9999
"At each listener (NUMBERS.md, how to measure fairly)."
MAX_GENERATOR_SHARE = 0.70
"Of its core; beyond it the load generator measures itself and the run is void."


def summarise(rounds: Sequence[Sample]) -> Row:
    """Return medians of *rounds*, with ``_min`` and ``_max`` beside each."""
    row: Row = {"rounds": len(rounds)}
    for name in rounds[0]:
        values = [value for one in rounds if (value := one.get(name)) is not None]
        if not values:
            continue
        row[name] = rounded(statistics.median(values))
        row[f"{name}_min"] = rounded(min(values))
        row[f"{name}_max"] = rounded(max(values))
    return row


def rounded(value: float) -> float:
    """Return *value* with the digits a reader can use; a ratio keeps six."""
    return round(value, 6 if abs(value) <= 1 else 3)


def status(rounds: Sequence[Sample]) -> str:
    """Return "ok", "void" (the generator was too busy) or "failed".

    Failed is who lost packets, or changed what is in them.

    The worst round decides: one bad round is enough to doubt the row.
    """
    if any((one.get("generator_core_share") or 0) >= MAX_GENERATOR_SHARE
           for one in rounds):  # fmt: skip
        return "void"
    if any(one.get("payloads_wrong") for one in rounds):
        return "failed"
    delivered = [one.get("delivered_ratio") for one in rounds]
    if any(ratio is not None and ratio < MUST_DELIVER_RATIO for ratio in delivered):
        return "failed"
    return "ok"


def percentiles_ms(values_ns: Sequence[float]) -> Sample:
    """Return p50, p99 and max of *values_ns* in milliseconds (nearest rank)."""
    if not values_ns:
        return {"p50_ms": None, "p99_ms": None, "max_ms": None}
    ordered = sorted(values_ns)
    last = len(ordered) - 1
    return {
        "p50_ms": ordered[round(last * 0.50)] / 1e6,
        "p99_ms": ordered[round(last * 0.99)] / 1e6,
        "max_ms": ordered[last] / 1e6,
    }


def document(
    bench: str, commit: str, machine: Mapping[str, Any], rows: Sequence[Row]
) -> dict[str, Any]:
    """Return the contents of a bench file."""
    return {
        "bench": bench,
        "commit": commit,
        "machine": dict(machine),
        "rows": list(rows),
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write *content* to *path* as JSON, making its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def show(console: Console, content: Mapping[str, Any]) -> None:
    """Print the rows of *content*, one column a row: they are long and few."""
    rows: Sequence[Row] = content["rows"]
    table = Table("", *(str(row.get("server", "")) for row in rows))
    table.title = f"{content['bench']} at {content['commit']}"
    for name in dict.fromkeys(name for row in rows for name in row):
        if name != "server" and not name.endswith(("_min", "_max")):
            table.add_row(name, *(_cell(row, name) for row in rows))
    console.print(table)


def _cell(row: Row, name: str) -> str:
    if name not in row:
        return "–"
    if f"{name}_min" not in row or row[f"{name}_min"] == row[f"{name}_max"]:
        return str(row[name])
    return f"{row[name]} ({row[f'{name}_min']} to {row[f'{name}_max']})"
