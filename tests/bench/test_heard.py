"""Tests of bench.heard: what was played is read off its sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.heard import stretches
from ingest.tone import Pattern, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

S = SAMPLE_RATE_HZ
PATTERNS = (Pattern.MUSIC, Pattern.BULLETIN, Pattern.SIREN)
REFERENCES: dict[str, Pcm] = {name: render(name, 0, 20 * S) for name in PATTERNS}


def play(*parts: tuple[str | None, float, float]) -> Pcm:
    """Return (pattern, from second, seconds) one after the other; None is silence."""
    return np.concatenate(
        [
            silence(round(seconds * S))
            if pattern is None
            else render(pattern, round(start * S), round(seconds * S))
            for pattern, start, seconds in parts
        ]
    )


def heard(recording: Pcm) -> list[tuple[str, float, float]]:
    """Return (pattern, start, end) in seconds of what was heard."""
    return [
        (s.airing.pattern, s.start_sample / S, s.end_sample / S)
        for s in stretches(recording, REFERENCES)
    ]


def test_an_emergency_between_two_parts_of_a_tune_is_told_with_its_times() -> None:
    """The tune goes on live: its second part is where it would be by then."""
    recording = play(
        (None, 0, 1.25),
        (Pattern.MUSIC, 0, 4),
        (Pattern.SIREN, 0, 3),
        (Pattern.MUSIC, 7, 3),
        (None, 0, 1),
    )
    found = heard(recording)
    assert [pattern for pattern, _, _ in found] == ["music", "siren", "music"]
    for (_, start, end), expected in zip(
        found, [(1.25, 5.25), (5.25, 8.25), (8.25, 11.25)], strict=True
    ):
        assert (start, end) == pytest.approx(expected, abs=0.15)
    before, _, after = stretches(recording, REFERENCES)
    assert before.airing.shift_samples == after.airing.shift_samples == 1.25 * S


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0, 3))
def test_law_a_tune_is_one_stretch_wherever_it_begins_and_ends(
    silent_s: float, from_s: float
) -> None:
    """At its edges no other place of the tune is made out."""
    tune = (Pattern.MUSIC, from_s, 3 + silent_s)
    (only,) = heard(play((None, 0, silent_s), tune, (None, 0, 1)))
    assert only == (
        "music",
        *(pytest.approx(s, abs=0.15) for s in (silent_s, 2 * silent_s + 3)),
    )


def test_a_bulletin_with_its_pauses_is_one_stretch() -> None:
    (pattern, start, end), *more = heard(play((Pattern.BULLETIN, 0, 10), (None, 0, 2)))
    assert (pattern, more) == ("bulletin", [])
    assert (start, end) == pytest.approx((0, 10), abs=0.5)


def test_a_tune_that_jumps_is_two_stretches() -> None:
    recording = play((Pattern.MUSIC, 0, 3), (Pattern.MUSIC, 3.05, 3))
    assert len(heard(recording)) == 2


def test_noise_and_silence_are_nothing() -> None:
    noise = np.random.default_rng(5).standard_normal(4 * S) * 0.1
    assert heard(noise.astype(np.float32)) == []
    assert heard(silence(4 * S)) == []


def test_it_is_told_at_a_hundredth_of_the_loudness_and_under_noise() -> None:
    recording = 0.05 * play((Pattern.SIREN, 2, 4))
    noise = np.random.default_rng(6).standard_normal(len(recording)) * 1e-3
    found = heard((recording + noise).astype(np.float32))
    assert [pattern for pattern, _, _ in found] == ["siren"]
