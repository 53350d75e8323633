"""What happens to a programme in a zone, as a table, and a log read back by it (pure).

README.md draws the table. Whoever has only the events, an inspector or a test, learns
from them who was heard where, and that nothing impossible was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from streamer.air.difference import AirEvent, AirEventKind


class Pair(StrEnum):
    """How a programme stands in a zone."""

    WAITING = "waiting"
    "It was not heard there yet; perhaps it will be."
    HEARD = "heard"
    INTERRUPTED = "interrupted"
    "It was heard there and is owed its return."
    GONE = "gone"
    "It was there and is not any more."


@dataclass(frozen=True, slots=True)
class Transition:
    """A row of `TRANSITIONS`."""

    to: Pair
    when: str
    "The condition, for README.md."


TRANSITIONS: dict[tuple[Pair, AirEventKind], Transition] = {
    (Pair.WAITING, AirEventKind.STARTED): Transition(Pair.HEARD, "it wins the zone"),
    (Pair.HEARD, AirEventKind.PREEMPTED): Transition(
        Pair.INTERRUPTED,
        "another wins the zone, or it is silenced; it still covers it",
    ),
    (Pair.INTERRUPTED, AirEventKind.RESUMED): Transition(
        Pair.HEARD, "it wins the zone again"
    ),
    (Pair.HEARD, AirEventKind.ENDED): Transition(
        Pair.GONE,
        "it is over, dropped the zone, or the zone was deleted or moved",
    ),
    (Pair.INTERRUPTED, AirEventKind.ENDED): Transition(
        Pair.GONE, "it is over, or too late, or the zone was deleted or moved"
    ),
    (Pair.GONE, AirEventKind.STARTED): Transition(
        Pair.HEARD, "the zone came back below what it is aimed at, and it wins it"
    ),
}
"Any other pair of state and event is impossible."


class ImpossibleEventError(Exception):
    """A log says what cannot have been.

    Attributes:
        event: The first one that does not fit those before it.
        zone_id: Where.
    """

    def __init__(self, event: AirEvent, zone_id: str, problem: str) -> None:
        super().__init__(f"{event.programme_id!r} in {zone_id!r}: {problem}")
        self.event = event
        self.zone_id = zone_id


class History:
    """Follows the events of the air from its beginning.

    It holds what is heard or interrupted, nothing of what is over.
    """

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._winners: dict[str, str] = {}

    @property
    def winners(self) -> Mapping[str, str]:
        """The programme of every zone that hears one, as the events have it."""
        return self._winners

    @property
    def interrupted(self) -> frozenset[tuple[str, str]]:
        """The (programme, zone) that are owed their return."""
        pairs = self._pairs.items()
        return frozenset(each for each, pair in pairs if pair is Pair.INTERRUPTED)

    def follow(self, events: Iterable[AirEvent]) -> None:
        """Take what happened next.

        Raises:
            ImpossibleEventError: It does not fit; what came before it was taken.
        """
        for event in events:
            for zone_id in event.zone_ids:
                self._take(event, zone_id)

    def _take(self, event: AirEvent, zone_id: str) -> None:
        key = event.programme_id, zone_id
        # Who is gone is forgotten: nothing but a start is possible, as for the new.
        former = self._pairs.get(key, Pair.WAITING)
        transition = TRANSITIONS.get((former, event.kind))
        if transition is None:
            raise ImpossibleEventError(event, zone_id, f"{event.kind} while {former}")
        if transition.to is Pair.HEARD:
            if (holder := self._winners.get(zone_id)) is not None:
                raise ImpossibleEventError(event, zone_id, f"{holder!r} is heard there")
            self._winners[zone_id] = event.programme_id
        elif former is Pair.HEARD:
            del self._winners[zone_id]
        self._pairs[key] = transition.to
        if transition.to is Pair.GONE:
            del self._pairs[key]
