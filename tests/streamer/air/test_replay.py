"""Tests of streamer.air.replay: who missed what of a broadcast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.air.difference import AirEvent
from streamer.air.priority import Comeback
from streamer.air.replay import MissedPart, missed_parts, stretches
from tests.streamer.air.rig import EMERGENCY, ZONES, Air

ALL = [each.id for each in ZONES]


def test_zones_that_missed_the_same_part_are_one_part() -> None:
    air = Air()
    events: list[AirEvent] = []
    for step in (
        air.add("voice", "p", at_ns=0, comeback=Comeback.REPLAY),
        air.add("flood", "a", EMERGENCY, at_ns=30),
        air.remove("flood", at_ns=60),
        air.remove("voice", at_ns=100),
    ):
        events += step.events
    heard = stretches(events, "voice", until_ns=100)
    assert heard["a1"] == [(0, 30), (60, 100)]
    assert heard["b"] == [(0, 100)]
    parts = missed_parts(ALL, heard, (0, 100))
    assert parts == (MissedPart(("a", "a1"), 30, 60),)


def test_a_part_reaches_only_those_who_missed_it() -> None:
    """The commune's square missed it, the village below did not."""
    air = Air()
    air.add("replay", "a", exact=True)
    assert air.winners() == "- replay - -"


def test_one_that_waited_missed_the_beginning_and_one_cut_off_the_end() -> None:
    heard = {"a": [(40, 100)], "b": [(0, 70)]}
    assert missed_parts(["a", "b", "a1"], heard, (0, 100)) == (
        MissedPart(("a",), 0, 40),
        MissedPart(("a1",), 0, 100),
        MissedPart(("b",), 70, 100),
    )


def test_a_little_is_not_worth_a_replay() -> None:
    heard = {"a": [(10, 100)], "b": [(11, 100)]}
    assert missed_parts(["a", "b"], heard, (0, 100)) == (MissedPart(("b",), 0, 11),)
    assert missed_parts(["a", "b"], heard, (0, 100), replay_share=0.2) == ()


def test_what_is_heard_still_is_heard_until_the_end() -> None:
    air = Air()
    step = air.add("voice", "b", at_ns=5)
    assert stretches(step.events, "voice", until_ns=50) == {"b": [(5, 50)]}


@given(
    st.lists(st.integers(-10, 110), max_size=8, unique=True),
    st.integers(0, 50),
    st.integers(1, 60),
)
def test_law_heard_and_missed_together_are_the_whole(
    instants: list[int], from_ns: int, length_ns: int
) -> None:
    instants.sort()
    heard = list(zip(instants[::2], instants[1::2], strict=False))
    whole = from_ns, from_ns + length_ns
    parts = missed_parts(["z"], {"z": heard}, whole, replay_share=0.0)
    for instant in range(*whole):
        inside = any(start <= instant < end for start, end in heard)
        missed = [part for part in parts if part.from_ns <= instant < part.to_ns]
        assert len(missed) == (0 if inside else 1)
