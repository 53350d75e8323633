"""Tests of the kill switch: silenced zones hear nothing, whatever its class."""

from __future__ import annotations

import pytest

from streamer.air.arbiter import Arbiter
from streamer.air.difference import SILENCE_REACH_NS, AirSwitch
from streamer.air.priority import Comeback
from streamer.air.silence import EVERYWHERE
from streamer.air.zones import UnknownZoneError, ZoneTree
from tests.streamer.air.rig import (
    EMERGENCY,
    NORMAL,
    ZONES,
    Air,
    ordered,
    programme,
    told,
    zone,
)


@pytest.fixture
def air() -> Air:
    return Air()


def test_it_cuts_an_emergency_and_reaches_back_to_what_listeners_hold(
    air: Air,
) -> None:
    air.add("storm", "p", EMERGENCY)
    step = air.arbiter.silence(["a"], at_ns=7)
    assert told(step) == ["storm preempted by silence: a a1"]
    assert step.switches == (AirSwitch(("a", "a1"), None, SILENCE_REACH_NS),)
    assert air.winners() == "storm - - storm"
    assert air.arbiter.silences == {"a"}


def test_who_was_cut_comes_back_when_it_is_lifted(air: Air) -> None:
    air.add("tape", "a", NORMAL, comeback=Comeback.RESUME, can_hold=True)
    assert ordered(air.arbiter.silence(["p"], at_ns=7)) == ["tape hold"]
    step = air.arbiter.lift(["p"], at_ns=8)
    assert told(step) == ["tape resumed: a a1"]
    assert step.switches == (AirSwitch(("a", "a1"), "tape"),)
    assert ordered(step) == ["tape go"]


def test_an_end_elsewhere_does_not_reach_back(air: Air) -> None:
    air.arbiter.silence(["a"], at_ns=1)
    air.add("news", "p")
    step = air.remove("news")
    assert step.switches == (AirSwitch(("p", "b"), None, 0),)


def test_nobody_is_heard_in_a_silenced_zone_until_it_is_lifted(air: Air) -> None:
    air.arbiter.silence(["a"], at_ns=1)
    step = air.add("storm", "p", EMERGENCY)
    assert told(step) == ["storm started: p b"]
    assert told(air.arbiter.lift(["a"], at_ns=9)) == ["storm started: a a1"]


def test_a_zone_stays_silent_below_one_that_is_silenced_itself(air: Air) -> None:
    air.add("news", "p")
    air.arbiter.silence(["p"], at_ns=1)
    air.arbiter.silence(["a"], at_ns=2)
    assert told(air.arbiter.lift(["a", "b"], at_ns=3)) == []
    air.arbiter.silence(["a"], at_ns=4)
    air.arbiter.lift(["p"], at_ns=5)
    assert air.winners() == "news - - news"


def test_silencing_twice_is_silencing_once(air: Air) -> None:
    air.add("news", "a")
    air.arbiter.silence(["a"], at_ns=1)
    step = air.arbiter.silence(["a", "a1"], at_ns=2)
    assert (step.events, step.switches, step.orders) == ((), (), ())


def test_a_zone_that_is_not_there_cannot_be_silenced(air: Air) -> None:
    with pytest.raises(UnknownZoneError, match="'ha-noi'"):
        air.arbiter.silence(["a", "ha-noi"], at_ns=1)
    assert air.arbiter.silences == frozenset()


def test_it_outlives_a_restart_and_the_zone_itself() -> None:
    air = Air("b", "gone")
    air.add("news", "p")
    assert air.winners() == "news news news -"
    tree = ZoneTree([*ZONES, zone("gone", "a")])
    step = air.arbiter.replace_tree(tree, at_ns=5)
    assert told(step) == []
    assert told(air.arbiter.lift(["gone"], at_ns=6)) == ["news started: gone"]


def test_a_zone_moved_below_a_silenced_one_falls_silent_at_once(air: Air) -> None:
    air.add("news", "p")
    air.arbiter.silence(["b"], at_ns=1)
    moved = [each for each in ZONES if each.id != "a1"] + [zone("a1", "b")]
    step = air.arbiter.replace_tree(ZoneTree(moved), at_ns=2)
    assert told(step) == ["news preempted by silence: a1"]
    assert step.switches == (AirSwitch(("a1",), None, SILENCE_REACH_NS),)


class TestEverything:
    """The silence of all zones, also of those to come."""

    def test_a_root_that_comes_later_is_silent_also_after_a_restart(self) -> None:
        for air in (Air(), Air(EVERYWHERE)):
            air.arbiter.silence([EVERYWHERE], at_ns=1)
            tree = ZoneTree([*ZONES, zone("q"), zone("q1", "q")])
            air.arbiter.replace_tree(tree, at_ns=2)
            assert told(air.add("storm", "q p", EMERGENCY)) == []
            step = air.arbiter.lift([EVERYWHERE], at_ns=9)
            assert told(step) == ["storm started: p a a1 b q q1"]

    def test_it_is_lifted_by_its_own_name_only(self, air: Air) -> None:
        air.add("news", "p")
        air.arbiter.silence(["b", EVERYWHERE], at_ns=2)
        air.arbiter.lift(["p", "b"], at_ns=3)
        assert air.winners() == "- - - -"
        air.arbiter.silence(["b"], at_ns=4)
        air.arbiter.lift([EVERYWHERE], at_ns=5)
        assert air.winners() == "news news news -"

    def test_it_holds_where_there_is_no_zone_yet(self) -> None:
        arbiter = Arbiter(ZoneTree())
        arbiter.silence([EVERYWHERE], at_ns=1)
        arbiter.replace_tree(ZoneTree([zone("p")]), at_ns=2)
        arbiter.add(programme("storm", "p", 3, EMERGENCY), at_ns=3)
        assert arbiter.assignment.winners() == {}
