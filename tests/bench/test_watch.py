"""Tests of bench.watch: what sounds now, and how late."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from bench.correlate import read_wav
from bench.recording import Recording
from bench.stage import Tone
from bench.watch import listen
from ingest.tone import Pattern, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

S = SAMPLE_RATE_HZ
START_NS = 5_000_000_000
MUSIC = Tone("1", Pattern.MUSIC, "", START_NS + 1_000_000_000)
SIREN = Tone("2", Pattern.SIREN, "", START_NS + 1_000_000_000)
DELAY_MS = 400


def written(path: Path, pcm: Pcm) -> Recording:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, S, 0, "NONE", ""))
        file.writeframes((pcm * 32_767).astype("<i2").tobytes())
    sidecar = {"monotonic_ns": START_NS, "ppm": 0.0, "sample_rate_hz": S}
    Path(f"{path}.json").write_text(json.dumps(sidecar))
    return Recording.open(path)


@pytest.mark.parametrize("late_ms", [0, 3, 37, -20])
def test_the_tone_that_sounds_is_told_with_its_latency(
    tmp_path: Path, late_ms: int
) -> None:
    silent_s = 1 + (DELAY_MS + late_ms) / 1000
    pcm = np.concatenate((silence(round(silent_s * S)), render("siren", 0, 4 * S)))
    recording = written(tmp_path / "x.wav", pcm)
    now_ns = recording.out_ns(len(pcm))
    ear = listen(recording, [MUSIC, SIREN], now_ns=now_ns, delay_ms=DELAY_MS)
    assert ear is not None
    assert ear.pattern == "siren"
    assert ear.mouth_to_ear_ms == pytest.approx(DELAY_MS + late_ms, abs=0.1)


def test_silence_and_what_is_not_on_air_are_nobody(tmp_path: Path) -> None:
    pcm = np.concatenate((silence(2 * S), render("bulletin", 0, 3 * S)))
    recording = written(tmp_path / "x.wav", pcm)
    for seconds in (1.9, 4.9):
        now_ns = START_NS + round(seconds * 1e9)
        tones = [MUSIC, SIREN]
        assert listen(recording, tones, now_ns=now_ns, delay_ms=DELAY_MS) is None


def test_a_recording_too_young_is_waited_for(tmp_path: Path) -> None:
    recording = written(tmp_path / "x.wav", silence(S // 2))
    assert len(read_wav(recording.path)) == S // 2
    assert listen(recording, [MUSIC], now_ns=START_NS + S, delay_ms=DELAY_MS) is None
