"""Tests of bench.correlate: a ruler is checked against known lengths first."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.correlate import find, find_all, read_wav
from ingest.tone import Pattern, render
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.opus import OpusDecoder, OpusEncoder

SECOND = SAMPLE_RATE_HZ
REFERENCES = {pattern: render(pattern, 0, SECOND) for pattern in Pattern}


def through_opus(pcm: Pcm) -> Pcm:
    """Return *pcm* encoded and decoded, its encoder's lookahead taken off again."""
    frames = np.append(pcm, silence(2 * FRAME_SAMPLES))
    whole = len(frames) // FRAME_SAMPLES * FRAME_SAMPLES
    with OpusEncoder() as encoder, OpusDecoder() as decoder:
        heard = np.concatenate(
            [
                decoder.decode(encoder.encode(frames[k : k + FRAME_SAMPLES]))
                for k in range(0, whole, FRAME_SAMPLES)
            ]
        )
        return heard[encoder.lookahead_samples :][: len(pcm)]


@settings(max_examples=15, deadline=None)
@given(
    pattern=st.sampled_from(Pattern),
    offset=st.integers(0, SECOND),
    gain=st.floats(0.05, 3.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_law_a_known_delay_is_found_to_the_sample_at_any_loudness(
    pattern: Pattern, offset: int, gain: float, seed: int
) -> None:
    reference = REFERENCES[pattern]
    noise = np.random.default_rng(seed).standard_normal(3 * SECOND) * 0.002
    recording = noise.astype(np.float32)
    recording[offset : offset + len(reference)] += gain * reference
    match = find(reference, recording)
    assert match.offset_samples == offset
    assert match.score > 0.8


@pytest.mark.parametrize("pattern", Pattern)
def test_sound_is_recognised_through_opus_within_a_tenth_of_a_millisecond(
    pattern: Pattern,
) -> None:
    delay = round(0.037 * SECOND)
    heard = through_opus(np.append(silence(delay), render(pattern, 0, 2 * SECOND)))
    match = find(REFERENCES[pattern], heard)
    assert abs(match.offset_samples - delay) <= 5
    assert match.score > 0.8


@pytest.mark.parametrize("pattern", Pattern)
def test_noise_and_other_patterns_match_nothing(pattern: Pattern) -> None:
    noise = np.random.default_rng(1).standard_normal(4 * SECOND).astype(np.float32)
    others = [render(other, 0, 4 * SECOND) for other in Pattern if other != pattern]
    scores = [find(REFERENCES[pattern], other).score for other in (noise, *others)]
    assert max(scores) < 0.5


def test_silence_matches_nothing_not_even_silence() -> None:
    silent = silence(2 * SECOND)
    assert find(REFERENCES[Pattern.MUSIC], silent).score == 0
    assert find(silence(SECOND), silent).score == 0


def test_every_occurrence_is_found_in_order() -> None:
    chirp = render(Pattern.CHIRPS, 0, SECOND // 2)
    recording = silence(5 * SECOND)
    for place in (30_000, 100_000, 190_000):
        recording[place : place + len(chirp)] += chirp
    found = find_all(chirp, recording, threshold=0.9)
    assert [match.offset_samples for match in found] == [30_000, 100_000, 190_000]


def test_a_recording_shorter_than_the_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot find 960 in 959"):
        find(silence(960), silence(959))


def test_a_wav_file_that_is_still_written_is_read_to_its_end(tmp_path: Path) -> None:
    path, pcm = tmp_path / "growing.wav", REFERENCES[Pattern.MUSIC]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(b"")
    with path.open("ab") as grown:  # the header still says: nothing
        grown.write((pcm * 32_767).astype("<i2").tobytes() + b"\x01")
    assert len(read_wav(path)) == len(pcm)
    part = read_wav(path, start=1000, samples=500)
    assert np.allclose(part, pcm[1000:1500], atol=1e-4)


def test_a_stereo_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
    with pytest.raises(ValueError, match="channels"):
        read_wav(path)
