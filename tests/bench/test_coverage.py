"""Tests of bench.coverage: only a report about exactly the killed is a good one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.coverage import Plan, listed_by_command, row
from bench.questions import published

START = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
END = START + timedelta(seconds=30)
KILLED = START + timedelta(seconds=15)
PLAN = Plan(speakers=10, kill=2)


def span(start: datetime, end: datetime) -> dict[str, str]:
    return {"from_utc": start.isoformat(), "to_utc": end.isoformat()}


def gap(after_start_s: float, *, cause: str = "not_received") -> dict[str, Any]:
    start = START + timedelta(seconds=after_start_s)
    missed_s = (END - start).total_seconds()
    return span(start, END) | {
        "missed_s": missed_s,
        "cause": cause,
        "unconfirmed_s": 10.0,
    }


def report(speakers: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "percent": 90.0,
        "complete_speakers": PLAN.speakers - len(speakers),
        "aired": [span(START, END)],
        "incomplete": [
            {
                "zone_id": "thon-dong",
                "speakers": [
                    {"speaker_id": name, "gaps": gaps}
                    for name, gaps in speakers.items()
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("speakers", "status"),
    [
        ({"a": [gap(14)], "b": [gap(3.5)]}, "ok"),
        ({"a": [gap(12)]}, "failed"),
        ({"a": [gap(12)], "c": [gap(12)]}, "failed"),
        ({"a": [gap(12)], "b": [gap(12)], "c": [gap(12)]}, "failed"),
        ({"a": [gap(12)], "b": [gap(16)]}, "failed"),
        ({"a": [gap(12)], "b": [gap(0)]}, "failed"),
        ({"a": [gap(12)], "b": [gap(12, cause="lost")]}, "failed"),
        ({"a": [gap(12)], "b": [gap(12), gap(12)]}, "failed"),
    ],
    ids=[
        "both",
        "one was not listed",
        "another was listed",
        "one too many",
        "it heard after its death",
        "its last receipt is forgotten",
        "another cause",
        "twice",
    ],
)
def test_a_row_is_ok_for_exactly_the_killed_and_what_they_missed(
    speakers: dict[str, list[dict[str, Any]]], status: str
) -> None:
    found = row(PLAN, report(speakers), {"a", "b"}, KILLED)
    assert found["status"] == status
    assert [each["speaker"] for each in found["missed"]] == [
        name for name, gaps in speakers.items() for _ in gaps
    ]


def test_a_row_says_what_each_missed() -> None:
    found = row(PLAN, report({"a": [gap(12)], "b": [gap(5.5)]}), {"a", "b"}, KILLED)
    assert found["missed"][1] == {
        "speaker": "b",
        "zone": "thon-dong",
        "cause": "not_received",
        "missed_s": 24.5,
        "unconfirmed_s": 10.0,
        "from_after_kill_s": -9.5,
    }
    assert found["wrongly_listed_or_not"] == found["implausible"] == 0


def test_the_commands_words_are_read_by_speaker() -> None:
    text = """2026-11: 80.00 % heard, 8 of 10 received all
  zone thon-doai: 50.00 % heard, 1 of 2 received all
    all of it: missed 1.0 s, preempted, 02:55:21 to 02:55:22
    qirocyt2wz: missed 6.0 s, not received, 02:55:21 to 02:55:27
"""
    assert listed_by_command(text) == {"qirocyt2wz"}


def test_every_published_question_can_be_asked() -> None:
    assert {"coverage", "preempt-2000", "air"} <= set(published(print))
