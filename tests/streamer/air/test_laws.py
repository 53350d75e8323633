"""Laws of the air, against an oracle that walks the tree zone by zone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from random import Random

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
from streamer.air.difference import AirEventKind, AirStep
from streamer.air.priority import CLASS_ORDER, ORIGIN_ORDER, AirProgramme, Origin
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.wire.control import ProgrammeClass

Zones = dict[str, Zone]
CLASSES, ORIGINS = st.sampled_from(CLASS_ORDER), st.sampled_from(ORIGIN_ORDER)


def zone(zone_id: str, parent_id: str | None) -> Zone:
    return Zone(zone_id, parent_id, zone_id, ZoneLevel.VILLAGE)


def lineage(zones: Mapping[str, Zone], zone_id: str) -> list[str]:
    """The zone and its ancestors."""
    found: list[str] = []
    here: str | None = zone_id
    while here is not None:
        found.append(here)
        here = zones[here].parent_id
    return found


def beats(one: AirProgramme, two: AirProgramme) -> bool:
    """MISSION's rules read as sentences; orders are unique here."""
    if one.programme_class != two.programme_class:
        order = list(ProgrammeClass)
        return order.index(one.programme_class) > order.index(two.programme_class)
    if one.programme_class is ProgrammeClass.EMERGENCY and one.origin != two.origin:
        order_of_origins = list(Origin)
        return order_of_origins.index(one.origin) > order_of_origins.index(two.origin)
    latest_wins = one.programme_class in (
        ProgrammeClass.EMERGENCY,
        ProgrammeClass.BACKGROUND,
    )
    return (one.accepted_order > two.accepted_order) == latest_wins


def winners(
    zones: Mapping[str, Zone], programmes: Iterable[AirProgramme]
) -> dict[str, str]:
    """The oracle: ask every programme in every zone."""
    found: dict[str, AirProgramme] = {}
    for zone_id in zones:
        above = set(lineage(zones, zone_id))
        for each in programmes:
            if above & set(each.zone_ids):
                holder = found.get(zone_id)
                if holder is None or beats(each, holder):
                    found[zone_id] = each
    return {zone_id: each.id for zone_id, each in found.items()}


@st.composite
def airs(draw: st.DrawFn) -> tuple[Zones, list[AirProgramme]]:
    """A forest and programmes aimed at it, each with its own order of arrival."""
    zones: Zones = {}
    for number in range(draw(st.integers(1, 12))):
        parent_id = draw(st.sampled_from([None, *zones]))
        zones[f"z{number}"] = zone(f"z{number}", parent_id)
    targets = st.lists(st.sampled_from(list(zones)), min_size=1, max_size=3)
    programmes = [
        AirProgramme(
            f"b{order}", draw(CLASSES), draw(ORIGINS), tuple(draw(targets)), order
        )
        for order in range(draw(st.integers(0, 8)))
    ]
    return zones, programmes


@given(airs(), st.randoms(use_true_random=False))
def test_law_each_zone_hears_the_best_and_order_does_not_matter(
    air: tuple[Zones, list[AirProgramme]], rng: Random
) -> None:
    zones, programmes = air
    tree = ZoneTree(zones.values())
    assignment = decide(tree, programmes)
    assert assignment.winners() == winners(zones, programmes)
    assert {z: assignment.winner(z) for z in zones} == dict.fromkeys(
        zones
    ) | assignment.winners()
    rng.shuffle(programmes)
    assert decide(tree, programmes) == assignment


class Pair(Enum):
    """Where a programme stands in a zone; absent from the table: waiting or gone."""

    HEARD = "heard"
    INTERRUPTED = "interrupted"


TRANSITIONS: dict[tuple[Pair | None, AirEventKind], Pair | None] = {
    (None, AirEventKind.STARTED): Pair.HEARD,
    (Pair.HEARD, AirEventKind.PREEMPTED): Pair.INTERRUPTED,
    (Pair.INTERRUPTED, AirEventKind.RESUMED): Pair.HEARD,
    (Pair.HEARD, AirEventKind.ENDED): None,
    (Pair.INTERRUPTED, AirEventKind.ENDED): None,
}


class AirMachine(RuleBasedStateMachine):
    """Programmes come and go and zones are added, deleted and moved under them.

    What the events say must be a path through TRANSITIONS, and what the events and
    the switches say must, after each step, be what the oracle says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.zones: Zones = {}
        self.programmes: dict[str, AirProgramme] = {}
        self.pairs: dict[tuple[str, str], Pair] = {}
        self.playing: dict[str, str] = {}
        self.count = 0

    @initialize(parents=st.lists(st.integers(-1, 5), min_size=2, max_size=6))
    def build(self, parents: list[int]) -> None:
        for number, parent in enumerate(parents):
            parent_id = f"z{parent}" if 0 <= parent < number else None
            self.zones[f"z{number}"] = zone(f"z{number}", parent_id)
        self.count = len(parents)
        self.arbiter = Arbiter(ZoneTree(self.zones.values()))

    def now(self) -> int:
        self.count += 1
        return self.count

    @precondition(lambda self: self.zones)
    @rule(data=st.data(), programme_class=CLASSES, origin=ORIGINS)
    def add(
        self, data: st.DataObject, programme_class: ProgrammeClass, origin: Origin
    ) -> None:
        chosen = st.lists(st.sampled_from(list(self.zones)), min_size=1, max_size=3)
        order = self.now()
        programme = AirProgramme(
            f"b{order}", programme_class, origin, tuple(data.draw(chosen)), order
        )
        before = self.arbiter.assignment
        probe = self.arbiter.add(programme, at_ns=order)
        back = self.arbiter.remove(programme.id, at_ns=order)
        assert self.arbiter.assignment == before, "removing restores what was"
        again = self.arbiter.add(programme, at_ns=order)
        self.programmes[programme.id] = programme
        for step in (probe, back, again):
            self.take(step)

    @precondition(lambda self: self.programmes)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        programme_id = data.draw(st.sampled_from(list(self.programmes)))
        del self.programmes[programme_id]
        self.take(self.arbiter.remove(programme_id, at_ns=self.now()))

    @rule(data=st.data())
    def add_zone(self, data: st.DataObject) -> None:
        """Also brings back zones that programmes on air still name."""
        absent = [f"z{n}" for n in range(9) if f"z{n}" not in self.zones]
        if not absent:
            return
        zone_id = data.draw(st.sampled_from(absent))
        parent_id = data.draw(st.sampled_from([None, *self.zones]))
        self.replace(self.zones | {zone_id: zone(zone_id, parent_id)})

    @precondition(lambda self: self.zones)
    @rule(data=st.data())
    def delete_zone(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(list(self.zones)))
        self.replace(
            {
                each: value
                for each, value in self.zones.items()
                if gone not in lineage(self.zones, each)
            }
        )

    @precondition(lambda self: self.zones)
    @rule(data=st.data())
    def move_zone(self, data: st.DataObject) -> None:
        moved = data.draw(st.sampled_from(list(self.zones)))
        places = [z for z in self.zones if moved not in lineage(self.zones, z)]
        parent_id = data.draw(st.sampled_from([None, *places]))
        self.replace(self.zones | {moved: zone(moved, parent_id)})

    def replace(self, zones: Zones) -> None:
        self.zones = zones
        tree = ZoneTree(zones.values())
        self.take(self.arbiter.replace_tree(tree, at_ns=self.now()))

    def take(self, step: AirStep) -> None:
        for event in step.events:
            assert event.at_ns == step.at_ns
            assert event.zone_ids
            assert (event.by is not None) == (event.kind is AirEventKind.PREEMPTED)
            for zone_id in event.zone_ids:
                pair = event.programme_id, zone_id
                after = TRANSITIONS[self.pairs.pop(pair, None), event.kind]
                if after is not None:
                    self.pairs[pair] = after
        self.switch(step)
        for event in step.events:
            if event.by is not None:
                assert {self.playing[each] for each in event.zone_ids} == {event.by}

    def switch(self, step: AirStep) -> None:
        switched = [each for switch in step.switches for each in switch.zone_ids]
        assert len(switched) == len(set(switched)), "a zone switches once in a step"
        for switch in step.switches:
            for zone_id in switch.zone_ids:
                former = self.playing.pop(zone_id, None)
                assert former != switch.programme_id, "only what changed is switched"
                if switch.programme_id is not None:
                    self.playing[zone_id] = switch.programme_id

    @invariant()
    def events_and_switches_agree_with_the_oracle(self) -> None:
        expected = winners(self.zones, self.programmes.values())
        assert self.arbiter.assignment.winners() == expected
        assert self.playing == expected
        heard = {(p, z) for (p, z), pair in self.pairs.items() if pair is Pair.HEARD}
        assert heard == {(p, z) for z, p in expected.items()}

    @invariant()
    def no_zone_hears_a_lower_class_than_one_that_covers_it(self) -> None:
        order = list(ProgrammeClass)
        for zone_id, winner_id in self.playing.items():
            above = set(lineage(self.zones, zone_id))
            rank = order.index(self.programmes[winner_id].programme_class)
            for each in self.programmes.values():
                if above & set(each.zone_ids):
                    assert order.index(each.programme_class) <= rank

    @invariant()
    def the_interrupted_are_remembered(self) -> None:
        told = {pair for pair, state in self.pairs.items() if state is Pair.INTERRUPTED}
        known = {
            (programme_id, zone_id)
            for programme_id in self.programmes
            for zone_id in self.arbiter.interrupted_zone_ids(programme_id)
        }
        assert known == told

    def teardown(self) -> None:
        """When all are gone, everyone interrupted has resumed or ended."""
        for programme_id in self.programmes:
            self.take(self.arbiter.remove(programme_id, at_ns=self.now()))
        assert self.pairs == {}
        assert self.playing == {}


TestAirMachine = AirMachine.TestCase
TestAirMachine.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
