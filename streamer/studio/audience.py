"""How many listen where: counted once, summed over any set of zones (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from streamer.air.zones import ZoneSet, ZoneTree, runs


class Audience:
    """The listeners of a tree's zones at one instant.

    A zone stands for all below it, which is one run of the tree's numbers, so with
    running totals a sum over ten thousand zones is a subtraction.

    Args:
        tree: Zones that are not in it are left out.
        speakers: How many enrolled speakers, by zone.
        others: How many who are no speakers: people who listen by WebRTC.
    """

    def __init__(
        self,
        tree: ZoneTree,
        speakers: Mapping[str, int],
        others: Mapping[str, int] | None = None,
    ) -> None:
        self.tree = tree
        self._speakers = _running_totals(tree, speakers)
        self._others = _running_totals(tree, others or {})

    def speakers_of(self, zones: ZoneSet) -> int:
        """Return how many speakers listen in *zones*, a set of the tree's numbers."""
        return _sum(self._speakers, zones)

    def of(self, zones: ZoneSet) -> int:
        """Return how many listen in *zones*, speakers or not."""
        return self.speakers_of(zones) + _sum(self._others, zones)

    def in_zone(self, zone_id: str) -> int:
        """Return how many listen in a zone of the tree itself, not below it."""
        number = self.tree.number(zone_id)
        return sum(
            totals[number + 1] - totals[number]
            for totals in (self._speakers, self._others)
        )


def _running_totals(tree: ZoneTree, counted: Mapping[str, int]) -> list[int]:
    counts = [0] * (len(tree) + 1)
    for zone_id, count in counted.items():
        if zone_id in tree:
            counts[tree.number(zone_id) + 1] = count
    return list(accumulate(counts))


def _sum(totals: list[int], zones: ZoneSet) -> int:
    return sum(totals[start + length] - totals[start] for start, length in runs(zones))
