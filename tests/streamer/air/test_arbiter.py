"""Tests of streamer.air.arbiter, one behaviour each; the laws are in test_laws.py."""

from __future__ import annotations

import pytest

from streamer.air.arbiter import Arbiter
from streamer.air.conduct import AirOrder, OrderKind
from streamer.air.difference import AirEvent, AirEventKind, AirStep, AirSwitch
from streamer.air.errors import (
    AimlessProgrammeError,
    DuplicateProgrammeError,
    UnknownProgrammeError,
)
from streamer.air.priority import AirProgramme, Origin
from streamer.air.zones import UnknownZoneError, Zone, ZoneLevel, ZoneTree
from streamer.wire.control import ProgrammeClass

ENDED, PREEMPTED = AirEventKind.ENDED, AirEventKind.PREEMPTED
RESUMED, STARTED = AirEventKind.RESUMED, AirEventKind.STARTED


def zone(zone_id: str, parent_id: str | None = None) -> Zone:
    return Zone(zone_id, parent_id, zone_id, ZoneLevel.VILLAGE)


ZONES = (zone("p"), zone("a", "p"), zone("a1", "a"), zone("b", "p"))


def programme(
    name: str, zone_ids: str, order: int, kind: ProgrammeClass = ProgrammeClass.NORMAL
) -> AirProgramme:
    return AirProgramme(name, kind, Origin.COMMUNE, tuple(zone_ids.split()), order)


def normal(name: str, zone_ids: str, order: int) -> AirProgramme:
    return programme(name, zone_ids, order)


def emergency(name: str, zone_ids: str, order: int) -> AirProgramme:
    return programme(name, zone_ids, order, ProgrammeClass.EMERGENCY)


@pytest.fixture
def arbiter() -> Arbiter:
    return Arbiter(ZoneTree(ZONES))


def test_a_programme_is_heard_in_all_it_covers(arbiter: Arbiter) -> None:
    step = arbiter.add(normal("n", "a", 1), at_ns=7)
    heard = ("a", "a1")
    assert step == AirStep(
        7,
        (AirEvent(7, STARTED, "n", heard),),
        (AirSwitch(heard, "n"),),
        (AirOrder(7, OrderKind.GO, "n"),),
    )
    assert arbiter.assignment.winners() == {"a": "n", "a1": "n"}
    assert arbiter.assignment.winner("b") is None


def test_a_stronger_one_takes_only_its_own_zones(arbiter: Arbiter) -> None:
    arbiter.add(normal("n", "p", 1), at_ns=1)
    step = arbiter.add(emergency("e", "a", 2), at_ns=2)
    assert step.events == (
        AirEvent(2, PREEMPTED, "n", ("a", "a1"), by="e"),
        AirEvent(2, STARTED, "e", ("a", "a1")),
    )
    assert step.switches == (AirSwitch(("a", "a1"), "e"),)
    assert arbiter.assignment.heard_zone_ids("n") == ("p", "b")
    assert arbiter.assignment.covered_zone_ids("n") == ("p", "a", "a1", "b")
    assert arbiter.interrupted_zone_ids("n") == ("a", "a1")


def test_the_interrupted_one_resumes(arbiter: Arbiter) -> None:
    arbiter.add(normal("n", "p", 1), at_ns=1)
    arbiter.add(emergency("e", "a", 2), at_ns=2)
    step = arbiter.remove("e", at_ns=3)
    assert step.events == (
        AirEvent(3, ENDED, "e", ("a", "a1")),
        AirEvent(3, RESUMED, "n", ("a", "a1")),
    )
    assert step.switches == (AirSwitch(("a", "a1"), "n"),)
    assert arbiter.interrupted_zone_ids("n") == ()


def test_one_that_waited_starts_and_does_not_resume(arbiter: Arbiter) -> None:
    arbiter.add(normal("first", "a", 1), at_ns=1)
    step = arbiter.add(normal("second", "p", 2), at_ns=2)
    assert step.events == (AirEvent(2, STARTED, "second", ("p", "b")),)
    step = arbiter.remove("first", at_ns=3)
    assert step.events[1:] == (AirEvent(3, STARTED, "second", ("a", "a1")),)


def test_one_that_ends_while_interrupted_ends_without_a_switch(
    arbiter: Arbiter,
) -> None:
    arbiter.add(normal("n", "a", 1), at_ns=1)
    arbiter.add(emergency("e", "p", 2), at_ns=2)
    step = arbiter.remove("n", at_ns=3)
    assert step == AirStep(3, (AirEvent(3, ENDED, "n", ("a", "a1")),), ())


def test_one_that_was_never_heard_leaves_without_a_trace(arbiter: Arbiter) -> None:
    arbiter.add(normal("first", "p", 1), at_ns=1)
    step = arbiter.add(normal("second", "a", 2), at_ns=2)
    assert (step.events, step.switches) == ((), ())
    assert arbiter.remove("second", at_ns=3) == AirStep(3, (), ())


def test_the_last_to_end_leaves_silence(arbiter: Arbiter) -> None:
    arbiter.add(normal("n", "b", 1), at_ns=1)
    step = arbiter.remove("n", at_ns=2)
    assert step.switches == (AirSwitch(("b",), None),)
    assert arbiter.assignment.winners() == {}


def test_several_losers_are_told_apart_by_who_took_what(arbiter: Arbiter) -> None:
    arbiter.add(normal("n", "a", 1), at_ns=1)
    arbiter.add(normal("m", "b", 2), at_ns=2)
    step = arbiter.add(emergency("e", "p", 3), at_ns=3)
    assert step.events == (
        AirEvent(3, PREEMPTED, "n", ("a", "a1"), by="e"),
        AirEvent(3, PREEMPTED, "m", ("b",), by="e"),
        AirEvent(3, STARTED, "e", ("p", "a", "a1", "b")),
    )
    assert step.switches == (AirSwitch(("p", "a", "a1", "b"), "e"),)


class TestReplaceTree:
    """Zones come, go and move under what is on air."""

    def test_what_is_heard_in_a_deleted_zone_ends_there(self, arbiter: Arbiter) -> None:
        arbiter.add(normal("n", "a b", 1), at_ns=1)
        step = arbiter.replace_tree(ZoneTree(ZONES[:2] + ZONES[3:]), at_ns=2)
        assert step.events == (AirEvent(2, ENDED, "n", ("a1",)),)
        assert step.switches == (AirSwitch(("a1",), None),)
        assert arbiter.assignment.winners() == {"a": "n", "b": "n"}

    def test_what_waits_to_resume_in_a_deleted_zone_ends_there(
        self, arbiter: Arbiter
    ) -> None:
        arbiter.add(normal("n", "b", 1), at_ns=1)
        arbiter.add(emergency("e", "p", 2), at_ns=2)
        step = arbiter.replace_tree(ZoneTree(ZONES[:3]), at_ns=3)
        assert step.events == (
            AirEvent(3, ENDED, "e", ("b",)),
            AirEvent(3, ENDED, "n", ("b",)),
        )
        assert arbiter.interrupted_zone_ids("n") == ()

    def test_a_programme_without_zones_is_silent_but_not_over(
        self, arbiter: Arbiter
    ) -> None:
        arbiter.add(normal("n", "b", 1), at_ns=1)
        arbiter.replace_tree(ZoneTree(ZONES[:3]), at_ns=2)
        assert arbiter.assignment.heard_zone_ids("n") == ()
        assert "n" in arbiter.programmes
        step = arbiter.replace_tree(ZoneTree(ZONES), at_ns=3)
        assert step.events == (AirEvent(3, STARTED, "n", ("b",)),)
        step = arbiter.remove("n", at_ns=4)
        assert step.events == (AirEvent(4, ENDED, "n", ("b",)),)

    def test_a_new_zone_hears_at_once_what_covers_its_place(
        self, arbiter: Arbiter
    ) -> None:
        arbiter.add(normal("n", "a", 1), at_ns=1)
        step = arbiter.replace_tree(ZoneTree([*ZONES, zone("a0", "a")]), at_ns=2)
        assert step.events == (AirEvent(2, STARTED, "n", ("a0",)),)
        assert step.switches == (AirSwitch(("a0",), "n"),)

    def test_a_moved_zone_goes_from_one_programme_to_the_other(
        self, arbiter: Arbiter
    ) -> None:
        arbiter.add(normal("n", "a", 1), at_ns=1)
        arbiter.add(normal("m", "b", 2), at_ns=2)
        tree = ZoneTree([each for each in ZONES if each.id != "a1"] + [zone("a1", "b")])
        step = arbiter.replace_tree(tree, at_ns=3)
        assert step.events == (
            AirEvent(3, ENDED, "n", ("a1",)),
            AirEvent(3, STARTED, "m", ("a1",)),
        )
        assert step.switches == (AirSwitch(("a1",), "m"),)

    def test_an_equal_tree_changes_nothing(self, arbiter: Arbiter) -> None:
        arbiter.add(normal("n", "p", 1), at_ns=1)
        before = arbiter.assignment
        step = arbiter.replace_tree(ZoneTree(reversed(ZONES)), at_ns=2)
        assert step == AirStep(2, (), ())
        assert arbiter.assignment == before


class TestRefusesAndChangesNothing:
    """A method that raises has changed nothing."""

    def test_a_programme_twice(self, arbiter: Arbiter) -> None:
        arbiter.add(normal("n", "a", 1), at_ns=1)
        before = arbiter.assignment
        with pytest.raises(DuplicateProgrammeError, match="'n' is on the air already"):
            arbiter.add(emergency("n", "p", 2), at_ns=2)
        assert arbiter.assignment == before

    def test_a_programme_that_is_not_there(self, arbiter: Arbiter) -> None:
        with pytest.raises(UnknownProgrammeError) as caught:
            arbiter.remove("n", at_ns=1)
        assert caught.value.programme_id == "n"

    def test_a_programme_aimed_at_no_zone(self, arbiter: Arbiter) -> None:
        with pytest.raises(AimlessProgrammeError, match="aimed at no zone"):
            arbiter.add(normal("n", "", 1), at_ns=1)
        assert arbiter.programmes == {}

    def test_a_programme_aimed_at_an_unknown_zone(self, arbiter: Arbiter) -> None:
        with pytest.raises(UnknownZoneError, match="'ha-noi'"):
            arbiter.add(normal("n", "a ha-noi", 1), at_ns=1)
        assert arbiter.programmes == {}
        assert arbiter.add(normal("n", "a", 1), at_ns=2).switches
