"""What changed on the air between two instants, as events and as switches (pure).

Each pair of programme and zone lives through one small machine (README.md draws it);
`AirState.interrupted` remembers what the assignment alone cannot tell: which
programmes are owed their return, and where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, reduce
from operator import or_
from typing import TypeAlias

from streamer.air.assignment import Assignment
from streamer.air.zones import ZoneSet, ZoneTree


class AirEventKind(StrEnum):
    """What happened to a programme in a zone.

    A step lists its events in this order: what leaves a zone, then what comes.
    """

    ENDED = "ended"
    "It no longer covers the zone: it is over, or the zone is gone or was moved."
    PREEMPTED = "preempted"
    "Another took the zone; it is owed its return."
    RESUMED = "resumed"
    "It is heard again where it had been preempted."
    STARTED = "started"
    "It is heard where it was not heard before."


@dataclass(frozen=True, slots=True)
class AirEvent:
    """One thing that happened to one programme, in all the zones where it did."""

    at_ns: int
    "The media instant handed to the step."

    kind: AirEventKind
    programme_id: str
    zone_ids: tuple[str, ...]
    "Never empty."

    by: str | None = None
    "Of `PREEMPTED`: the programme that took the zones."


@dataclass(frozen=True, slots=True)
class AirSwitch:
    """Zones that hear something else from now on; what the fan-outs must know."""

    zone_ids: tuple[str, ...]
    programme_id: str | None
    "None for silence."


@dataclass(frozen=True, slots=True)
class AirStep:
    """The outcome of one change."""

    at_ns: int
    events: tuple[AirEvent, ...]
    switches: tuple[AirSwitch, ...]
    "Only zones whose programme changed; each at most once."


@dataclass(frozen=True, slots=True)
class AirState:
    """The whole state of the air."""

    assignment: Assignment
    interrupted: Mapping[str, ZoneSet] = field(default_factory=dict)
    "Where each programme was heard, is not heard now, and is owed its return."


_Change: TypeAlias = tuple[AirEventKind, str, ZoneSet, str | None]


def advance(before: AirState, assignment: Assignment) -> AirState:
    """Return the state once *assignment*, of the same tree, has taken effect."""
    interrupted: dict[str, ZoneSet] = {}
    for programme_id, cover in assignment.covers.items():
        absent = cover & ~assignment.heard.get(programme_id, 0)
        if owed := _present(before, programme_id) & absent:
            interrupted[programme_id] = owed
    return AirState(assignment, interrupted)


def difference(before: AirState, after: AirState, at_ns: int) -> AirStep:
    """Return what happened between two states of the same tree, one after the other."""
    # What a programme gains is told twice, as an event and as a switch.
    names = cache(after.assignment.tree.names)
    changes = sorted(_changes(before, after), key=lambda change: _LISTED[change[0]])
    events = tuple(
        AirEvent(at_ns, kind, programme_id, names(zones), by)
        for kind, programme_id, zones, by in changes
    )
    switches = tuple(
        AirSwitch(names(zones), programme_id)
        for programme_id, zones in _switched(before, after)
    )
    return AirStep(at_ns, events, switches)


def moved(state: AirState, tree: ZoneTree) -> AirState:
    """Return *state* by the numbers of another *tree*; zones not there are left out."""
    renumber = tree.renumbering(state.assignment.tree)

    def renumbered(sets: Mapping[str, ZoneSet]) -> dict[str, ZoneSet]:
        return {each: renumber(zones) for each, zones in sets.items()}

    covers, heard = state.assignment.covers, state.assignment.heard
    assignment = Assignment(tree, renumbered(covers), renumbered(heard))
    return AirState(assignment, renumbered(state.interrupted))


def departure(state: AirState, tree: ZoneTree, at_ns: int) -> AirStep:
    """Return what ends in the zones of *state* that are not in *tree* any more."""
    former = state.assignment.tree
    gone = former.missing_from(tree)
    events = tuple(
        AirEvent(at_ns, AirEventKind.ENDED, programme_id, former.names(zones))
        for programme_id in state.assignment.covers
        if (zones := _present(state, programme_id) & gone)
    )
    silent = _union(state.assignment.heard) & gone
    switches = (AirSwitch(former.names(silent), None),) if silent else ()
    return AirStep(at_ns, events, switches)


_LISTED = {kind: place for place, kind in enumerate(AirEventKind)}


def _changes(before: AirState, after: AirState) -> Iterator[_Change]:
    now, covers = after.assignment.heard, after.assignment.covers
    gained = _gained(before, after)
    # Those that are over come first: they are no longer among the covers.
    for programme_id in {**before.assignment.covers, **covers}:
        present = _present(before, programme_id)
        cover = covers.get(programme_id, 0)
        owed = before.interrupted.get(programme_id, 0)
        won = gained.get(programme_id, 0)
        if ended := present & ~cover:
            yield AirEventKind.ENDED, programme_id, ended, None
        lost = present & ~owed & cover & ~now.get(programme_id, 0)
        yield from _preempted(programme_id, lost, gained)
        if resumed := won & owed:
            yield AirEventKind.RESUMED, programme_id, resumed, None
        if started := won & ~owed:
            yield AirEventKind.STARTED, programme_id, started, None


def _preempted(
    programme_id: str, lost: ZoneSet, gained: Mapping[str, ZoneSet]
) -> Iterator[_Change]:
    """Tell by whom each zone of *lost* was taken; covered zones never fall silent."""
    for winner_id, zones in gained.items() if lost else ():
        if taken := zones & lost:
            yield AirEventKind.PREEMPTED, programme_id, taken, winner_id


def _switched(
    before: AirState, after: AirState
) -> Iterator[tuple[str | None, ZoneSet]]:
    yield from _gained(before, after).items()
    was, now = _union(before.assignment.heard), _union(after.assignment.heard)
    if silent := was & ~now:
        yield None, silent


def _gained(before: AirState, after: AirState) -> dict[str, ZoneSet]:
    """Return where each programme is heard and was not, in order of standing."""
    return {
        programme_id: won
        for programme_id, zones in after.assignment.heard.items()
        if (won := zones & ~_heard(before, programme_id))
    }


def _heard(state: AirState, programme_id: str) -> ZoneSet:
    return state.assignment.heard.get(programme_id, 0)


def _present(state: AirState, programme_id: str) -> ZoneSet:
    """Return where the programme is heard or owed its return."""
    return _heard(state, programme_id) | state.interrupted.get(programme_id, 0)


def _union(sets: Mapping[str, ZoneSet]) -> ZoneSet:
    return reduce(or_, sets.values(), 0)
