"""Tests of what becomes of the interrupted: each way back, told as a short story."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.air.conduct import MOTIONS, Motion, Turn
from streamer.air.priority import Comeback
from streamer.air.zones import ZoneTree
from tests.streamer.air.rig import (
    EMERGENCY,
    NORMAL,
    PRIORITY,
    ZONES,
    Air,
    ordered,
    told,
)

FILE: dict[str, Any] = {"can_hold": True}


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.mark.parametrize("comeback", list(Comeback))
def test_a_microphone_runs_from_the_start_and_never_stands_still(
    air: Air, comeback: Comeback
) -> None:
    air.add("storm", "p", EMERGENCY)
    assert ordered(air.add("voice", "a", comeback=comeback)) == ["voice go"]
    step = air.remove("storm")
    assert told(step) == ["storm ended: p a a1 b", "voice started: a a1"]
    assert ordered(step) == []


@pytest.mark.parametrize(
    "comeback", [each for each in Comeback if each is not Comeback.REJOIN]
)
def test_a_waiting_file_begins_when_its_first_zone_hears_it(
    air: Air, comeback: Comeback
) -> None:
    air.add("storm", "p", EMERGENCY)
    assert ordered(air.add("tape", "a b", comeback=comeback, **FILE)) == []
    assert ordered(air.remove("storm")) == ["tape go"]


def test_rejoin_a_file_runs_on_unheard(air: Air) -> None:
    assert ordered(air.add("tape", "a", **FILE)) == ["tape go"]
    assert ordered(air.add("storm", "p", EMERGENCY)) == ["storm go"]
    assert ordered(air.remove("storm")) == []


def test_replay_a_file_runs_on_unheard_once_it_has_begun(air: Air) -> None:
    assert ordered(air.add("tape", "a", comeback=Comeback.REPLAY, **FILE)) == [
        "tape go"
    ]
    assert ordered(air.add("storm", "p", EMERGENCY)) == ["storm go"]
    assert ordered(air.remove("storm")) == []


@pytest.mark.parametrize(
    ("comeback", "order"),
    [(Comeback.RESUME, "tape go"), (Comeback.RESTART, "tape go again")],
)
def test_a_file_stands_still_only_when_it_has_lost_all_its_zones(
    air: Air, comeback: Comeback, order: str
) -> None:
    air.add("tape", "a b", comeback=comeback, **FILE)
    assert ordered(air.add("flood", "a", EMERGENCY)) == ["flood go"]
    assert ordered(air.add("storm", "b", EMERGENCY)) == ["tape hold", "storm go"]
    assert ordered(air.remove("flood")) == [order]
    step = air.remove("storm")
    assert (told(step)[-1], ordered(step)) == ("tape resumed: b", [])


def test_nested_interruptions_unwind_in_order_and_the_held_stay_held(
    air: Air,
) -> None:
    air.add("tape", "a", NORMAL, comeback=Comeback.RESUME, **FILE)
    step = air.add("meeting", "a", PRIORITY, comeback=Comeback.RESUME, **FILE)
    assert ordered(step) == ["tape hold", "meeting go"]
    assert ordered(air.add("storm", "p", EMERGENCY)) == ["meeting hold", "storm go"]
    assert ordered(air.remove("storm")) == ["meeting go"]
    assert air.arbiter.conducts["tape"].motion is Motion.HELD
    assert ordered(air.remove("meeting")) == ["tape go"]


class TestDrop:
    """It leaves for good the zones that it loses."""

    def test_it_ends_zone_by_zone_and_then_altogether(self, air: Air) -> None:
        air.add("voice", "a b", comeback=Comeback.DROP)
        step = air.add("flood", "a", EMERGENCY)
        assert told(step) == [
            "voice ended by flood (dropped): a a1",
            "flood started: a a1",
        ]
        step = air.remove("flood")
        assert told(step) == ["flood ended: a a1"]
        assert air.winners() == "- - - voice"
        step = air.add("storm", "p", EMERGENCY)
        assert told(step)[0] == "voice ended by storm (dropped): b"
        assert ordered(step) == ["voice end (dropped)", "storm go"]
        assert "voice" not in air.arbiter.programmes

    def test_a_zone_where_it_still_waits_keeps_it_and_hears_its_beginning(
        self, air: Air
    ) -> None:
        air.add("news", "b")
        air.add("tape", "a b", comeback=Comeback.DROP, **FILE)
        step = air.add("flood", "a", EMERGENCY)
        assert ordered(step) == ["tape hold", "flood go"]
        assert ordered(air.remove("news")) == ["tape go again"]
        assert air.winners() == "- flood flood tape"

    def test_a_silence_drops_it_too(self, air: Air) -> None:
        air.add("voice", "a", comeback=Comeback.DROP)
        step = air.arbiter.silence(["a"], at_ns=9)
        assert told(step) == ["voice ended (dropped): a a1"]
        assert ordered(step) == ["voice end (dropped)"]

    def test_what_was_heard_for_no_time_was_not_lost(self, air: Air) -> None:
        air.add("voice", "a", comeback=Comeback.DROP, at_ns=5)
        step = air.add("storm", "p", EMERGENCY, at_ns=5)
        assert told(step)[0] == "voice preempted by storm: a a1"
        assert told(air.remove("storm"))[-1] == "voice resumed: a a1"

    def test_a_dropped_zone_stays_dropped_when_the_tree_changes(self, air: Air) -> None:
        air.add("voice", "a b", comeback=Comeback.DROP)
        air.add("flood", "b", EMERGENCY)
        air.remove("flood")
        without = ZoneTree(each for each in ZONES if each.id != "a1")
        step = air.arbiter.replace_tree(without, at_ns=9)
        assert told(step) == ["voice ended: a1"]
        assert air.arbiter.assignment.heard_zone_ids("voice") == ("a",)


class TestSkipIfLater:
    """Nobody wants yesterday's news."""

    def test_one_that_waited_too_long_is_over(self, air: Air) -> None:
        air.add("storm", "p", EMERGENCY, at_ns=0)
        air.add("tape", "a", at_ns=100, skip_after_ns=50)
        assert air.arbiter.next_deadline_ns == 151
        assert ordered(air.arbiter.expire(150)) == []
        step = air.arbiter.expire(151)
        assert (told(step), ordered(step)) == ([], ["tape end (skipped)"])
        assert air.arbiter.next_deadline_ns is None
        assert list(air.arbiter.programmes) == ["storm"]

    def test_one_that_was_interrupted_too_long_ends_where_it_was_heard(
        self, air: Air
    ) -> None:
        air.add("tape", "a", at_ns=0, skip_after_ns=50)
        assert air.arbiter.next_deadline_ns is None
        air.add("storm", "p", EMERGENCY, at_ns=100)
        step = air.arbiter.expire(200)
        assert told(step) == ["tape ended (skipped): a a1"]
        assert ordered(step) == ["tape end (skipped)"]

    def test_just_in_time_is_not_too_late(self, air: Air) -> None:
        air.add("storm", "p", EMERGENCY, at_ns=0)
        air.add("tape", "a", at_ns=100, skip_after_ns=50)
        assert told(air.remove("storm", at_ns=150))[-1] == "tape started: a a1"

    def test_it_is_skipped_though_nobody_asked_in_time(self, air: Air) -> None:
        """A timer that is late must not let it be heard."""
        air.add("storm", "p", EMERGENCY, at_ns=0)
        air.add("tape", "a", at_ns=100, skip_after_ns=50)
        step = air.remove("storm", at_ns=151)
        assert told(step) == ["storm ended: p a a1 b"]
        assert ordered(step) == ["tape end (skipped)"]

    def test_heard_anywhere_is_not_late(self, air: Air) -> None:
        air.add("tape", "a b", at_ns=0, skip_after_ns=50)
        air.add("flood", "a", EMERGENCY, at_ns=10)
        assert air.arbiter.next_deadline_ns is None
        assert ordered(air.arbiter.expire(10_000)) == []

    def test_its_owner_may_stop_it_at_the_instant_it_is_too_late(
        self, air: Air
    ) -> None:
        air.add("storm", "p", EMERGENCY, at_ns=0)
        air.add("tape", "a", at_ns=100, skip_after_ns=50)
        assert ordered(air.remove("tape", at_ns=9_999)) == []


class TestWithinOneInstant:
    """What was heard for no time at all was not heard."""

    def test_a_source_that_began_for_nothing_waits_again(self, air: Air) -> None:
        air.add("storm", "p", EMERGENCY, at_ns=0)
        air.add("tape", "a", comeback=Comeback.REPLAY, at_ns=10, **FILE)
        assert ordered(air.remove("storm", at_ns=40)) == ["tape go"]
        step = air.add("flood", "a", EMERGENCY, at_ns=40)
        assert ordered(step) == ["tape hold", "flood go"]
        assert ordered(air.remove("flood", at_ns=90)) == ["tape go"]
        step = air.add("dyke", "a", EMERGENCY, at_ns=99)
        assert ordered(step) == ["dyke go"], "once begun it runs on"

    def test_lateness_goes_on(self, air: Air) -> None:
        air.add("storm", "p", EMERGENCY, at_ns=0)
        air.add("tape", "a", at_ns=10, skip_after_ns=50)
        air.remove("storm", at_ns=40)
        assert air.arbiter.next_deadline_ns is None
        air.add("flood", "a", EMERGENCY, at_ns=40)
        assert air.arbiter.next_deadline_ns == 61
        air.remove("flood", at_ns=50)
        air.add("dyke", "a", EMERGENCY, at_ns=55)
        assert air.arbiter.next_deadline_ns == 106


def test_one_whose_zones_are_deleted_stands_still_until_they_come_back(
    air: Air,
) -> None:
    air.add("tape", "b", comeback=Comeback.RESUME, **FILE)
    step = air.arbiter.replace_tree(ZoneTree(ZONES[:3]), at_ns=8)
    assert (told(step), ordered(step)) == (["tape ended: b"], ["tape hold"])
    step = air.arbiter.replace_tree(ZoneTree(ZONES), at_ns=9)
    assert (told(step), ordered(step)) == (["tape started: b"], ["tape go"])


def test_exact_means_the_named_zones_alone(air: Air) -> None:
    air.add("part", "a b", exact=True)
    assert air.winners() == "- part - part"


def test_every_motion_can_be_reached_and_left() -> None:
    assert {move.motion for move in MOTIONS.values()} | {Motion.WAITING} == set(Motion)
    assert {motion for motion, _ in MOTIONS} == set(Motion)
    assert {turn for _, turn in MOTIONS} == set(Turn)
