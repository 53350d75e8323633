"""Tests of bench.report and bench.machine: the shape and the verdicts of a file."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import machine, report

GOOD: report.Sample = {"delivered_ratio": 1.0, "generator_core_share": 0.4}


def test_a_row_holds_medians_with_their_spread() -> None:
    rounds: list[report.Sample] = [{"p99_ms": 3.0}, {"p99_ms": 1.0}, {"p99_ms": 9.0}]
    assert report.summarise(rounds) == {
        "rounds": 3,
        "p99_ms": 3.0,
        "p99_ms_min": 1.0,
        "p99_ms_max": 9.0,
    }


def test_what_a_contender_does_not_have_is_left_out() -> None:
    assert report.summarise([{"encodes_per_second": None}]) == {"rounds": 1}


@pytest.mark.parametrize(
    ("worst", "expected"),
    [
        ({}, "ok"),
        ({"delivered_ratio": 0.9999}, "ok"),
        ({"delivered_ratio": 0.9998}, "failed"),
        ({"generator_core_share": 0.70}, "void"),
        ({"generator_core_share": 0.9, "delivered_ratio": 0.5}, "void"),
    ],
)
def test_one_bad_round_decides(worst: report.Sample, expected: str) -> None:
    assert report.status([GOOD, GOOD | worst, GOOD]) == expected


@given(st.lists(st.integers(-(10**9), 10**12), min_size=1))
def test_law_percentiles_are_seen_values_in_order(values: list[int]) -> None:
    found = report.percentiles_ms(values)
    p50, p99, most = (found[name] for name in ("p50_ms", "p99_ms", "max_ms"))
    assert {p50, p99, most} <= {value / 1e6 for value in values}
    assert p50 is not None
    assert p99 is not None
    assert most == max(values) / 1e6
    assert p50 <= p99 <= most


def test_a_file_has_the_shape_that_is_promised(tmp_path: Path) -> None:
    path = tmp_path / "new" / "fanout.json"
    row: report.Row = {"server": "floor", "listeners": 3}
    report.write(path, report.document("fanout", "c0ffee", machine.describe(), [row]))
    written = json.loads(path.read_text())
    assert list(written) == ["bench", "commit", "machine", "rows"]
    assert written["rows"] == [row]
    assert written["machine"]["libraries"]["websockets"][0].isdigit()
    assert written["machine"]["libopus"].startswith("libopus")


def test_a_table_shows_each_row_with_its_spread() -> None:
    rows: list[report.Row] = [
        {"server": "loacast", "p99_ms": 2.0, "p99_ms_min": 1.0, "p99_ms_max": 3.0},
        {"server": "floor", "status": "ok"},
    ]
    console = Console(file=io.StringIO(), width=100)
    report.show(console, report.document("fanout", "c0ffee", {}, rows))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "2.0 (1.0 to 3.0)" in shown
    assert "loacast" in shown
    assert "p99_ms_min" not in shown


def test_the_commit_is_git_s_and_unknown_elsewhere(tmp_path: Path) -> None:
    assert machine.commit(tmp_path) == "unknown"
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for command in (("init", "-q"), (*identity, "commit", "-qm", "x", "--allow-empty")):
        subprocess.run(("git", *command), cwd=tmp_path, check=True)
    (tmp_path / "file").write_text("x")
    clean = machine.commit(tmp_path)
    assert len(clean) == 12
    subprocess.run(("git", "add", "file"), cwd=tmp_path, check=True)
    assert machine.commit(tmp_path) == f"{clean}-dirty"
