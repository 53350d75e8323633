"""The WebRTC load generator against real peers: does it see what happens?"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import churn, fanout, join, preempt
from bench.load import Load
from bench.processes import cores
from bench.rtp_account import ONE_STREAM
from bench.seed import seed
from bench.webrtc_contender import GCM, SHA1, WebRtcPeer, WebRtcServer
from streamer.media.frame import FRAME_NS

pytestmark = pytest.mark.end_to_end
LISTENERS = 60  # two of them decrypt, ten are read at once


def peer(name: str, profile: str = GCM) -> WebRtcPeer:
    return WebRtcPeer(name, listeners=LISTENERS, profile=profile, core=cores()[0])


@contextmanager
def on_air(contender: WebRtcPeer) -> Iterator[Load]:
    """Yield a generator whose listeners hear *contender*."""
    with contender, contender.load(eager=10, ptime_ms=20) as load:
        assert load.ask("join", count=LISTENERS)["joined"] == LISTENERS
        load.await_programme(contender.start())
        time.sleep(1.5)
        yield load


def watch(load: Load, seconds: float = 1.0) -> dict[str, int]:
    from_ns = time.monotonic_ns()
    time.sleep(seconds)
    bounds = {"from_ns": from_ns, "to_ns": time.monotonic_ns()}
    time.sleep(0.5)
    return bounds


@pytest.mark.parametrize("profile", [GCM, SHA1])
@pytest.mark.parametrize("name", ["engine", "floor"])
def test_every_packet_of_every_listener_is_accounted_for(
    name: str, profile: str
) -> None:
    with on_air(peer(name, profile)) as load:
        bounds = watch(load)
        found = load.ask("collect", ssrc=ONE_STREAM, **bounds)
        due = (bounds["to_ns"] - bounds["from_ns"]) / FRAME_NS
        assert found["packets_due"] == pytest.approx(due, abs=1)
        assert found["delivered_ratio"] == 1
        assert found["misnumbered"] == 0
        assert found["payloads_compared"] >= 100
        assert found["payloads_wrong"] == 0
        assert found["lateness_samples"] == pytest.approx(due * 10, abs=20)
        assert 0 < found["p50_ms"] < 100
        # What was not sent was not received: the generator cannot be fooled.
        bounds["to_ns"] += 10 * 10**9
        future = load.ask("collect", ssrc=ONE_STREAM, **bounds)
        assert future["delivered_ratio"] < 0.5


@pytest.mark.parametrize(
    "name",
    [
        "aiortc",
        pytest.param(
            "janus",
            marks=pytest.mark.skipif(
                shutil.which("janus") is None, reason="janus is not installed"
            ),
        ),
    ],
)
def test_peers_deliver_what_the_floor_does(name: str) -> None:
    with on_air(peer(name)) as load:
        found = load.ask("collect", ssrc=ONE_STREAM, **watch(load))
        assert found["delivered_ratio"] == 1
        assert found["misnumbered"] == 0
        assert found["payloads_wrong"] == 0


@pytest.fixture
def server(tmp_path: Path) -> WebRtcServer:
    seeded = seed(tmp_path / "seeded", 0)
    return WebRtcServer(seeded, listeners=LISTENERS, profile=GCM, core=cores()[0])


def test_our_server_is_measured_by_its_media_clock(server: WebRtcServer) -> None:
    plan = fanout.Plan(LISTENERS, seconds=2, eager=10, transport="webrtc")
    with server:
        sample = fanout.measure(server, plan)
    assert sample["delivered_ratio"] == 1
    assert sample["misnumbered"] == 0
    assert sample["payloads_wrong"] == 0
    assert sample["encodes_per_second"] == pytest.approx(50, abs=2)
    # 1 s is far more than any lateness and far less than a clock mistaken for another.
    assert sample["p50_ms"] is not None
    assert -20 < sample["p50_ms"] < 1000


def test_every_listener_hears_every_emergency(server: WebRtcServer) -> None:
    with server:
        (row,) = preempt.run(server, LISTENERS, preempt.Plan(2, 1), lambda _: None)
    assert row["delivered_ratio"] == 1
    assert 0 < row["p50_ms"] <= row["max_ms"] < 1000


def test_those_who_leave_may_join_again_and_all_hear() -> None:
    with peer("engine") as contender:
        sample = join.measure(contender, join.Plan(LISTENERS))
    assert sample["deaf"] == 0
    assert 0 < (sample["hear_max_ms"] or 0) < 5000


def test_who_stays_hears_all_while_others_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(churn, "CONSENT_S", 0.0)
    plan = churn.Plan(LISTENERS, rate=20, minutes=4 / 60)
    with peer("engine") as contender:
        row = churn.measure(contender, plan, lambda _: None)
    assert row["delivered_ratio"] == 1
    assert row["failed"] == 0
    assert row["rejoined"] == pytest.approx(20 * (plan.warm_up_s + 4), rel=0.4)
    assert row["rss_mib_last"] > 10
