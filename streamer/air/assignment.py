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

    silenced: ZoneSet = 0
    "Where nothing is heard, whatever its class."

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


def decide(
    tree: ZoneTree, programmes: Iterable[AirProgramme], silenced: ZoneSet = 0
) -> Assignment:
    """Give each zone the programme that stands highest of those that cover it.

    A programme's zones that are not in *tree* (deleted while it was on air) count
    for nothing. The order of *programmes* does not matter.
    """
    ordered = sorted(programmes, key=standing, reverse=True)
    return assign(tree, {each.id: cover(tree, each) for each in ordered}, silenced)


def cover(tree: ZoneTree, programme: AirProgramme) -> ZoneSet:
    """Return the zones of *tree* that *programme* is aimed at."""
    there = (each for each in programme.zone_ids if each in tree)
    return alone(tree, there) if programme.exact else tree.cover(there)


def alone(tree: ZoneTree, zone_ids: Iterable[str]) -> ZoneSet:
    """Return *zone_ids* without what is below them; raises `UnknownZoneError`."""
    bits = bytearray(b"0") * max(1, len(tree))
    for zone_id in zone_ids:
        bits[-1 - tree.number(zone_id)] = ord("1")  # the lowest number comes last
    return int(bits, 2)


def assign(
    tree: ZoneTree, covers: Mapping[str, ZoneSet], silenced: ZoneSet = 0
) -> Assignment:
    """Decide where *covers* are known, the programme that goes before all first."""
    heard: dict[str, ZoneSet] = {}
    taken = silenced
    for programme_id, covered in covers.items():
        if won := covered & ~taken:
            heard[programme_id] = won
        taken |= covered
    return Assignment(tree, covers, heard, silenced)
