"""Tests of bench.verdict: everything that can be wrong is complained about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.heard import Airing, Stretch
from bench.verdict import Part, complaints
from streamer.media.frame import SAMPLE_RATE_HZ

S = SAMPLE_RATE_HZ
EXPECTED = [Part("music"), Part("siren", 5), Part("music")]
TUNE = Airing("music", 2 * S)
HEARD = [
    Stretch(TUNE, 2 * S, 8 * S),
    Stretch(Airing("siren", 8 * S), 8 * S, 13 * S),
    Stretch(TUNE, 13 * S, 16 * S),
]


def test_what_should_be_heard_leaves_nothing_to_complain() -> None:
    assert complaints(HEARD, EXPECTED) == []


@pytest.mark.parametrize(
    ("place", "instead", "complaint"),
    [
        (1, replace(HEARD[1], start_sample=round(8.4 * S)), "siren lacks its first"),
        (1, replace(HEARD[1], end_sample=11 * S), "3.0 s of siren instead of 5.0"),
        (1, replace(HEARD[1], end_sample=15 * S), "7.0 s of siren instead of 5.0"),
        (2, replace(HEARD[2], end_sample=round(13.5 * S)), "only a scrap of music"),
        (2, replace(HEARD[2], airing=Airing("music", 7 * S)), "5000 ms behind"),
        (1, replace(HEARD[1], airing=Airing("bulletin", 8 * S)), "heard music, bull"),
    ],
)
def test_what_is_wrong_is_named(place: int, instead: Stretch, complaint: str) -> None:
    heard = [*HEARD[:place], instead, *HEARD[place + 1 :]]
    (only,) = complaints(heard, EXPECTED)
    assert complaint in only


def test_silence_and_half_a_show_are_complained_about() -> None:
    assert complaints([], EXPECTED) == ["heard nothing"]
    assert complaints(HEARD[:2], EXPECTED) == ["heard music, siren"]
