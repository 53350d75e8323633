"""What changed on the air between two instants, as events and as switches (pure).

Each pair of programme and zone lives through one small machine (`lifecycle.py`);
`AirState` remembers what the assignment alone cannot tell: which programmes are owed
their return, and where, and which zones they have left for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, reduce
from operator import or_
from typing import TypeAlias

from streamer.air.assignment import Assignment
from streamer.air.conduct import AirOrder, EndCause
from streamer.air.zones import ZoneSet, ZoneTree

SILENCE_REACH_NS = 10_000_000_000
"How far back a silence reaches: listeners cut even what they hold already."

_Sets: TypeAlias = Mapping[str, ZoneSet]
"Zones by programme."


class AirEventKind(StrEnum):
    """What happened to a programme in a zone.

    A step lists its events in this order: what leaves a zone, then what comes.
    """

    ENDED = "ended"
    "It no longer covers the zone: it is over, dropped it, or the zone went away."
    PREEMPTED = "preempted"
    "Another took the zone, or it was silenced; it is owed its return."
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
    "Who took the zones, of `PREEMPTED` and of what was dropped; None: a silence."

    cause: EndCause | None = None
    "Of `ENDED`, where the arbiter itself ended it."

    @property
    def silenced(self) -> bool:
        """Whether the programme was interrupted by a silence."""
        return self.kind is AirEventKind.PREEMPTED and self.by is None


@dataclass(frozen=True, slots=True)
class AirSwitch:
    """Zones that hear something else from now on; what the fan-outs must know."""

    zone_ids: tuple[str, ...]
    programme_id: str | None
    "None for silence."

    reach_ns: int = 0
    "How long before the step's instant it takes effect already."


@dataclass(frozen=True, slots=True)
class AirStep:
    """The outcome of one change."""

    at_ns: int
    events: tuple[AirEvent, ...]
    switches: tuple[AirSwitch, ...]
    "Only zones whose programme changed; each at most once."

    orders: tuple[AirOrder, ...] = ()
    "What sources have to do, in the order of `OrderKind`; one each at most."


@dataclass(frozen=True, slots=True)
class AirState:
    """The whole state of the air."""

    assignment: Assignment
    interrupted: _Sets = field(default_factory=dict)
    "Where each programme was heard, is not heard now, and is owed its return."

    dropped: _Sets = field(default_factory=dict)
    "Where each programme was heard and will not be any more; not in its cover."

    won: _Sets = field(default_factory=dict)
    "Where each programme came to be heard at the very instant `won_ns`."

    won_ns: int | None = None


_Change: TypeAlias = tuple[AirEventKind, str, ZoneSet, str | None, EndCause | None]


def advance(
    before: AirState, chosen: Assignment, at_ns: int, dropping: Collection[str] = ()
) -> AirState:
    """Return the state once *chosen*, of the same tree, has taken effect.

    Those of *dropping* leave the zones that they lose for good; one that has no zone
    left is not among the covers any more. What was won and lost within one instant
    was never had, so it is not dropped: the order of calls must not matter.
    """
    fresh = before.won if before.won_ns == at_ns else {}
    lost = _lost(before, chosen, dropping, fresh)
    assignment = _without(chosen, lost)
    interrupted: dict[str, ZoneSet] = {}
    for programme_id, cover in assignment.covers.items():
        absent = cover & ~assignment.heard.get(programme_id, 0)
        if owed := _present(before, programme_id) & absent:
            interrupted[programme_id] = owed
    kept = {e: zones for e, zones in before.dropped.items() if e in chosen.covers}
    won = _united(fresh, _gained(before.assignment, assignment))
    return AirState(assignment, interrupted, _united(kept, lost), won, at_ns)


def difference(
    before: AirState,
    after: AirState,
    at_ns: int,
    skipped: Collection[str] = (),
    orders: tuple[AirOrder, ...] = (),
) -> AirStep:
    """Return what happened between two states of the same tree, one after the other.

    Args:
        before: The earlier one.
        after: What `advance` made of it.
        at_ns: When.
        skipped: Those that are over because they were too late.
        orders: What sources have to do.
    """
    # What a programme gains is told twice, as an event and as a switch.
    names = cache(after.assignment.tree.names)
    gained = _gained(before.assignment, after.assignment)
    changes = sorted(
        _changes(before, after, gained, skipped), key=lambda change: _LISTED[change[0]]
    )
    events = tuple(
        AirEvent(at_ns, kind, programme_id, names(zones), by, cause)
        for kind, programme_id, zones, by, cause in changes
    )
    switches = tuple(
        AirSwitch(names(zones), programme_id, reach_ns)
        for programme_id, zones, reach_ns in _switched(before, after, gained)
    )
    return AirStep(at_ns, events, switches, orders)


def moved(state: AirState, tree: ZoneTree) -> AirState:
    """Return *state* by the numbers of another *tree*; zones not there are left out."""
    renumber = tree.renumbering(state.assignment.tree)

    def renumbered(sets: _Sets) -> dict[str, ZoneSet]:
        return {each: renumber(zones) for each, zones in sets.items()}

    former = state.assignment
    covers, heard = renumbered(former.covers), renumbered(former.heard)
    return AirState(
        Assignment(tree, covers, heard, renumber(former.silenced)),
        renumbered(state.interrupted),
        renumbered(state.dropped),
        renumbered(state.won),
        state.won_ns,
    )


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


def _lost(
    before: AirState, chosen: Assignment, dropping: Collection[str], fresh: _Sets
) -> _Sets:
    """Return what each of *dropping* has just lost, though it still covers it."""
    return {
        each: zones
        for each in dropping
        if (
            zones := _heard(before, each)
            & chosen.covers.get(each, 0)
            & ~chosen.heard.get(each, 0)
            & ~fresh.get(each, 0)
        )
    }


def _without(chosen: Assignment, lost: _Sets) -> Assignment:
    """Return *chosen* without what is *lost*: others hold it, so no winner changes."""
    if not lost:
        return chosen
    covers = {
        each: left
        for each, zones in chosen.covers.items()
        if (left := zones & ~lost.get(each, 0)) or each not in lost
    }
    return Assignment(chosen.tree, covers, chosen.heard, chosen.silenced)


def _changes(
    before: AirState, after: AirState, gained: _Sets, skipped: Collection[str]
) -> Iterator[_Change]:
    now, covers = after.assignment.heard, after.assignment.covers
    # Those that are over come first: they are no longer among the covers.
    for programme_id in {**before.assignment.covers, **covers}:
        present = _present(before, programme_id)
        cover = covers.get(programme_id, 0)
        owed = before.interrupted.get(programme_id, 0)
        won = gained.get(programme_id, 0)
        left = after.dropped.get(programme_id, 0) & present
        for zones, by in _takers(left, gained):
            yield AirEventKind.ENDED, programme_id, zones, by, EndCause.DROPPED
        if ended := present & ~cover & ~left:
            cause = EndCause.SKIPPED if programme_id in skipped else None
            yield AirEventKind.ENDED, programme_id, ended, None, cause
        lost = present & ~owed & cover & ~now.get(programme_id, 0)
        for zones, by in _takers(lost, gained):
            yield AirEventKind.PREEMPTED, programme_id, zones, by, None
        if resumed := won & owed:
            yield AirEventKind.RESUMED, programme_id, resumed, None, None
        if started := won & ~owed:
            yield AirEventKind.STARTED, programme_id, started, None, None


def _takers(lost: ZoneSet, gained: _Sets) -> Iterator[tuple[ZoneSet, str | None]]:
    """Tell by whom each zone of *lost* was taken; None where it was silenced."""
    for winner_id, zones in gained.items() if lost else ():
        if taken := zones & lost:
            yield taken, winner_id
            lost &= ~taken
    if lost:
        yield lost, None


def _switched(
    before: AirState, after: AirState, gained: _Sets
) -> Iterator[tuple[str | None, ZoneSet, int]]:
    for programme_id, zones in gained.items():
        yield programme_id, zones, 0
    was, now = _union(before.assignment.heard), _union(after.assignment.heard)
    silent, silenced = was & ~now, after.assignment.silenced
    if ended := silent & ~silenced:
        yield None, ended, 0
    if cut := silent & silenced:
        yield None, cut, SILENCE_REACH_NS


def _gained(before: Assignment, after: Assignment) -> _Sets:
    """Return where each programme is heard and was not, in order of standing."""
    return {
        programme_id: won
        for programme_id, zones in after.heard.items()
        if (won := zones & ~before.heard.get(programme_id, 0))
    }


def _heard(state: AirState, programme_id: str) -> ZoneSet:
    return state.assignment.heard.get(programme_id, 0)


def _present(state: AirState, programme_id: str) -> ZoneSet:
    """Return where the programme is heard or owed its return."""
    return _heard(state, programme_id) | state.interrupted.get(programme_id, 0)


def _united(one: _Sets, two: _Sets) -> _Sets:
    return {each: one.get(each, 0) | two.get(each, 0) for each in {**one, **two}}


def _union(sets: _Sets) -> ZoneSet:
    return reduce(or_, sets.values(), 0)
