"""What every zone hears, decided from the tree and the programmes alone (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streamer.air.priority import AirProgramme, standing
from streamer.air.zones import ZoneSet, ZoneTree


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which programme each zone hears.

    `covers` and `heard` are sets of `tree`'s numbers by programme id, the programme
    that goes before all others first. The sets of `heard` are disjoint.
    """

    tree: ZoneTree
    covers: Mapping[str, ZoneSet]
    "Where each programme would be heard if it were alone; may be nowhere."

    heard: Mapping[str, ZoneSet]
    "Where each programme is heard; one that is heard nowhere is left out."

    def winner(self, zone_id: str) -> str | None:
        """Return the programme that *zone_id* hears, or None for silence.

        Raises:
            UnknownZoneError: The zone is not in the tree.
        """
        number = self.tree.number(zone_id)
        for programme_id, zones in self.heard.items():
            if zones >> number & 1:
                return programme_id
        return None

    def winners(self) -> dict[str, str]:
        """Return the programme of every zone that hears one."""
        return {
            zone_id: programme_id
            for programme_id, zones in self.heard.items()
            for zone_id in self.tree.names(zones)
        }

    def heard_zone_ids(self, programme_id: str) -> tuple[str, ...]:
        """Return where the programme is heard, in the tree's order."""
        return self.tree.names(self.heard.get(programme_id, 0))

    def covered_zone_ids(self, programme_id: str) -> tuple[str, ...]:
        """Return where the programme would be heard if it were alone."""
        return self.tree.names(self.covers.get(programme_id, 0))


def decide(tree: ZoneTree, programmes: Iterable[AirProgramme]) -> Assignment:
    """Give each zone the programme that stands highest of those that cover it.

    A programme's zones that are not in *tree* (deleted while it was on air) count
    for nothing. The order of *programmes* does not matter.
    """
    asked = tuple(programmes)
    return assign(tree, asked, {each.id: cover(tree, each) for each in asked})


def cover(tree: ZoneTree, programme: AirProgramme) -> ZoneSet:
    """Return the zones of *tree* that *programme* is aimed at."""
    return tree.cover(each for each in programme.zone_ids if each in tree)


def assign(
    tree: ZoneTree, programmes: Iterable[AirProgramme], covers: Mapping[str, ZoneSet]
) -> Assignment:
    """Decide where *covers* are known; they are what a big decision spends most on."""
    ordered: dict[str, ZoneSet] = {}
    heard: dict[str, ZoneSet] = {}
    taken: ZoneSet = 0
    for programme in sorted(programmes, key=standing, reverse=True):
        covered = covers[programme.id]
        ordered[programme.id] = covered
        if won := covered & ~taken:
            heard[programme.id] = won
        taken |= covered
    return Assignment(tree, ordered, heard)
