"""Tests of streamer.metrics."""

from __future__ import annotations

import asyncio
import re
from time import monotonic_ns

from prometheus_client import CollectorRegistry, generate_latest

from streamer.metrics import LoopLateness, Metrics


def test_every_series_of_ours_has_a_conventional_name() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    ours = {m.name for m in registry.collect() if m.name.startswith("loacast_")}
    assert len(ours) >= 14
    assert all(re.fullmatch(r"loacast_[a-z]+(_[a-z]+)*", name) for name in ours)
    histograms = {
        m.name for m in registry.collect() if m.type == "histogram" and m.name in ours
    }
    assert all(name.endswith(("_seconds", "_ratio")) for name in histograms)


def test_the_process_is_measured_too() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    assert (registry.get_sample_value("process_resident_memory_bytes") or 0) > 1e6


def test_two_registries_do_not_meet() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(first).frames_encoded.inc()
    Metrics(second)
    assert first.get_sample_value("loacast_frames_encoded_total") == 1
    assert second.get_sample_value("loacast_frames_encoded_total") == 0


def test_gauges_are_computed_at_the_scrape() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    listeners = {'thôn "Ngô"': 2}
    metrics.watch_listeners("websocket", lambda: listeners)
    metrics.watch_programmes(lambda: {"normal": 1})
    metrics.watch_datagrams(lambda: {"stun_check": 7})
    listeners["xã"] = 3
    text = generate_latest(registry).decode()
    assert 'loacast_listeners{transport="websocket",zone="xã"} 3.0' in text
    assert r'zone="thôn \"Ngô\""} 2.0' in text
    assert 'loacast_programmes_on_air{class="normal"} 1.0' in text
    assert 'loacast_webrtc_datagrams_total{outcome="stun_check"} 7.0' in text


async def test_loop_lateness_sees_a_blocked_loop() -> None:
    seen: list[float] = []
    noticed = asyncio.Event()

    def observe(lateness_s: float) -> None:
        seen.append(lateness_s)
        noticed.set()

    async with LoopLateness(observe, interval_ms=1):
        await noticed.wait()
        noticed.clear()
        until_ns = monotonic_ns() + 30_000_000
        while monotonic_ns() < until_ns:  # what a loop must never do
            pass
        await noticed.wait()
    assert max(seen) >= 0.025
    assert min(seen) >= 0


async def test_loop_lateness_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with LoopLateness(lambda _: None):
        assert len(asyncio.all_tasks()) == len(before) + 1
    assert asyncio.all_tasks() == before
