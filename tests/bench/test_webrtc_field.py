"""Tests of what is pure in the WebRTC bench: who is measured, settings, slopes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.churn import Plan, slope_kib_per_minute
from bench.field import WEBRTC, WEBSOCKET, Field, NoSuchPeer
from bench.peers.webrtc_janus import configuration
from bench.webrtc_settings import Settings


@pytest.mark.parametrize(
    ("transport", "peer"),
    [(WEBSOCKET, "aiortc"), (WEBRTC, "websockets"), (WEBRTC, "januss:1:0")],
)
def test_a_peer_of_another_transport_is_refused(transport: str, peer: str) -> None:
    with pytest.raises(NoSuchPeer, match=peer.partition(":")[0]):
        Field(transport, 10, ["floor", peer])


def test_janus_may_be_told_its_threads() -> None:
    Field(WEBRTC, 10, ["floor", "janus:2:1"])


def test_settings_survive_the_file_which_nobody_else_may_read(tmp_path: Path) -> None:
    settings = Settings("http://x", 7, token="secret", zones=["a", "b"], eager=3)
    settings.write(tmp_path / "s")
    assert Settings.read(tmp_path / "s") == settings
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


@given(
    slope=st.floats(-1e4, 1e4),
    noise=st.lists(st.floats(-1, 1), min_size=120, max_size=120),
    start=st.floats(0, 1e6),
)
def test_law_the_slope_of_a_leak_is_found_under_noise(
    slope: float, noise: list[float], start: float
) -> None:
    readings = [
        (start + k, round(80_000 + slope * k / 60 + shake))
        for k, shake in enumerate(noise)
    ]
    assert slope_kib_per_minute(readings) == pytest.approx(slope, abs=2.5)


def test_a_churn_warms_up_until_all_were_replaced_and_ghosts_are_gone() -> None:
    assert Plan(listeners=1000, rate=20).warm_up_s == 500 / 20 + 30


def test_janus_is_told_all_that_matters(tmp_path: Path) -> None:
    configuration(tmp_path, event_loops=2, threads=1, port=5555, address="192.0.2.9")
    general = (tmp_path / "janus.jcfg").read_text()
    assert "event_loops = 2\n" in general
    assert "ice_lite = true\n" in general
    assert 'ice_enforce_list = "192.0.2.9"\n' in general
    mountpoint = (tmp_path / "janus.plugin.streaming.jcfg").read_text()
    assert "audioport = 5555\n" in mountpoint
    assert "threads = 1\n" in mountpoint
    assert "audio = true\n" in mountpoint
