"""The arbiter: holds the state of the air and answers each change with a step (pure).

It owns no clock: the media instant of a change is an argument and comes back in the
events. It decides everything anew at each change; see README.md for what that costs.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.air.assignment import Assignment, assign, cover
from streamer.air.difference import (
    AirState,
    AirStep,
    advance,
    departure,
    difference,
    moved,
)
from streamer.air.priority import AirProgramme
from streamer.air.zones import ZoneSet, ZoneTree


class ProgrammeError(Exception):
    """A programme cannot be put on the air or taken off it.

    Attributes:
        programme_id: The programme at fault.
    """

    def __init__(self, programme_id: str, problem: str) -> None:
        super().__init__(f"programme {programme_id!r} {problem}")
        self.programme_id = programme_id


class UnknownProgrammeError(ProgrammeError):
    """No programme on the air has this id."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "is not on the air")


class DuplicateProgrammeError(ProgrammeError):
    """A programme with this id is on the air already."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "is on the air already")


class AimlessProgrammeError(ProgrammeError):
    """The programme is aimed at no zone."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "is aimed at no zone")


class Arbiter:
    """Decides what each zone hears as programmes come and go.

    ::

        arbiter = Arbiter(tree)
        step = arbiter.add(programme, at_ns=origin_ns)
        for switch in step.switches:
            ...

    A method that raises has changed nothing.
    """

    def __init__(self, tree: ZoneTree) -> None:
        self._programmes: dict[str, AirProgramme] = {}
        self._covers: dict[str, ZoneSet] = {}
        self._state = AirState(Assignment(tree, {}, {}))

    @property
    def tree(self) -> ZoneTree:
        """The zones decided about."""
        return self.assignment.tree

    @property
    def assignment(self) -> Assignment:
        """What every zone hears now."""
        return self._state.assignment

    @property
    def programmes(self) -> Mapping[str, AirProgramme]:
        """The programmes on the air by id, whether they are heard or not."""
        return dict(self._programmes)

    def interrupted_zone_ids(self, programme_id: str) -> tuple[str, ...]:
        """Return where the programme was heard before another took the zone."""
        return self.tree.names(self._state.interrupted.get(programme_id, 0))

    def add(self, programme: AirProgramme, *, at_ns: int) -> AirStep:
        """Put *programme* on the air from the media instant *at_ns* on.

        Raises:
            DuplicateProgrammeError: Its id is on the air already.
            AimlessProgrammeError: It names no zone.
            UnknownZoneError: It names a zone that is not in the tree.
        """
        if programme.id in self._programmes:
            raise DuplicateProgrammeError(programme.id)
        if not programme.zone_ids:
            raise AimlessProgrammeError(programme.id)
        self._covers[programme.id] = self.tree.cover(programme.zone_ids)
        self._programmes[programme.id] = programme
        return self._decide(at_ns)

    def remove(self, programme_id: str, *, at_ns: int) -> AirStep:
        """Take a programme off the air from the media instant *at_ns* on.

        Raises:
            UnknownProgrammeError: It is not on the air.
        """
        if programme_id not in self._programmes:
            raise UnknownProgrammeError(programme_id)
        del self._programmes[programme_id], self._covers[programme_id]
        return self._decide(at_ns)

    def replace_tree(self, tree: ZoneTree, *, at_ns: int) -> AirStep:
        """Go on with another tree.

        What is heard in a zone that is gone ends there; a zone that is new or was
        moved hears at once what covers its place. A programme keeps what it was
        aimed at: one whose zones are all gone is heard nowhere, but is not over.
        """
        left = departure(self._state, tree, at_ns)
        self._state = moved(self._state, tree)
        self._covers = {
            each.id: cover(tree, each) for each in self._programmes.values()
        }
        came = self._decide(at_ns)
        return AirStep(at_ns, left.events + came.events, left.switches + came.switches)

    def _decide(self, at_ns: int) -> AirStep:
        before = self._state
        chosen = assign(self.tree, self._programmes.values(), self._covers)
        self._state = advance(before, chosen)
        return difference(before, self._state, at_ns)
