"""Tests of bench.lag: delays put in must come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.lag import Sent, lags
from bench.recording import Recording
from bench.track import speech
from clients.speaker.device import WavSink
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

MS = SAMPLE_RATE_HZ // 1000
START_NS = 5_000_000_000
SECONDS = 6


def recorded(path: Path, pcm: Pcm) -> Recording:
    sink = WavSink(path)
    sink.open(START_NS, 0.0)
    sink.write(pcm)
    sink.close()
    return Recording.open(path)


@pytest.mark.parametrize("delay_ms", [0, 83, 1000, 2400])
def test_a_delay_put_in_comes_out(delay_ms: int, tmp_path: Path) -> None:
    track = speech(SECONDS).pcm
    tape = recorded(tmp_path / "w", np.concatenate((silence(delay_ms * MS), track)))
    end_ns = START_NS + (SECONDS * 1000 + delay_ms) * 1_000_000
    begin_ns = START_NS + delay_ms * 1_000_000
    found = lags(Sent(track, START_NS), tape, begin_ns, end_ns)
    assert len(found) >= 9
    assert {round(lag.lag_ns / 1e6, 1) for lag in found} == {float(delay_ms)}


def test_a_delay_that_changes_is_followed(tmp_path: Path) -> None:
    track = speech(SECONDS).pcm
    middle = len(track) // 2
    parts = (track[:middle], silence(40 * MS), track[middle:])
    tape = recorded(tmp_path / "w", np.concatenate(parts))
    found = lags(Sent(track, START_NS), tape, START_NS, START_NS + 6_040_000_000)
    early = [lag.lag_ns for lag in found if lag.out_ns < START_NS + 2_500_000_000]
    late = [lag.lag_ns for lag in found if lag.out_ns > START_NS + 3_100_000_000]
    assert {round(each / 1e6) for each in early} == {0}
    assert {round(each / 1e6) for each in late} == {40}


def test_silence_and_another_voice_have_no_delay(tmp_path: Path) -> None:
    track = speech(SECONDS).pcm
    tape = recorded(tmp_path / "w", np.concatenate((silence(96_000), track[::-1])))
    assert lags(Sent(track, START_NS), tape, START_NS, START_NS + 8_000_000_000) == []
