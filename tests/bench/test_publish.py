"""Tests of bench.publish: what is missed is said to be missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.publish import BEGIN, END, REQUIREMENTS, markdown, publish

MACHINE = {
    **{"cpu": "X", "cores": 2, "kernel": "6", "python": "3.11"},
    **{"libopus": "libopus 1.6", "load_1min": 0.1},
}


def content(figure: str, value: float, status: str = "ok") -> dict[str, Any]:
    spread = {figure: value, f"{figure}_min": value - 1, f"{figure}_max": value + 1}
    rows = [
        {"server": "floor", "status": "ok"},
        {"server": "loacast", "status": status, **spread},
    ]
    return {"bench": "preempt", "commit": "c0ffee", "machine": MACHINE, "rows": rows}


@pytest.mark.parametrize(
    ("value", "status", "met"),
    [(60, "ok", "yes"), (61, "ok", "no"), (10, "void", "no"), (10, "failed", "no")],
)
def test_only_a_good_row_within_its_limit_meets_it(
    value: float, status: str, met: str
) -> None:
    text = markdown({"preempt": content("p99_ms", value, status)})
    assert f"| {value} | {value - 1} to {value + 1} | ≤ 60 | {met} | {status} |" in text
    assert "| preempt | c0ffee | 2 × X, Linux 6" in text


def test_a_share_must_be_reached_not_stayed_below() -> None:
    assert "≥ 0.9999 | yes" in markdown({"fanout-2000": content("delivered_ratio", 1)})
    assert "≥ 0.9999 | no" in markdown({"fanout-2000": content("delivered_ratio", 0.9)})


def test_the_readme_is_changed_between_its_marks_only(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    results = tmp_path / "results"
    results.mkdir()
    (results / "preempt.json").write_text(json.dumps(content("p99_ms", 12)))
    for _ in range(2):
        publish(results, readme)
        text = readme.read_text()
        assert text.startswith(f"above\n{BEGIN}\n| # |")
        assert text.endswith(f"{END}\nbelow\n")
        assert "old" not in text
        assert text.count("≤ 60 | yes") == 1


def test_every_required_row_of_the_issue_is_published() -> None:
    assert {each.number for each in REQUIREMENTS} >= {2, 3, 4, 6, 7, 8, 10}
