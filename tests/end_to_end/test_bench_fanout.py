"""`bench.fanout` on real processes, small and short: the shape and sense of a row."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import fanout
from bench.cli import app
from bench.contender import Peer
from bench.field import Opener
from bench.processes import cores

pytestmark = pytest.mark.end_to_end

MEASURED = (
    *("cpu_us_per_packet", "delivered_ratio", "p50_ms", "p99_ms", "max_ms"),
    *("rss_kib_per_listener", "join_cpu_ms", "generator_core_share"),
)


def test_a_row_says_what_the_issue_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SETTLE_S", 0.3)
    plan = fanout.Plan(listeners=30, seconds=1, ptime_ms=40, rounds=1, eager=10)
    openers: list[Opener] = [
        partial(Peer, name, module, listeners=30, ptime_ms=40, core=cores()[0])
        for name, module in (("floor", "floor"), ("websockets", "broadcast"))
    ]
    told: list[str] = []
    rows = fanout.run(plan, openers, told.append)
    assert [row["server"] for row in rows] == ["floor", "websockets"]
    assert len(told) == 4  # two contenders in a dropped and a counted round
    for row in rows:
        assert row["status"] == "ok"
        assert row["delivered_ratio"] == 1
        assert row["listeners"] == 30
        assert row["message_bytes"] == pytest.approx(2 * 95, rel=0.2)
        assert row["cpu_us_per_message"] >= 2 * row["cpu_us_per_packet"] - 0.001
        for name in MEASURED:
            assert {name, f"{name}_min", f"{name}_max"} <= row.keys()
    floor, peer = rows
    assert floor["cpu_ratio_to_websockets"] > 0
    assert "encodes_per_second" not in peer


@pytest.mark.parametrize(
    "arguments", [("--ptime", "30"), ("--against", "nginx"), ("--transport", "x")]
)
def test_a_question_that_cannot_be_asked_is_refused(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "x.json"
    answer = CliRunner().invoke(app, ["fanout", *arguments, "--json", str(file)])
    assert answer.exit_code == 2
    assert not file.exists()
