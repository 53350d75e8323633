"""The arbiter: holds the state of the air and answers each change with a step (pure).

It owns no clock: the media instant of a change is an argument and comes back in the
events. It decides everything anew at each change; see README.md for what that costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamer.air.admission import check, check_free
from streamer.air.assignment import Assignment, assign, cover
from streamer.air.conduct import (
    AirOrder,
    Conduct,
    EndCause,
    OrderKind,
    accepted,
    turned,
)
from streamer.air.difference import (
    AirState,
    AirStep,
    advance,
    departure,
    difference,
    moved,
)
from streamer.air.errors import NotInQueueError, UnknownProgrammeError
from streamer.air.precedence import reordered
from streamer.air.priority import AirProgramme, Comeback, Standing, standing
from streamer.air.silence import EVERYWHERE, silent_zones
from streamer.air.zones import ZoneSet, ZoneTree
from streamer.wire.control import ProgrammeClass


class Arbiter:
    """Decides what each zone hears as programmes come and go.

    ::

        arbiter = Arbiter(tree)
        step = arbiter.add(programme, at_ns=origin_ns)
        for switch in step.switches:
            ...

    A method that raises has changed nothing. Any step may hold orders about other
    programmes than the one it is about; those it ends are off the air already. Calls
    of one instant may come in any order: README.md says what they have in common.

    Args:
        tree: The zones.
        silences: Zones that were silenced when the server ended, or `EVERYWHERE`;
            those that are not in the tree are remembered.
    """

    def __init__(self, tree: ZoneTree, *, silences: Iterable[str] = ()) -> None:
        self._programmes: dict[str, AirProgramme] = {}
        self._standings: dict[str, Standing] = {}
        self._conducts: dict[str, Conduct] = {}
        self._silences = frozenset(silences)
        self._state = AirState(
            Assignment(tree, {}, {}, silent_zones(tree, self._silences))
        )

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

    @property
    def conducts(self) -> Mapping[str, Conduct]:
        """What the source of each programme on the air does."""
        return dict(self._conducts)

    @property
    def silences(self) -> frozenset[str]:
        """What was named to `silence` and not lifted; all below is silent too."""
        return self._silences

    @property
    def next_deadline_ns(self) -> int | None:
        """The first instant at which `expire` ends somebody; None if it never will."""
        deadlines = (
            self._conducts[each.id].deadline_ns(each)
            for each in self._programmes.values()
            if each.skip_after_ns is not None
        )
        return min((last + 1 for last in deadlines if last is not None), default=None)

    def interrupted_zone_ids(self, programme_id: str) -> tuple[str, ...]:
        """Return where the programme was heard before it was interrupted there."""
        return self.tree.names(self._state.interrupted.get(programme_id, 0))

    def add(self, programme: AirProgramme, *, at_ns: int) -> AirStep:
        """Put *programme* on the air from the media instant *at_ns* on.

        Raises:
            DuplicateProgrammeError: Its id is on the air already.
            AimlessProgrammeError: It names no zone.
            AirFullError: `MAX_PROGRAMMES` are on the air.
            UnknownZoneError: It names a zone that is not in the tree.
            ZonesHeldError: It would have to wait, and was told not to.
        """
        check(programme, self._programmes, self.tree)
        covered = cover(self.tree, programme)
        check_free(programme, covered, self.assignment, self._standings)
        self._programmes[programme.id] = programme
        self._standings[programme.id] = standing(programme)
        self._conducts[programme.id], begun = accepted(programme, at_ns)
        covers = self._ordered({**self.assignment.covers, programme.id: covered})
        return self._decide(covers, at_ns, begun)

    def remove(self, programme_id: str, *, at_ns: int) -> AirStep:
        """Take a programme off the air from the media instant *at_ns* on.

        Raises:
            UnknownProgrammeError: It is not on the air.
        """
        self._known(programme_id)
        self._forget(programme_id)
        return self._decide(self.assignment.covers, at_ns)

    def expire(self, at_ns: int) -> AirStep:
        """End those that nobody has heard for longer than they may be late.

        Every other change does so too, before its own part: it does not matter how
        exactly this is called at `next_deadline_ns`.
        """
        return self._decide(self.assignment.covers, at_ns)

    def silence(self, zone_ids: Iterable[str], *, at_ns: int) -> AirStep:
        """Let *zone_ids* and all below them hear nothing, whatever its class.

        It holds until `lift`, for zones that come later too; `EVERYWHERE` names all
        of them, also roots that come later.

        Raises:
            UnknownZoneError: One of them is not in the tree.
        """
        named = frozenset(zone_ids)
        self.tree.cover(named - {EVERYWHERE})
        self._silences |= named
        return self.expire(at_ns)

    def lift(self, zone_ids: Iterable[str], *, at_ns: int) -> AirStep:
        """Take back the silence of *zone_ids*; who was interrupted comes back.

        A zone stays silent below one that is silenced itself, and while `EVERYWHERE`
        is. Naming one that was not silenced does nothing.
        """
        self._silences -= frozenset(zone_ids)
        return self.expire(at_ns)

    def reorder(self, programme_ids: Iterable[str], *, at_ns: int) -> AirStep:
        """Let priority programmes stand in this order, before those not named.

        It decides who is next: whoever is heard keeps the zones where it is.

        Raises:
            UnknownProgrammeError: One is not on the air.
            NotInQueueError: One is not a priority programme.
        """
        wanted = tuple(programme_ids)
        for each in wanted:
            if self._known(each).programme_class is not ProgrammeClass.PRIORITY:
                raise NotInQueueError(each)
        covers, heard = self.assignment.covers, self.assignment.heard
        queue = [each for each in covers if self._is_priority(each)]
        # They exchange the places that they have, so later ones come behind them.
        places = [self._standings[each] for each in queue]
        order = reordered(queue, wanted, covers, heard)
        self._standings.update(zip(order, places, strict=True))
        return self._decide(self._ordered(covers), at_ns)

    def replace_tree(self, tree: ZoneTree, *, at_ns: int) -> AirStep:
        """Go on with another tree.

        What is heard in a zone that is gone ends there; a zone that is new or was
        moved hears at once what covers its place. A programme keeps what it was
        aimed at: one whose zones are all gone is heard nowhere, but is not over.
        """
        left = departure(self._state, tree, at_ns)
        self._state = moved(self._state, tree)
        covers = {
            each: cover(tree, self._programmes[each])
            & ~self._state.dropped.get(each, 0)
            for each in self.assignment.covers
        }
        came = self._decide(covers, at_ns)
        events, switches = left.events + came.events, left.switches + came.switches
        return AirStep(at_ns, events, switches, came.orders)

    def _known(self, programme_id: str) -> AirProgramme:
        try:
            return self._programmes[programme_id]
        except KeyError:
            raise UnknownProgrammeError(programme_id) from None

    def _is_priority(self, programme_id: str) -> bool:
        kind = self._programmes[programme_id].programme_class
        return kind is ProgrammeClass.PRIORITY

    def _ordered(self, covers: Mapping[str, ZoneSet]) -> Mapping[str, ZoneSet]:
        """Return *covers* with the one that goes before all others first."""
        # The id is there for whoever comes back under an id whose place was given on.
        ids = sorted(covers, key=lambda e: (self._standings[e], e), reverse=True)
        return {each: covers[each] for each in ids}

    def _forget(self, programme_id: str) -> None:
        del self._programmes[programme_id], self._standings[programme_id]
        del self._conducts[programme_id]

    def _skip(self, at_ns: int) -> tuple[AirOrder, ...]:
        """Forget who is too late; nobody hears them, so no zone changes by it."""
        late = [
            each.id
            for each in self._programmes.values()
            if each.skip_after_ns is not None
            and (last_ns := self._conducts[each.id].deadline_ns(each)) is not None
            and last_ns < at_ns
        ]
        return self._ended(late, EndCause.SKIPPED, at_ns)

    def _ended(
        self, programme_ids: Iterable[str], cause: EndCause, at_ns: int
    ) -> tuple[AirOrder, ...]:
        orders = []
        for each in programme_ids:
            self._forget(each)
            orders.append(AirOrder(at_ns, OrderKind.END, each, cause=cause))
        return tuple(orders)

    def _decide(
        self,
        covers: Mapping[str, ZoneSet],
        at_ns: int,
        begun: tuple[AirOrder, ...] = (),
    ) -> AirStep:
        """Decide everything anew among those of *covers* who are not over."""
        before, skipped = self._state, self._skip(at_ns)
        covers = {e: zones for e, zones in covers.items() if e in self._programmes}
        chosen = assign(self.tree, covers, silent_zones(self.tree, self._silences))
        dropping = [
            e.id for e in self._programmes.values() if e.comeback is Comeback.DROP
        ]
        self._state = after = advance(before, chosen, at_ns, dropping)
        over = [each for each in covers if each not in after.assignment.covers]
        ends = skipped + self._ended(over, EndCause.DROPPED, at_ns)
        orders = ends + self._turn(before, at_ns) + begun
        ordered = tuple(sorted(orders, key=lambda each: _LISTED[each.kind]))
        late = {each.programme_id for each in skipped}
        return difference(before, after, at_ns, late, ordered)

    def _turn(self, before: AirState, at_ns: int) -> tuple[AirOrder, ...]:
        """Let those stand still or run who are heard nowhere, or somewhere, by now."""
        heard = self.assignment.heard
        changed = before.assignment.heard.keys() ^ heard.keys()
        orders: list[AirOrder] = []
        for each in self.assignment.covers if changed else ():
            if each in changed:
                programme, conduct = self._programmes[each], self._conducts[each]
                self._conducts[each], given = turned(
                    programme, conduct, heard=each in heard, at_ns=at_ns
                )
                orders += given
        return tuple(orders)


_LISTED = {kind: place for place, kind in enumerate(OrderKind)}
