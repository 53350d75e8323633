"""When the source of a programme runs, stands still and is over (pure).

The arbiter decides who is heard where; what a source does follows from whether it is
heard anywhere at all. Each programme has a `Conduct`, which moves by `MOTIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from streamer.air.priority import AirProgramme


class OrderKind(StrEnum):
    """What the studio is to do with a programme's source."""

    END = "end"
    "The arbiter has taken it off the air already; let the source go."
    HOLD = "hold"
    "Its source stands still from the instant on."
    GO = "go"
    "Its source runs from the instant on."


class EndCause(StrEnum):
    """Why the arbiter itself took a programme off the air, or out of a zone."""

    DROPPED = "dropped"
    "It was interrupted and was told not to come back."
    SKIPPED = "skipped"
    "Nobody had heard it for longer than it may be late."


@dataclass(frozen=True, slots=True)
class AirOrder:
    """One thing the studio has to do because of a step."""

    at_ns: int
    "The media instant handed to the step."

    kind: OrderKind
    programme_id: str
    restart: bool = False
    "Of `GO`: from the source's beginning, not from where it stood."
    cause: EndCause | None = None
    "Of `END`."


class Motion(StrEnum):
    """What a programme's source does."""

    WAITING = "waiting"
    "It has not begun."
    RUNNING = "running"
    HELD = "held"
    "It has begun and stands still."


class Turn(StrEnum):
    """What may set a source in motion or stop it."""

    ACCEPTED = "accepted"
    HEARD = "heard"
    "In a first zone."
    UNHEARD = "unheard"
    "It has lost all its zones."


@dataclass(frozen=True, slots=True)
class Move:
    """A row of `MOTIONS`."""

    motion: Motion
    "What the source does from then on."
    order: OrderKind
    when: str
    "The condition, for README.md."


MOTIONS: dict[tuple[Motion, Turn], Move] = {
    (Motion.WAITING, Turn.ACCEPTED): Move(
        Motion.RUNNING, OrderKind.GO, "it does not wait to begin"
    ),
    (Motion.WAITING, Turn.HEARD): Move(Motion.RUNNING, OrderKind.GO, "always"),
    (Motion.RUNNING, Turn.UNHEARD): Move(
        Motion.HELD, OrderKind.HOLD, "it holds, or began at this very instant"
    ),
    (Motion.HELD, Turn.HEARD): Move(Motion.RUNNING, OrderKind.GO, "always"),
}
"Where a pair is missing, nothing happens."


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one programme stands."""

    motion: Motion
    unheard_since_ns: int
    "Since when nobody hears it; while it is heard, since when nobody had."
    heard_since_ns: int | None = None
    "None while nobody hears it."
    began_ns: int | None = None
    "When its source was first set in motion by being heard."

    def deadline_ns(self, programme: AirProgramme) -> int | None:
        """Return the last instant at which the programme is not too late."""
        if programme.skip_after_ns is None or self.heard_since_ns is not None:
            return None
        return self.unheard_since_ns + programme.skip_after_ns


def accepted(
    programme: AirProgramme, at_ns: int
) -> tuple[Conduct, tuple[AirOrder, ...]]:
    """Return the conduct of a programme that is not heard yet, and its order."""
    waiting = Conduct(Motion.WAITING, at_ns)
    if programme.waits_to_begin:
        return waiting, ()
    return _moved(programme, waiting, Turn.ACCEPTED, at_ns)


def turned(
    programme: AirProgramme, conduct: Conduct, *, heard: bool, at_ns: int
) -> tuple[Conduct, tuple[AirOrder, ...]]:
    """Return what follows when a programme is heard again, or nowhere any more.

    What was heard for no time at all was not heard: the outcome of calls at one
    instant must not depend on their order.
    """
    if heard:
        began_ns = conduct.began_ns
        if conduct.motion is Motion.WAITING:
            began_ns = at_ns
        conduct = replace(conduct, heard_since_ns=at_ns, began_ns=began_ns)
        return _moved(programme, conduct, Turn.HEARD, at_ns)
    if conduct.heard_since_ns != at_ns:
        conduct = replace(conduct, unheard_since_ns=at_ns)
    conduct = replace(conduct, heard_since_ns=None)
    if programme.holds or conduct.began_ns == at_ns:
        return _moved(programme, conduct, Turn.UNHEARD, at_ns)
    return conduct, ()


def _moved(
    programme: AirProgramme, conduct: Conduct, turn: Turn, at_ns: int
) -> tuple[Conduct, tuple[AirOrder, ...]]:
    move = MOTIONS.get((conduct.motion, turn))
    if move is None:
        return conduct, ()
    restart = conduct.motion is Motion.HELD and programme.restarts
    order = AirOrder(at_ns, move.order, programme.id, restart=restart)
    return replace(conduct, motion=move.motion), (order,)
