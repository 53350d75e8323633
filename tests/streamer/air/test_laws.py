"""Laws of the air, against a model that walks the tree zone by zone (model.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from streamer.air.arbiter import Arbiter
from streamer.air.assignment import decide
from streamer.air.conduct import EndCause, Motion, OrderKind
from streamer.air.difference import SILENCE_REACH_NS, AirEvent, AirEventKind, AirStep
from streamer.air.errors import UnknownProgrammeError, ZonesHeldError
from streamer.air.lifecycle import History
from streamer.air.priority import (
    CLASS_ORDER,
    CLASS_RANK,
    ORIGIN_ORDER,
    ORIGIN_RANK,
    AirProgramme,
    Comeback,
    Conflict,
    Origin,
)
from streamer.air.silence import EVERYWHERE, silent_zones
from streamer.air.zones import Zone, ZoneTree
from tests.streamer.air.model import Model, lineage
from tests.streamer.air.rig import EMERGENCY, PRIORITY, zone

AT_NS = 20
"Of the calls that come at one instant; whoever was there before came earlier."


@st.composite
def programmes(
    draw: st.DrawFn,
    zone_ids: list[str],
    order: int,
    conflicts: st.SearchStrategy[Conflict] = st.sampled_from(Conflict),  # noqa: B008
) -> AirProgramme:
    """Any programme aimed at some of *zone_ids*."""
    aims = draw(st.lists(st.sampled_from(zone_ids), min_size=1, max_size=3))
    return AirProgramme(
        f"b{order}",
        draw(st.sampled_from(CLASS_ORDER)),
        draw(st.sampled_from(ORIGIN_ORDER)),
        tuple(aims),
        order,
        conflict=draw(conflicts),
        comeback=draw(st.sampled_from(Comeback)),
        can_hold=draw(st.booleans()),
        skip_after_ns=draw(st.none() | st.integers(0, 12)),
        exact=draw(st.booleans()),
    )


@st.composite
def forests(draw: st.DrawFn, most: int = 12) -> dict[str, Zone]:
    zones: dict[str, Zone] = {}
    for number in range(draw(st.integers(1, most))):
        parent_id = draw(st.sampled_from([None, *zones]))
        zones[f"z{number}"] = zone(f"z{number}", parent_id)
    return zones


@given(st.data(), forests(), st.randoms(use_true_random=False))
def test_law_each_zone_hears_the_best_and_order_does_not_matter(
    data: st.DataObject, zones: dict[str, Zone], rng: Random
) -> None:
    model, tree = Model(zones.values()), ZoneTree(zones.values())
    asked = [
        data.draw(programmes(list(zones), order))
        for order in range(data.draw(st.integers(0, 8)))
    ]
    model.programmes = {each.id: each for each in asked}
    names = [*zones, EVERYWHERE]
    model.silences = set(data.draw(st.lists(st.sampled_from(names), max_size=2)))
    silenced = silent_zones(tree, model.silences)
    assignment = decide(tree, asked, silenced)
    assert assignment.winners() == model.winners()
    assert {z: assignment.winner(z) for z in zones} == dict.fromkeys(
        zones
    ) | assignment.winners()
    rng.shuffle(asked)
    assert decide(tree, asked, silenced) == assignment


@settings(max_examples=200, deadline=None)
@given(st.data(), forests(most=3))
def test_law_calls_of_one_instant_may_come_in_any_order(
    data: st.DataObject, zones: dict[str, Zone]
) -> None:
    """Who is heard, who runs and who is over do not depend on it.

    Refusals do: of two who would rather not wait, the one asked first is taken. So
    do reorders: an operator speaks of those who are there.
    """
    patient = st.sampled_from([Conflict.WAIT, Conflict.TAKE_OVER])
    names = list(zones)
    silent_names = st.sampled_from([*names, EVERYWHERE])
    # Some are freed and taken again at once: what that leaves behind is the danger.
    first = [AirProgramme("b0", EMERGENCY, Origin.COMMUNE, ("z0",), 0)] + [
        data.draw(programmes(names, order, patient))
        for order in range(1, data.draw(st.integers(2, 4)))
    ]
    later = [
        data.draw(programmes(names, AT_NS + order, patient))
        for order in range(data.draw(st.integers(1, 4)))
    ]
    others = st.lists(st.sampled_from([each.id for each in first]), max_size=1)
    gone = {"b0", *data.draw(others)}
    silent = data.draw(st.lists(silent_names, max_size=2))
    lifted = data.draw(st.lists(silent_names, max_size=1))

    calls: list[Callable[[Arbiter], object]] = [
        *(partial(Arbiter.add, programme=each, at_ns=AT_NS) for each in later),
        *(partial(_remove, programme_id=each) for each in sorted(gone)),
        partial(Arbiter.silence, zone_ids=silent, at_ns=AT_NS),
        partial(Arbiter.lift, zone_ids=set(lifted) - set(silent), at_ns=AT_NS),
        partial(Arbiter.expire, at_ns=AT_NS),
    ]

    def outcome(calls: list[Callable[[Arbiter], object]]) -> Arbiter:
        arbiter = Arbiter(ZoneTree(zones.values()), silences=lifted)
        for each in first:
            arbiter.add(each, at_ns=each.accepted_order)
        for call in calls:
            call(arbiter)
        return arbiter

    one, two = outcome(calls), outcome(data.draw(st.permutations(calls)))
    assert one.assignment == two.assignment
    assert list(one.assignment.covers) == list(two.assignment.covers)
    assert one.programmes.keys() == two.programmes.keys()
    assert one.next_deadline_ns == two.next_deadline_ns
    assert _running(one) == _running(two)


def _remove(arbiter: Arbiter, programme_id: str) -> None:
    """Whoever is over already, skipped or dropped, is over."""
    with suppress(UnknownProgrammeError):
        arbiter.remove(programme_id, at_ns=AT_NS)


def _running(arbiter: Arbiter) -> set[str]:
    conducts = arbiter.conducts.items()
    return {each for each, conduct in conducts if conduct.motion is Motion.RUNNING}


class AirMachine(RuleBasedStateMachine):
    """Programmes come and go, zones and silences change under them, operators act.

    What the events say must be a path through the table of `lifecycle.py`, and what
    the events, the switches and the orders say must, after each step, be what the
    model says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.playing: dict[str, str] = {}
        self.running: dict[str, bool] = {}
        self.count = 0

    @initialize(parents=st.lists(st.integers(-1, 5), min_size=2, max_size=6))
    def build(self, parents: list[int]) -> None:
        zones: dict[str, Zone] = {}
        for number, parent in enumerate(parents):
            parent_id = f"z{parent}" if 0 <= parent < number else None
            zones[f"z{number}"] = zone(f"z{number}", parent_id)
        self.count = len(parents)
        self.model = Model(zones.values())
        self.arbiter = Arbiter(ZoneTree(zones.values()))

    def now(self) -> int:
        self.count += 1
        return self.count

    @precondition(lambda self: self.model.zones)
    @rule(data=st.data(), pause=st.integers(0, 6))
    def add(self, data: st.DataObject, pause: int) -> None:
        self.count += pause
        at_ns = self.now()
        self.expire_at(at_ns)
        programme = data.draw(programmes(list(self.model.zones), at_ns))
        held = self.model.held_against(programme)
        before = self.arbiter.assignment
        choosy = programme.conflict is Conflict.REFUSE
        if choosy and held and programme.programme_class is not EMERGENCY:
            with pytest.raises(ZonesHeldError) as caught:
                self.arbiter.add(programme, at_ns=at_ns)
            assert caught.value.held == held
            assert self.arbiter.assignment == before
            return
        self.running[programme.id] = False
        self.model.add(programme, at_ns)
        self.take(self.arbiter.add(programme, at_ns=at_ns))

    @precondition(lambda self: self.model.programmes)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        programme_id = data.draw(st.sampled_from(list(self.model.programmes)))
        at_ns = self.now()
        self.model.remove(programme_id, at_ns)
        del self.running[programme_id]
        self.take(self.arbiter.remove(programme_id, at_ns=at_ns))

    @precondition(lambda self: self.model.zones)
    @rule(data=st.data(), origin=st.sampled_from(ORIGIN_ORDER))
    def come_and_go(self, data: st.DataObject, origin: Origin) -> None:
        """An emergency and its end restore what was, but for what it ended."""
        names = list(self.model.zones)
        aims = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
        at_ns = self.now()
        self.expire_at(at_ns)
        before = dict(self.model.playing)
        visitor = AirProgramme(f"b{at_ns}", EMERGENCY, origin, tuple(aims), at_ns)
        self.running[visitor.id] = False
        self.model.add(visitor, at_ns)
        self.take(self.arbiter.add(visitor, at_ns=at_ns))
        at_ns = self.now()
        self.model.remove(visitor.id, at_ns)
        del self.running[visitor.id]
        self.take(self.arbiter.remove(visitor.id, at_ns=at_ns))
        for zone_id, former in before.items():
            if not self.is_dropped(former, zone_id):
                assert self.playing[zone_id] == former

    def is_dropped(self, programme_id: str, zone_id: str) -> bool:
        gone = programme_id not in self.model.programmes
        return gone or (programme_id, zone_id) in self.model.dropped

    @rule(pause=st.integers(0, 12))
    def expire(self, pause: int) -> None:
        self.count += pause
        self.expire_at(self.now())

    def expire_at(self, at_ns: int) -> None:
        deadline_ns = self.arbiter.next_deadline_ns
        self.model.change(at_ns)
        assert bool(self.model.over) == (
            deadline_ns is not None and deadline_ns <= at_ns
        )
        self.take(self.arbiter.expire(at_ns))

    @precondition(lambda self: self.model.zones)
    @rule(data=st.data())
    def silence(self, data: st.DataObject) -> None:
        zone_id = data.draw(st.sampled_from([*self.model.zones, EVERYWHERE]))
        at_ns = self.now()
        self.model.silences.add(zone_id)
        self.model.change(at_ns)
        self.take(self.arbiter.silence([zone_id], at_ns=at_ns))

    @precondition(lambda self: self.model.silences)
    @rule(data=st.data())
    def lift(self, data: st.DataObject) -> None:
        zone_id = data.draw(st.sampled_from(sorted(self.model.silences)))
        at_ns = self.now()
        self.model.silences.remove(zone_id)
        self.model.change(at_ns)
        self.take(self.arbiter.lift([zone_id], at_ns=at_ns))

    @rule(data=st.data())
    def reorder(self, data: st.DataObject) -> None:
        at_ns = self.now()
        self.expire_at(at_ns)
        queue = [
            each.id
            for each in self.model.programmes.values()
            if each.programme_class is PRIORITY
        ]
        wanted = data.draw(st.permutations(queue))
        step = self.arbiter.reorder(wanted[: len(wanted) // 2 + 1], at_ns=at_ns)
        assert (step.events, step.switches, step.orders) == ((), (), ())
        # test_precedence.py says which order; here it has to be kept.
        covers = self.arbiter.assignment.covers
        self.model.order([each for each in covers if each in queue])
        assert self.model.winners() == self.playing, "nobody on air loses a zone"

    @rule(data=st.data())
    def add_zone(self, data: st.DataObject) -> None:
        """Also brings back zones that programmes on air still name."""
        zones = self.model.zones
        absent = [f"z{n}" for n in range(9) if f"z{n}" not in zones]
        if not absent:
            return
        zone_id = data.draw(st.sampled_from(absent))
        parent_id = data.draw(st.sampled_from([None, *zones]))
        self.replace(zones | {zone_id: zone(zone_id, parent_id)})

    @precondition(lambda self: self.model.zones)
    @rule(data=st.data())
    def delete_zone(self, data: st.DataObject) -> None:
        zones = self.model.zones
        gone = data.draw(st.sampled_from(list(zones)))
        kept = [each for each in zones if gone not in lineage(zones, each)]
        self.replace({each: zones[each] for each in kept})

    @precondition(lambda self: self.model.zones)
    @rule(data=st.data())
    def move_zone(self, data: st.DataObject) -> None:
        zones = self.model.zones
        moved = data.draw(st.sampled_from(list(zones)))
        places = [z for z in zones if moved not in lineage(zones, z)]
        parent_id = data.draw(st.sampled_from([None, *places]))
        self.replace(zones | {moved: zone(moved, parent_id)})

    def replace(self, zones: dict[str, Zone]) -> None:
        at_ns = self.now()
        self.model.zones = zones
        self.model.change(at_ns)
        tree = ZoneTree(zones.values())
        self.take(self.arbiter.replace_tree(tree, at_ns=at_ns))

    def take(self, step: AirStep) -> None:
        self.history.follow(step.events)
        self.switch(step)
        for event in step.events:
            assert event.at_ns == step.at_ns
            assert event.zone_ids
            self.check_taker(event)
        self.obey(step)

    def check_taker(self, event: AirEvent) -> None:
        dropped = event.cause is EndCause.DROPPED
        if event.kind is not AirEventKind.PREEMPTED and not dropped:
            assert event.by is None
            return
        assert {self.playing.get(each) for each in event.zone_ids} == {event.by}
        if event.by is None:
            zones, silences = self.model.zones, self.model.silences
            for zone_id in event.zone_ids:
                assert silences & {EVERYWHERE, *lineage(zones, zone_id)}

    def switch(self, step: AirStep) -> None:
        switched = [each for switch in step.switches for each in switch.zone_ids]
        assert len(switched) == len(set(switched)), "a zone switches once in a step"
        for switch in step.switches:
            reach_ns = set()
            for zone_id in switch.zone_ids:
                former = self.playing.pop(zone_id, None)
                assert former != switch.programme_id, "only what changed is switched"
                if switch.programme_id is not None:
                    self.playing[zone_id] = switch.programme_id
                reach_ns.add(SILENCE_REACH_NS * self.is_silenced(zone_id))
            assert reach_ns == {switch.reach_ns}

    def is_silenced(self, zone_id: str) -> bool:
        zones = self.model.zones
        if zone_id not in zones:
            return False
        return bool(self.model.silences & {EVERYWHERE, *lineage(zones, zone_id)})

    def obey(self, step: AirStep) -> None:
        """Do as the orders say; each must be possible, and end whom the model ends."""
        ended = [
            order.programme_id for order in step.orders if order.kind is OrderKind.END
        ]
        assert sorted(ended) == sorted(self.model.over)
        told = [order.programme_id for order in step.orders]
        assert len(told) == len(set(told)), "nobody is told two things at once"
        for order in step.orders:
            assert (order.cause is not None) == (order.kind is OrderKind.END)
            was = self.running.pop(order.programme_id)
            if order.kind is not OrderKind.END:
                self.running[order.programme_id] = order.kind is OrderKind.GO
                assert was is not self.running[order.programme_id]

    @invariant()
    def all_accounts_agree_with_the_model(self) -> None:
        expected = self.model.winners()
        assert self.arbiter.assignment.winners() == expected
        assert self.playing == expected
        assert self.history.winners == expected
        assert self.arbiter.programmes == self.model.programmes

    @invariant()
    def no_zone_hears_a_lower_class_than_one_that_covers_it(self) -> None:
        for zone_id, winner_id in self.playing.items():
            rank = CLASS_RANK[self.model.programmes[winner_id].programme_class]
            for each in self.model.programmes.values():
                if self.model.covers(each, zone_id):
                    assert CLASS_RANK[each.programme_class] <= rank

    @invariant()
    def an_emergency_gives_way_to_a_higher_origin_or_a_later_one_only(self) -> None:
        present = self.model.programmes
        for zone_id, winner_id in self.playing.items():
            winner = present[winner_id]
            for each in present.values():
                if each.programme_class is EMERGENCY and self.model.covers(
                    each, zone_id
                ):
                    assert winner.programme_class is EMERGENCY
                    assert ORIGIN_RANK[winner.origin] >= ORIGIN_RANK[each.origin]

    @invariant()
    def the_interrupted_are_remembered(self) -> None:
        known = {
            (programme_id, zone_id)
            for programme_id in self.model.programmes
            for zone_id in self.arbiter.interrupted_zone_ids(programme_id)
        }
        assert known == self.history.interrupted

    @invariant()
    def sources_run_while_they_are_heard_and_as_they_were_told(self) -> None:
        heard = set(self.playing.values())
        for each in self.model.programmes.values():
            running = self.running[each.id]
            assert running or each.id not in heard
            assert running or each.waits_to_begin
            if each.holds:
                assert running == (each.id in heard)

    def teardown(self) -> None:
        """When all are gone, everyone interrupted has resumed or ended."""
        for programme_id in list(self.arbiter.programmes):
            if programme_id in self.model.programmes:
                self.count += 1
                self.model.remove(programme_id, self.count)
                del self.running[programme_id]
                self.take(self.arbiter.remove(programme_id, at_ns=self.count))
        assert self.history.interrupted == frozenset()
        assert self.history.winners == {}
        assert self.running == {}


TestAirMachine = AirMachine.TestCase
TestAirMachine.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None
)
