"""Tests of ingest.standby: there and back without a click."""

from __future__ import annotations

from threading import Event

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.standby import CROSSFADE_SAMPLES, Standby
from streamer.media.frame import Pcm, silence
from streamer.media.source import PcmSource, Source, SourceFailed

FRAME = 960
STATION = np.full(FRAME, 0.5, dtype=np.float32)


def fallback() -> Source:
    return PcmSource(np.full(10 * FRAME, -0.25, dtype=np.float32))


def opened(standby: Standby) -> None:
    """Ask for it until it is open."""
    while standby._source is None:
        standby.over(silence(0), is_wanted=True)
        if standby._opening is not None:
            standby._opening.wait(5.0)


def over(standby: Standby, frames: int, *, is_wanted: bool) -> Pcm:
    return np.concatenate(
        [standby.over(STATION, is_wanted=is_wanted) for _ in range(frames)]
    )


def test_a_station_that_is_up_is_not_touched_and_nothing_is_opened() -> None:
    standby = Standby(fallback, "x")
    assert standby.over(STATION, is_wanted=False) is STATION
    assert standby._opening is None


def test_the_way_there_and_back_is_a_straight_fade() -> None:
    standby = Standby(fallback, "x")
    opened(standby)
    there = over(standby, 8, is_wanted=True)
    back = over(standby, 8, is_wanted=False)
    fade = 0.5 - 0.75 * np.arange(CROSSFADE_SAMPLES) / CROSSFADE_SAMPLES
    np.testing.assert_allclose(there[:CROSSFADE_SAMPLES], fade, atol=1e-6)
    np.testing.assert_allclose(there[CROSSFADE_SAMPLES:], -0.25, atol=1e-6)
    np.testing.assert_allclose(back[1 : CROSSFADE_SAMPLES + 1], fade[::-1], atol=1e-6)
    np.testing.assert_allclose(back[CROSSFADE_SAMPLES + 1 :], 0.5, atol=1e-6)
    assert standby._source is None
    assert standby.heard_samples >= 13 * FRAME


@given(wishes=st.lists(st.booleans(), max_size=40))
@settings(max_examples=30, deadline=None)
def test_law_nothing_ever_jumps(wishes: list[bool]) -> None:
    standby = Standby(fallback, "x")
    opened(standby)
    heard = [STATION[:1]]
    for is_wanted in wishes:
        if is_wanted:
            opened(standby)
        heard.append(standby.over(STATION, is_wanted=is_wanted))
    standby.close()
    steps = np.abs(np.diff(np.concatenate(heard)))
    assert steps.max(initial=0.0) <= 0.75 / CROSSFADE_SAMPLES + 1e-6


def test_a_fallback_shorter_than_the_outage_is_repeated() -> None:
    standby = Standby(fallback, "x")
    opened(standby)
    heard = over(standby, 5, is_wanted=True)
    assert heard[-1] < 0
    source = standby._source
    assert source is not None
    source._patience_s = 5.0  # type: ignore[attr-defined]
    assert (over(standby, 40, is_wanted=True) < 0).all()
    standby.close()


def test_a_fallback_that_cannot_be_opened_is_given_up() -> None:
    tried = Event()

    def broken() -> Source:
        tried.wait(5.0)
        raise SourceFailed("no such file")

    standby = Standby(broken, "x")
    assert standby.exists
    standby.over(STATION, is_wanted=True)
    assert standby._opening is not None
    tried.set()
    standby._opening.wait(5.0)
    assert (standby.over(STATION, is_wanted=True) == STATION).all()
    assert not standby.exists


def test_a_fallback_without_a_sample_is_given_up() -> None:
    standby = Standby(lambda: PcmSource(silence(0)), "x")
    opened(standby)
    source = standby._source
    assert source is not None
    source._patience_s = 5.0  # type: ignore[attr-defined]
    over(standby, 6 * 50, is_wanted=True)
    assert not standby.exists
    assert standby.over(STATION, is_wanted=True) is STATION
