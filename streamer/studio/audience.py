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
        listeners: How many, by zone.
    """

    def __init__(self, tree: ZoneTree, listeners: Mapping[str, int]) -> None:
        self.tree = tree
        counts = [0] * (len(tree) + 1)
        for zone_id, count in listeners.items():
            if zone_id in tree:
                counts[tree.number(zone_id) + 1] = count
        self._totals = list(accumulate(counts))

    def of(self, zones: ZoneSet) -> int:
        """Return how many listen in *zones*, a set of the tree's numbers."""
        return sum(
            self._totals[start + length] - self._totals[start]
            for start, length in runs(zones)
        )

    def in_zone(self, zone_id: str) -> int:
        """Return how many listen in a zone of the tree itself, not below it."""
        number = self.tree.number(zone_id)
        return self._totals[number + 1] - self._totals[number]
