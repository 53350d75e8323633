"""Tests of bench.latency: the ruler, on recordings of perfect and other speakers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.correlate import Match
from bench.latency import Heard, RulerBroken, check_ruler, chirps
from bench.recording import Recording
from ingest.tone import Pattern, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

COUNT = 3
START_NS = 1_000_000_000_000
CAPTURE_NS = START_NS + 250_000_000
AIRED = render(Pattern.CHIRPS, 0, COUNT * SAMPLE_RATE_HZ)


def recorded(delay_samples: int, aired: Pcm = AIRED, *, ppm: float = 0) -> Heard:
    """Return what a speaker plays that is late by this much and perfect otherwise."""
    pcm = np.concatenate((silence(12_000 + delay_samples), aired, silence(48_000)))
    return Heard(pcm, Recording(Path("x.wav"), START_NS, ppm), CAPTURE_NS)


@settings(max_examples=10, deadline=None)
@given(delay_samples=st.integers(0, SAMPLE_RATE_HZ // 2))
def test_law_every_chirp_shows_the_delay_there_is(delay_samples: int) -> None:
    delay_ns = delay_samples * 1_000_000_000 // SAMPLE_RATE_HZ
    found = chirps(recorded(delay_samples), COUNT)
    assert found == pytest.approx([delay_ns] * COUNT, abs=30_000)


def test_the_ruler_stands_its_own_check() -> None:
    check_ruler(recorded(19_200), COUNT)


def test_a_chirp_of_another_second_is_not_taken_for_it() -> None:
    wrong = render(Pattern.CHIRPS, 10 * SAMPLE_RATE_HZ, COUNT * SAMPLE_RATE_HZ)
    assert chirps(recorded(100, wrong), COUNT) == []


def test_a_chirp_that_was_not_played_is_missing() -> None:
    holed = AIRED.copy()
    holed[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ] = 0
    assert len(chirps(recorded(100, holed), COUNT)) == COUNT - 1


def test_the_device_s_own_clock_counts() -> None:
    """Its third second is heard 0.3 ms early when the device is 100 ppm fast."""
    (first, _, third) = chirps(recorded(0, ppm=100), COUNT)
    assert third - first == pytest.approx(-200_000, abs=30_000)


def test_a_recording_without_chirps_breaks_the_ruler() -> None:
    with pytest.raises(RulerBroken, match="0 chirps"):
        check_ruler(recorded(0, silence(len(AIRED))), COUNT)


def test_a_search_that_sticks_to_a_place_breaks_the_ruler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.latency.find", lambda *_: Match(100, 1.0))
    with pytest.raises(RulerBroken, match="37 ms"):
        check_ruler(recorded(100), COUNT)


def test_a_sidecar_is_read_from_beside_the_recording(tmp_path: Path) -> None:
    wav = tmp_path / "speaker.wav"
    with pytest.raises(FileNotFoundError):
        Recording.open(wav)
    sidecar = {"monotonic_ns": START_NS, "ppm": 50.0, "sample_rate_hz": 48_000}
    Path(f"{wav}.json").write_text(json.dumps(sidecar))
    recording = Recording.open(wav)
    assert recording.out_ns(0) == START_NS
    assert recording.out_ns(48_000) == pytest.approx(START_NS + 999_950_002, abs=2)
    assert recording.sample_at(START_NS + 500_000_000) == 24_000
