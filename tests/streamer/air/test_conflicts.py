"""Tests of what a newcomer does where one of its own class holds a zone."""

from __future__ import annotations

import pytest

from streamer.air.admission import MAX_PROGRAMMES
from streamer.air.arbiter import Arbiter
from streamer.air.errors import (
    AirFullError,
    NotInQueueError,
    UnknownProgrammeError,
    ZonesHeldError,
)
from streamer.air.priority import Comeback, Conflict, Origin
from streamer.air.zones import ZoneTree
from streamer.wire.control import ProgrammeClass
from tests.streamer.air.rig import (
    BACKGROUND,
    EMERGENCY,
    NORMAL,
    PRIORITY,
    ZONES,
    Air,
    programme,
    told,
)

REFUSE, TAKE_OVER = Conflict.REFUSE, Conflict.TAKE_OVER


@pytest.fixture
def air() -> Air:
    return Air()


class TestRefuse:
    """Told to be refused where it would have to wait."""

    @pytest.mark.parametrize("kind", [NORMAL, PRIORITY])
    def test_it_is_told_every_zone_and_who_holds_it(
        self, air: Air, kind: ProgrammeClass
    ) -> None:
        air.add("news", "a", kind)
        air.add("storm", "b", EMERGENCY)
        before = air.arbiter.assignment
        with pytest.raises(ZonesHeldError, match="in 3 zones") as caught:
            air.add("late", "p", kind, conflict=REFUSE)
        assert caught.value.programme_id == "late"
        assert caught.value.held == {"a": "news", "a1": "news", "b": "storm"}
        assert air.arbiter.assignment == before
        assert "late" not in air.arbiter.programmes

    def test_free_zones_and_lower_classes_do_not_refuse_it(self, air: Air) -> None:
        air.add("music", "a", BACKGROUND)
        air.add("news", "b")
        air.add("late", "a", conflict=REFUSE)
        assert air.winners() == "- late late news"

    def test_once_taken_it_waits_like_any_other(self, air: Air) -> None:
        air.add("late", "a", conflict=REFUSE)
        step = air.add("storm", "a", EMERGENCY)
        assert told(step)[0] == "late preempted by storm: a a1"

    def test_an_emergency_is_never_refused(self, air: Air) -> None:
        air.add("national", "p", EMERGENCY, origin=Origin.CENTRAL)
        air.add("flood", "a", EMERGENCY, conflict=REFUSE)
        assert air.winners() == "national national national national"
        air.remove("national")
        assert air.winners() == "- flood flood -"

    def test_a_silenced_zone_is_held_by_nobody(self, air: Air) -> None:
        air.arbiter.silence(["p"], at_ns=0)
        air.add("late", "a", conflict=REFUSE)
        assert air.winners() == "- - - -"


class TestTakeOver:
    """Told to go before its class."""

    @pytest.mark.parametrize("kind", [NORMAL, PRIORITY])
    def test_it_interrupts_and_is_not_interrupted_by_the_waiting(
        self, air: Air, kind: ProgrammeClass
    ) -> None:
        air.add("news", "p", kind)
        air.add("waits", "a", kind)
        step = air.add("now", "a", kind, conflict=TAKE_OVER)
        assert told(step) == ["news preempted by now: a a1", "now started: a a1"]
        step = air.remove("now")
        assert told(step) == ["now ended: a a1", "news resumed: a a1"]

    def test_the_latest_of_two_goes_before(self, air: Air) -> None:
        air.add("one", "a", conflict=TAKE_OVER)
        air.add("two", "a", conflict=TAKE_OVER)
        assert air.winners() == "- two two -"

    def test_a_higher_class_stays_before_it(self, air: Air) -> None:
        air.add("meeting", "a", PRIORITY)
        air.add("now", "p", NORMAL, conflict=TAKE_OVER)
        assert air.winners() == "now meeting meeting now"

    def test_it_gives_no_emergency_more_weight(self, air: Air) -> None:
        air.add("dyke", "p", EMERGENCY, origin=Origin.PROVINCE)
        air.add("flood", "a", EMERGENCY, conflict=TAKE_OVER)
        assert air.winners() == "dyke dyke dyke dyke"


class TestReorder:
    """The operator decides who of the waiting priority programmes is next."""

    def test_the_next_one_is_the_operators_choice(self, air: Air) -> None:
        for name in ("on-air", "first", "second", "third"):
            air.add(name, "a", PRIORITY)
        step = air.arbiter.reorder(["third", "second"], at_ns=9)
        assert (step.events, step.switches, step.orders) == ((), (), ())
        heard = []
        for name in ("on-air", "third", "second"):
            air.remove(name)
            heard.append(air.arbiter.assignment.winner("a"))
        assert heard == ["third", "second", "first"]

    def test_one_on_air_keeps_its_zone_whatever_the_order(self, air: Air) -> None:
        air.add("on-air", "a", PRIORITY)
        air.add("waits", "p", PRIORITY)
        air.arbiter.reorder(["waits", "on-air"], at_ns=9)
        assert air.winners() == "waits on-air on-air waits"

    def test_a_newcomer_comes_behind_all_who_were_ordered(self, air: Air) -> None:
        for name in ("on-air", "first", "second"):
            air.add(name, "a", PRIORITY)
        air.arbiter.reorder(["second", "first"], at_ns=9)
        air.add("new", "a", PRIORITY)
        assert list(air.arbiter.assignment.covers) == [
            "on-air",
            "second",
            "first",
            "new",
        ]

    def test_one_who_takes_over_goes_before_all_who_were_ordered(
        self, air: Air
    ) -> None:
        air.add("first", "a", PRIORITY, conflict=TAKE_OVER)
        air.add("second", "b", PRIORITY)
        air.arbiter.reorder(["second", "first"], at_ns=9)
        air.add("now", "p", PRIORITY, conflict=TAKE_OVER)
        assert air.winners() == "now now now now"

    def test_only_priority_programmes_are_reordered(self, air: Air) -> None:
        air.add("meeting", "a", PRIORITY)
        air.add("news", "a", NORMAL)
        before = air.arbiter.assignment
        with pytest.raises(NotInQueueError, match="'news' is not a priority"):
            air.arbiter.reorder(["news", "meeting"], at_ns=9)
        with pytest.raises(UnknownProgrammeError):
            air.arbiter.reorder(["meeting", "nobody"], at_ns=9)
        assert air.arbiter.assignment == before


def test_of_ten_thousand_asked_for_at_once_a_bounded_number_is_taken() -> None:
    """And a warning still comes through, and everything can be taken off again."""
    arbiter = Arbiter(ZoneTree(ZONES))
    refused = 0
    for order in range(10_000):
        each = programme(f"b{order}", "a b", order, comeback=Comeback.RESUME)
        try:
            arbiter.add(each, at_ns=order)
        except AirFullError:
            refused += 1
    assert refused == 10_000 - MAX_PROGRAMMES
    assert len(arbiter.programmes) == MAX_PROGRAMMES
    step = arbiter.add(programme("storm", "p", 10_000, EMERGENCY), at_ns=10_000)
    assert told(step)[-1] == "storm started: p a a1 b"
    arbiter.remove("b0", at_ns=10_001)
    arbiter.add(programme("b0", "a", 10_002), at_ns=10_002)
    for name in list(arbiter.programmes):
        arbiter.remove(name, at_ns=10_003)
    assert arbiter.assignment.winners() == {}
