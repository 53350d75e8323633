"""Tests of ingest.relaywatch: when a station counts as down, and as back."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ingest.relaywatch import Backoff, RelayState, RelayWatch, WatchSettings

STARTING, UP, STARVED, SILENT = RelayState
FRAME = 960
LOUD, QUIET = -10.0, -80.0
SETTINGS = WatchSettings(
    starved_after_samples=3 * FRAME,
    silent_after_samples=10 * FRAME,
    back_after_samples=4 * FRAME,
)

# One letter is one frame: sound, quiet, nothing.
STEPS = {"s": (0, LOUD), "q": (0, QUIET), "-": (FRAME, -120.0)}


def states(story: str, settings: WatchSettings = SETTINGS) -> list[RelayState]:
    watch = RelayWatch(settings)
    return [watch.step(FRAME, *STEPS[letter]) for letter in story]


def test_a_station_is_heard_from_its_first_frame() -> None:
    assert states("--s") == [STARTING, STARTING, UP]


def test_one_that_never_sends_is_down_after_a_while() -> None:
    assert states("---") == [STARTING, STARTING, STARVED]


def test_a_short_gap_changes_nothing() -> None:
    assert set(states("ss--s--s-s")) == {UP}


def test_a_starved_one_is_back_after_sound_without_a_break() -> None:
    assert states("s---" + "sss-" + "ssss")[3:] == [STARVED] * 8 + [UP]


def test_sound_may_pause_on_the_way_back() -> None:
    assert states("s---" + "sqqq")[-2:] == [STARVED, UP]


def test_silence_alone_brings_nobody_back() -> None:
    assert set(states("s---" + "q" * 6)[3:]) == {STARVED}


def test_a_silent_one_is_down_after_a_while_and_back_with_sound() -> None:
    story = states("s" + "q" * 10 + "ssss")
    assert story == [UP] * 10 + [SILENT] * 4 + [UP]


def test_silence_can_be_part_of_the_programme() -> None:
    settings = WatchSettings(silent_after_samples=None)
    assert set(states("s" + "q" * 5_000, settings)) == {UP}


@given(st.text("sq-", max_size=60))
def test_law_down_has_its_reason_and_up_too(story: str) -> None:
    seen = states(story)
    for end, state in enumerate(seen, start=1):
        told = story[:end]
        if state is STARVED and (end == 1 or seen[end - 2] is not STARVED):
            assert told.endswith("---")
        if state is SILENT and (end == 1 or seen[end - 2] is not SILENT):
            assert not set(told[-10:]) & {"s"}
        if state is UP and end > 1 and seen[end - 2].is_down:
            assert "-" not in told[-4:]
            assert "s" in told[-5:]
        if told.endswith("---"):
            assert state is STARVED
        if told.endswith("ssss"):
            assert state is UP


@given(story=st.text("s-", max_size=60))
def test_law_the_time_it_is_down_is_counted(story: str) -> None:
    watch = RelayWatch(SETTINGS)
    down = 0
    for letter in story:
        down = down + FRAME if watch.step(FRAME, *STEPS[letter]).is_down else 0
        assert watch.down_samples == down


@given(seed=st.integers(), failures=st.integers(1, 60))
def test_law_waits_double_up_to_the_most_and_begin_anew(
    seed: int, failures: int
) -> None:
    backoff = Backoff(0.5, 15.0, random.Random(seed))
    for number in range(failures):
        least = min(0.5 * 2**number, 15.0)
        assert least <= backoff.next_s() <= 1.5 * least
    backoff.reset()
    assert backoff.next_s() <= 0.75
