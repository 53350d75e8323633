"""The bench on the real server, small and short: does it see what it should?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import fanout, latency, preempt, stalled
from bench.seed import seed
from bench.server import Server

pytestmark = pytest.mark.end_to_end
LISTENERS = 20


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(seed(tmp_path / "seeded", LISTENERS))


def ignore(_: str) -> None:
    """Want no progress."""


def test_a_programme_is_encoded_once_and_reaches_everybody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "SETTLE_S", 0.5)
    plan = fanout.Plan(LISTENERS, seconds=2, ptime_ms=60, eager=5)
    with server:
        sample = fanout.measure(server, plan)
    assert sample["delivered_ratio"] == 1
    assert sample["connections_closed"] == 0
    assert sample["misnumbered"] == 0
    assert sample["encodes_per_second"] == pytest.approx(50, abs=2)
    # 1 s is far more than any lateness and far less than a clock mistaken for another.
    assert sample["p50_ms"] is not None
    assert -20 < sample["p50_ms"] < 1000


def test_every_listener_hears_every_emergency(server: Server) -> None:
    with server:
        (row,) = preempt.run(server, LISTENERS, preempt.Plan(2, 1), ignore)
    assert row["status"] in ("ok", "void")  # void: a busy machine, not a bug
    assert row["delivered_ratio"] == 1
    assert 0 < row["p50_ms"] <= row["max_ms"] < 1000
    assert row["any_listener_max_ms"] == row["max_ms"]


def test_listeners_that_stop_reading_are_skipped_and_come_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled, "STALL_S", 4.0)
    with server:
        sample = stalled.measure(server, LISTENERS)
    assert sample["delivered_ratio"] == 1  # of the others
    assert sample["packets_skipped_per_stalled"]
    assert sample["not_back"] == 0
    assert sample["stalled_closed"] == 0


def test_a_real_speaker_is_late_by_the_playout_delay(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "SETTLE_S", 2.0)
    with server:
        sample = latency.measure(server, 5, tmp_path / "speaker.wav")
    assert sample["chirps_heard"] == 5
    assert sample["over_delay_p50_ms"] == pytest.approx(0, abs=20)
