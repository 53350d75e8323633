"""The zone tree: province, communes, villages, clusters (pure).

Zones are numbered in pre-order, so all that is below a zone is one run of numbers
and a set of zones is an integer: bit i stands for the zone numbered i. Covering,
intersecting and subtracting ten thousand zones are then single operations on
1,250 bytes, which is what lets the arbiter decide everything anew at each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

DEFAULT_PLAYOUT_DELAY_MS = 400
"D where neither a zone nor an ancestor of it says otherwise."

ZoneSet: TypeAlias = int
"Bit i is set when the set holds the zone numbered i; means nothing without its tree."


class ZoneError(Exception):
    """The zones do not make a tree, or one was named that is not there.

    Attributes:
        zone_id: The zone at fault.
    """

    def __init__(self, zone_id: str, problem: str) -> None:
        super().__init__(f"zone {zone_id!r} {problem}")
        self.zone_id = zone_id


class UnknownZoneError(ZoneError):
    """No zone has this id."""

    def __init__(self, zone_id: str) -> None:
        super().__init__(zone_id, "is unknown")


class DuplicateZoneError(ZoneError):
    """Two zones have the same id."""

    def __init__(self, zone_id: str) -> None:
        super().__init__(zone_id, "is there twice")


class OrphanZoneError(ZoneError):
    """A zone's parent is not there."""

    def __init__(self, zone_id: str, parent_id: str) -> None:
        super().__init__(zone_id, f"stands in {parent_id!r}, which is unknown")
        self.parent_id = parent_id


class ZoneCycleError(ZoneError):
    """A zone is its own ancestor."""

    def __init__(self, zone_id: str) -> None:
        super().__init__(zone_id, "is its own ancestor")


class ZoneLevel(StrEnum):
    """What a zone is in the two-level local government and below it."""

    PROVINCE = "province"
    COMMUNE = "commune"
    VILLAGE = "village"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Zone:
    """A node of the tree; stands for everything below it."""

    id: str
    parent_id: str | None
    "None for a root; a server may have several."

    name: str
    level: ZoneLevel
    playout_delay_ms: int | None = None
    "D of the speakers here; None inherits it from the parent."
    public: bool = False
    "Anybody may listen here and below, and learn the names and what is on air."
    emergency_volume_percent: int | None = None
    "No emergency sounds softer than this here; None inherits it from the parent."


class ZoneTree:
    """An immutable forest of zones; equal to another that holds the same zones.

    Siblings are in order of their ids, whatever the order in which they are given.

    Raises:
        DuplicateZoneError: An id is there twice.
        OrphanZoneError: A parent is missing.
        ZoneCycleError: A zone is its own ancestor.
    """

    __slots__ = ("_ends", "_ids", "_numbers", "_zones")

    def __init__(self, zones: Iterable[Zone] = ()) -> None:
        self._zones: Mapping[str, Zone] = _by_id(zones)
        children = _children(self._zones)
        self._ids: tuple[str, ...] = tuple(_pre_order(children))
        if len(self._ids) < len(self._zones):
            raise ZoneCycleError(_on_a_cycle(self._zones, frozenset(self._ids)))
        self._numbers = {zone_id: number for number, zone_id in enumerate(self._ids)}
        self._ends = self._subtree_ends()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ZoneTree):
            return NotImplemented
        return self is other or self._zones == other._zones

    def __hash__(self) -> int:
        return hash(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Zone]:
        """Walk the zones in pre-order: a parent always comes before its children."""
        return (self._zones[zone_id] for zone_id in self._ids)

    def __contains__(self, zone_id: object) -> bool:
        return zone_id in self._zones

    def __getitem__(self, zone_id: str) -> Zone:
        """Return the zone with this id, or raise `UnknownZoneError`."""
        try:
            return self._zones[zone_id]
        except KeyError:
            raise UnknownZoneError(zone_id) from None

    def covered(self, zone_ids: Iterable[str]) -> frozenset[str]:
        """Return the ids of *zone_ids* and of all that is below them.

        Raises:
            UnknownZoneError: One of them is not in the tree.
        """
        return frozenset(self.names(self.cover(zone_ids)))

    def ancestors(self, zone_id: str) -> tuple[str, ...]:
        """Return the ids above *zone_id*, the parent first and the root last."""
        found: list[str] = []
        parent_id = self[zone_id].parent_id
        while parent_id is not None:
            found.append(parent_id)
            parent_id = self._zones[parent_id].parent_id
        return tuple(found)

    def effective_playout_delay_ms(self, zone_id: str) -> int:
        """Return D in *zone_id*: its own, else its nearest ancestor's, else 400 ms."""
        for each_id in (zone_id, *self.ancestors(zone_id)):
            delay_ms = self[each_id].playout_delay_ms
            if delay_ms is not None:
                return delay_ms
        return DEFAULT_PLAYOUT_DELAY_MS

    def effective_emergency_volume_percent(self, zone_id: str) -> int | None:
        """Return the floor of emergencies in *zone_id*: its own, else inherited.

        None when no zone up to the root has one: emergencies sound as all else does.
        """
        for each_id in (zone_id, *self.ancestors(zone_id)):
            percent = self[each_id].emergency_volume_percent
            if percent is not None:
                return percent
        return None

    def is_public(self, zone_id: str) -> bool:
        """Return whether *zone_id* or a zone above it is marked public."""
        marked = (self[each].public for each in (zone_id, *self.ancestors(zone_id)))
        return any(marked)

    def covers(self, zone_id: str, below_id: str) -> bool:
        """Return whether *below_id* is *zone_id* or stands below it.

        Raises:
            UnknownZoneError: One of them is not in the tree.
        """
        start = self.number(zone_id)
        return start <= self.number(below_id) < self._ends[start]

    def number(self, zone_id: str) -> int:
        """Return the zone's number in pre-order, or raise `UnknownZoneError`."""
        try:
            return self._numbers[zone_id]
        except KeyError:
            raise UnknownZoneError(zone_id) from None

    def cover(self, zone_ids: Iterable[str]) -> ZoneSet:
        """Return what `covered` does, as a set of this tree's numbers."""
        bits = bytearray(b"0") * max(1, len(self._ids))
        for zone_id in zone_ids:
            start = self.number(zone_id)
            end = self._ends[start]
            bits[start:end] = b"1" * (end - start)
        return int(bits[::-1], 2)  # the lowest number is the lowest bit

    def names(self, zones: ZoneSet) -> tuple[str, ...]:
        """Return the ids of *zones* in pre-order."""
        found: list[str] = []
        for start, length in runs(zones):
            found += self._ids[start : start + length]
        return tuple(found)

    def missing_from(self, other: ZoneTree) -> ZoneSet:
        """Return the zones of this tree that are not in *other*."""
        bits = ["0" if zone_id in other else "1" for zone_id in reversed(self._ids)]
        return int("".join(bits) or "0", 2)

    def renumbering(self, former: ZoneTree) -> Renumbering:
        """Return how a set of the *former* tree is written by this one's numbers.

        Zones that are no longer there are left out. Applying it costs one step per
        run of zones that kept their order; a zone added or deleted splits one run.
        """
        return Renumbering(tuple(self._kept_runs(former)))

    def _kept_runs(self, former: ZoneTree) -> list[tuple[int, int, int]]:
        """Return (old number, length, new number) of runs that kept their order."""
        kept: list[tuple[int, int, int]] = []
        for old, zone_id in enumerate(former._ids):
            new = self._numbers.get(zone_id)
            if new is None:
                continue
            if kept:
                start, length, target = kept[-1]
                if (start + length, target + length) == (old, new):
                    kept[-1] = (start, length + 1, target)
                    continue
            kept.append((old, 1, new))
        return kept

    def _subtree_ends(self) -> list[int]:
        """Return, for each number, the first number after the zone's subtree."""
        ends = list(range(1, len(self._ids) + 1))
        for number in range(len(self._ids) - 1, -1, -1):
            parent_id = self._zones[self._ids[number]].parent_id
            if parent_id is not None:
                parent = self._numbers[parent_id]
                ends[parent] = max(ends[parent], ends[number])
        return ends


@dataclass(frozen=True, slots=True)
class Renumbering:
    """Translates sets from the numbers of one tree to those of another."""

    kept_runs: tuple[tuple[int, int, int], ...]
    "(former number, length, present number) of zones that kept their order."

    def __call__(self, zones: ZoneSet) -> ZoneSet:
        """Return *zones* by the other tree's numbers."""
        moved: ZoneSet = 0
        for former, length, present in self.kept_runs:
            moved |= (zones >> former & run(0, length)) << present
        return moved


def run(start: int, length: int) -> ZoneSet:
    """Return the set of *length* numbers from *start* on.

    >>> bin(run(2, 3))
    '0b11100'
    """
    return ((1 << length) - 1) << start


def runs(zones: ZoneSet) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of each run of numbers in *zones*, upwards.

    >>> list(runs(0b1011))
    [(0, 2), (3, 1)]
    """
    bits = bin(zones)[:1:-1]  # linear in the bits; the lowest number comes first
    start = bits.find("1")
    while start >= 0:
        end = bits.find("0", start)
        if end < 0:
            end = len(bits)
        yield start, end - start
        start = bits.find("1", end)


def _by_id(zones: Iterable[Zone]) -> dict[str, Zone]:
    found: dict[str, Zone] = {}
    for zone in zones:
        if zone.id in found:
            raise DuplicateZoneError(zone.id)
        found[zone.id] = zone
    return found


def _children(zones: Mapping[str, Zone]) -> dict[str | None, list[str]]:
    """Return the children of each zone by descending id: a stack's order."""
    found: dict[str | None, list[str]] = {}
    for zone_id in sorted(zones, reverse=True):
        parent_id = zones[zone_id].parent_id
        if parent_id is not None and parent_id not in zones:
            raise OrphanZoneError(zone_id, parent_id)
        found.setdefault(parent_id, []).append(zone_id)
    return found


def _pre_order(children: Mapping[str | None, list[str]]) -> Iterator[str]:
    """Walk down from the roots; a loop, so that depth has no bound."""
    waiting = list(children.get(None, ()))
    while waiting:
        zone_id = waiting.pop()
        yield zone_id
        waiting += children.get(zone_id, ())


def _on_a_cycle(zones: Mapping[str, Zone], reached: frozenset[str]) -> str:
    """Return a zone that is its own ancestor (not one that merely hangs below)."""
    seen: set[str] = set()
    zone_id = min(zones.keys() - reached)
    while zone_id not in seen:
        seen.add(zone_id)
        # No root reaches it and no parent is missing, so there is a parent.
        zone_id = str(zones[zone_id].parent_id)
    return zone_id
