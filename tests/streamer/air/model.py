"""The rules of the air once more, zone by zone and in sentences: what is expected.

It shares nothing with the arbiter but the value types; tests hold both to be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamer.air.priority import AirProgramme, Comeback, Conflict, Origin
from streamer.air.zones import Zone
from streamer.wire.control import ProgrammeClass
from tests.streamer.air.rig import BACKGROUND, EMERGENCY, PRIORITY


def lineage(zones: Mapping[str, Zone], zone_id: str) -> list[str]:
    """The zone and its ancestors."""
    found: list[str] = []
    here: str | None = zone_id
    while here is not None:
        found.append(here)
        here = zones[here].parent_id
    return found


def aims_at(zones: Mapping[str, Zone], programme: AirProgramme, zone_id: str) -> bool:
    meant = {zone_id} if programme.exact else set(lineage(zones, zone_id))
    return bool(meant & set(programme.zone_ids))


def beats(one: AirProgramme, two: AirProgramme) -> bool:
    """MISSION's rules and the issue's first, read as sentences; orders are unique."""
    if one.programme_class != two.programme_class:
        classes = list(ProgrammeClass)
        return classes.index(one.programme_class) > classes.index(two.programme_class)
    later = one.accepted_order > two.accepted_order
    if one.programme_class is EMERGENCY:
        origins = list(Origin)
        by_origin = origins.index(one.origin) - origins.index(two.origin)
        return by_origin > 0 or (by_origin == 0 and later)
    if one.programme_class is BACKGROUND:
        return later
    if Conflict.TAKE_OVER in (one.conflict, two.conflict):
        if one.conflict is two.conflict:
            return later
        return one.conflict is Conflict.TAKE_OVER
    return not later


class Model:
    """All that a server knows of the air, kept the slow way."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.zones = {each.id: each for each in zones}
        self.programmes: dict[str, AirProgramme] = {}
        self.silences: set[str] = set()
        self.dropped: set[tuple[str, str]] = set()
        self.playing: dict[str, str] = {}
        self.over: list[str] = []
        "Whom the last change ended of itself."
        self._before: set[tuple[str, str]] = set()
        "Pairs of which an operator said that the first goes before the second."
        self._won_ns: dict[tuple[str, str], int] = {}
        self._heard: set[str] = set()
        self._heard_ns: dict[str, int] = {}
        self._unheard_ns: dict[str, int] = {}

    def add(self, programme: AirProgramme, at_ns: int) -> None:
        self._skip(at_ns)
        self.programmes[programme.id] = programme
        self._unheard_ns[programme.id] = at_ns
        self._settle(at_ns)

    def remove(self, programme_id: str, at_ns: int) -> None:
        self._forget(programme_id)
        self._skip(at_ns)
        self._settle(at_ns)

    def change(self, at_ns: int) -> None:
        """Take what was done to the zones or the silences."""
        self._skip(at_ns)
        here = self.zones
        self.dropped = {(p, z) for p, z in self.dropped if z in here}
        self._won_ns = {(p, z): t for (p, z), t in self._won_ns.items() if z in here}
        self.playing = {z: p for z, p in self.playing.items() if z in here}
        self._settle(at_ns)

    def order(self, priorities: list[str]) -> None:
        """Take the order of all priority programmes that an operator has made."""
        self._before = {
            (one, two)
            for place, one in enumerate(priorities)
            for two in priorities[place + 1 :]
        }

    def held_against(self, programme: AirProgramme) -> dict[str, str]:
        """Where the newcomer would have to wait, and for whom."""
        return {
            zone_id: holder_id
            for zone_id, holder_id in self.playing.items()
            if aims_at(self.zones, programme, zone_id)
            and self._goes_before(self.programmes[holder_id], programme)
        }

    def covers(self, programme: AirProgramme, zone_id: str) -> bool:
        if (programme.id, zone_id) in self.dropped:
            return False
        return aims_at(self.zones, programme, zone_id)

    def winners(self) -> dict[str, str]:
        found: dict[str, AirProgramme] = {}
        for zone_id in self.zones:
            if self.silences & {"*", *lineage(self.zones, zone_id)}:
                continue
            for each in self.programmes.values():
                holder = found.get(zone_id)
                if self.covers(each, zone_id) and (
                    holder is None or self._goes_before(each, holder)
                ):
                    found[zone_id] = each
        return {zone_id: each.id for zone_id, each in found.items()}

    def _goes_before(self, one: AirProgramme, two: AirProgramme) -> bool:
        if one.programme_class is two.programme_class is PRIORITY:
            if (one.id, two.id) in self._before:
                return True
            if (two.id, one.id) in self._before:
                return False
        return beats(one, two)

    def _forget(self, programme_id: str) -> None:
        del self.programmes[programme_id]
        self.dropped = {(p, z) for p, z in self.dropped if p != programme_id}
        self._before = {pair for pair in self._before if programme_id not in pair}

    def _skip(self, at_ns: int) -> None:
        self.over = [
            each.id
            for each in self.programmes.values()
            if each.skip_after_ns is not None
            and each.id not in self._heard
            and at_ns - self._unheard_ns[each.id] > each.skip_after_ns
        ]
        for each in self.over:
            self._forget(each)

    def _settle(self, at_ns: int) -> None:
        former, now = self.playing, self.winners()
        self.playing = now
        lost = {
            (p, z)
            for z, p in former.items()
            if now.get(z) != p
            and p in self.programmes
            and self.programmes[p].comeback is Comeback.DROP
            and self.covers(self.programmes[p], z)
            and self._won_ns.get((p, z)) != at_ns
        }
        self.dropped |= lost
        for zone_id, winner in now.items():
            if former.get(zone_id) != winner:
                self._won_ns[winner, zone_id] = at_ns
        for each in {p for p, _ in lost}:
            if not any(self.covers(self.programmes[each], z) for z in self.zones):
                self.over.append(each)
                self._forget(each)
        self._listen(set(now.values()), at_ns)

    def _listen(self, now: set[str], at_ns: int) -> None:
        for each in now - self._heard:
            self._heard_ns[each] = at_ns
        for each in self._heard - now:
            if self._heard_ns[each] != at_ns:
                self._unheard_ns[each] = at_ns
        self._heard = now
