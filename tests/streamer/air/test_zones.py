"""Tests of streamer.air.zones."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.air.zones import (
    DuplicateZoneError,
    OrphanZoneError,
    UnknownZoneError,
    Zone,
    ZoneCycleError,
    ZoneLevel,
    ZoneTree,
    run,
    runs,
)


def zone(
    zone_id: str, parent_id: str | None = None, delay_ms: int | None = None
) -> Zone:
    return Zone(zone_id, parent_id, zone_id.title(), ZoneLevel.VILLAGE, delay_ms)


BAC_NINH = (
    zone("bac-ninh"),
    zone("dai-dong", "bac-ninh", 1000),
    zone("thon-dong", "dai-dong"),
    zone("thon-tay", "dai-dong", 150),
    zone("cum-1", "thon-tay"),
    zone("tien-du", "bac-ninh"),
)


@st.composite
def zone_lists(draw: st.DrawFn) -> list[Zone]:
    """Any forest, in any order."""
    zones: list[Zone] = []
    for number in range(draw(st.integers(0, 30))):
        parents = st.sampled_from([None, *(each.id for each in zones)])
        name = draw(st.sampled_from("abc")) + str(number)
        zones.append(zone(name, draw(parents)))
    return draw(st.permutations(zones))


def below(zones: list[Zone], zone_id: str) -> set[str]:
    """The oracle: walk the children."""
    children = [each.id for each in zones if each.parent_id == zone_id]
    return {zone_id}.union(*(below(zones, child) for child in children))


def test_a_zone_stands_for_all_below_it() -> None:
    tree = ZoneTree(BAC_NINH)
    assert tree.covered(["dai-dong"]) == {"dai-dong", "thon-dong", "thon-tay", "cum-1"}
    assert tree.covered(["cum-1", "tien-du", "cum-1"]) == {"cum-1", "tien-du"}
    assert tree.covered([]) == frozenset()


def test_ancestors_go_from_the_parent_to_the_root() -> None:
    tree = ZoneTree(BAC_NINH)
    assert tree.ancestors("cum-1") == ("thon-tay", "dai-dong", "bac-ninh")
    assert tree.ancestors("bac-ninh") == ()


@pytest.mark.parametrize(
    ("zone_id", "delay_ms"),
    [("cum-1", 150), ("thon-dong", 1000), ("tien-du", 400), ("bac-ninh", 400)],
)
def test_playout_delay_is_inherited(zone_id: str, delay_ms: int) -> None:
    assert ZoneTree(BAC_NINH).effective_playout_delay_ms(zone_id) == delay_ms


@pytest.mark.parametrize(
    ("zone_id", "percent"),
    [("bac-ninh", None), ("dai-dong", 80), ("thon-dong", 80), ("cum-1", 0)],
)
def test_the_floor_of_emergencies_is_inherited(
    zone_id: str, percent: int | None
) -> None:
    """A floor of nothing is a floor: it is not looked for further up."""
    floors = {"dai-dong": 80, "thon-tay": 0}
    tree = ZoneTree(
        replace(each, emergency_volume_percent=floors.get(each.id)) for each in BAC_NINH
    )
    assert tree.effective_emergency_volume_percent(zone_id) == percent


@pytest.mark.parametrize(
    ("marked", "public"),
    [
        ("bac-ninh", {zone.id for zone in BAC_NINH}),
        ("dai-dong", {"dai-dong", "thon-dong", "thon-tay", "cum-1"}),
        ("cum-1", {"cum-1"}),
        ("", set()),
    ],
)
def test_a_mark_makes_all_below_public_and_nothing_above(
    marked: str, public: set[str]
) -> None:
    zones = [replace(each, public=each.id == marked) for each in BAC_NINH]
    tree = ZoneTree(zones)
    assert {each.id for each in tree if tree.is_public(each.id)} == public


@given(zone_lists())
def test_covers_says_what_covered_does(zones: list[Zone]) -> None:
    tree = ZoneTree(zones)
    for above in zones:
        covered = {z.id for z in zones if tree.covers(above.id, z.id)}
        assert covered == tree.covered([above.id])


def test_walks_from_parents_to_children_whatever_the_order_given() -> None:
    zones = list(BAC_NINH)
    random.Random(1).shuffle(zones)
    tree = ZoneTree(zones)
    assert [each.id for each in tree] == [each.id for each in BAC_NINH]
    assert tree == ZoneTree(BAC_NINH)
    assert hash(tree) == hash(ZoneTree(BAC_NINH))


def test_a_tree_differs_when_a_zone_does() -> None:
    assert ZoneTree(BAC_NINH) != ZoneTree([*BAC_NINH[:-1], zone("tien-du")])
    assert ZoneTree() != "a tree"


def test_an_empty_tree_covers_nothing() -> None:
    tree = ZoneTree()
    assert (len(tree), list(tree), tree.covered([])) == (0, [], frozenset())


class TestRefuses:
    """Zones that make no tree, and names that are not in it."""

    def test_an_unknown_zone(self) -> None:
        tree = ZoneTree(BAC_NINH)
        for ask in (
            tree.__getitem__,
            tree.ancestors,
            tree.number,
            tree.effective_playout_delay_ms,
            tree.effective_emergency_volume_percent,
            lambda zone_id: tree.covered(["tien-du", zone_id]),
        ):
            with pytest.raises(UnknownZoneError, match="'ha-noi' is unknown") as caught:
                ask("ha-noi")
            assert caught.value.zone_id == "ha-noi"

    def test_the_same_zone_twice(self) -> None:
        with pytest.raises(DuplicateZoneError, match="'tien-du' is there twice"):
            ZoneTree([*BAC_NINH, zone("tien-du")])

    def test_an_orphan(self) -> None:
        with pytest.raises(OrphanZoneError, match="'lost' stands in 'away'") as caught:
            ZoneTree([*BAC_NINH, zone("lost", "away")])
        assert caught.value.parent_id == "away"

    def test_a_zone_that_is_its_own_parent(self) -> None:
        with pytest.raises(ZoneCycleError, match="'self' is its own ancestor"):
            ZoneTree([*BAC_NINH, zone("self", "self")])

    def test_a_cycle_and_names_a_zone_on_it(self) -> None:
        """'a' merely hangs below the cycle; naming it would mislead."""
        zones = [zone("a", "b"), zone("b", "c"), zone("c", "d"), zone("d", "b")]
        with pytest.raises(ZoneCycleError) as caught:
            ZoneTree([*BAC_NINH, *zones])
        assert caught.value.zone_id in {"b", "c", "d"}


@given(zones=zone_lists(), data=st.data())
def test_law_covered_is_what_a_walk_finds(
    zones: list[Zone], data: st.DataObject
) -> None:
    tree = ZoneTree(zones)
    known = [each.id for each in zones]
    chosen = data.draw(st.lists(st.sampled_from(known), max_size=5)) if known else []
    covered = tree.covered(chosen)
    assert covered == set().union(*(below(zones, each) for each in chosen))
    for zone_id in covered:
        assert {zone_id, *tree.ancestors(zone_id)} & set(chosen)


@given(before=zone_lists(), after=zone_lists(), data=st.data())
def test_law_renumbering_keeps_the_names(
    before: list[Zone], after: list[Zone], data: st.DataObject
) -> None:
    """Ids overlap at random between the two trees, in another order."""
    former, present = ZoneTree(before), ZoneTree(after)
    zones = data.draw(st.integers(0, run(0, len(former))))
    renumbered = present.renumbering(former)(zones)
    kept = {name for name in former.names(zones) if name in present}
    assert set(present.names(renumbered)) == kept
    missing = former.names(former.missing_from(present))
    assert set(missing) == {each.id for each in before if each.id not in present}


@given(st.integers(0, 2**70))
def test_law_runs_put_together_are_the_set(zones: int) -> None:
    found = list(runs(zones))
    assert sum(run(start, length) for start, length in found) == zones
    ends = [start + length for start, length in found]
    assert all(end < start for end, (start, _) in zip(ends, found[1:], strict=False))


def test_depth_has_no_bound() -> None:
    chain = [zone("0"), *(zone(str(n), str(n - 1)) for n in range(1, 5_000))]
    tree = ZoneTree(chain)
    assert len(tree.covered(["1"])) == 4_999
    assert len(tree.ancestors("4999")) == 4_999
