"""Tests of bench.air: what is timed really happens, and the row says what it must."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import air
from bench.cli import app
from bench.report import Sample
from streamer.air.arbiter import Arbiter
from streamer.air.zones import ZoneTree


@pytest.mark.parametrize(("worst_ms", "status"), [(10.0, "ok"), (10.1, "failed")])
def test_one_slow_round_fails_the_row(worst_ms: float, status: str) -> None:
    samples: list[Sample] = [{"p99_ms": 1.0}, {"p99_ms": worst_ms}, {"p99_ms": 1.0}]
    row = air.row(air.Plan(), samples)
    assert (row["status"], row["p99_ms"]) == (status, 1.0)


def test_the_air_stays_as_busy_as_was_asked_for() -> None:
    busy = air.Air(Arbiter(ZoneTree(air.forest(300))), random.Random(1))
    busy.fill(20)
    steps = [change() for change in busy.changes(200)]
    assert len(steps) == 200
    assert 18 <= len(busy.arbiter.programmes) <= 22
    kinds = {event.kind for step in steps for event in step.events}
    assert kinds == {"started", "preempted", "resumed", "ended"}
    assert {order.kind for step in steps for order in step.orders} == {"go", "hold"}
    assert any(event.silenced for step in steps for event in step.events)


def test_the_command_writes_a_row(tmp_path: Path) -> None:
    path = tmp_path / "air.json"
    size = ["--zones", "300", "--programmes", "20", "--changes", "60"]
    arguments = ["air", *size, "--rounds", "2", "--json", str(path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    content = json.loads(path.read_text())
    assert content["bench"] == "air"
    (row,) = content["rows"]
    assert (row["zones"], row["programmes"], row["rounds"]) == (300, 20, 2)
    assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
