"""Tests of streamer.studio.audience: sums against counting one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.studio.audience import Audience

PARENTS = st.lists(st.integers(0, 20), max_size=20)


def make_tree(parents: list[int]) -> ZoneTree:
    """Zone k stands in zone ``parents[k] % k``; zone 0 is the root."""
    zones = [Zone("0", None, "", ZoneLevel.PROVINCE)]
    for number, parent in enumerate(parents, 1):
        zones.append(Zone(str(number), str(parent % number), "", ZoneLevel.VILLAGE))
    return ZoneTree(zones)


@given(
    PARENTS, st.dictionaries(st.integers(0, 25).map(str), st.integers(0, 9)), st.data()
)
def test_a_sum_is_what_counting_gives(
    parents: list[int], listeners: dict[str, int], data: st.DataObject
) -> None:
    tree = make_tree(parents)
    audience = Audience(tree, listeners)
    ids = [zone.id for zone in tree]
    chosen = data.draw(st.lists(st.sampled_from(ids)))
    counted = sum(listeners.get(each, 0) for each in tree.covered(chosen))
    assert audience.of(tree.cover(chosen)) == counted
    assert [audience.in_zone(each) for each in ids] == [
        listeners.get(each, 0) for each in ids
    ]
