"""Who goes before whom: the order of classes, origins and arrival (pure).

Source: MISSION, "Rules of the air"; issue C, rules 1 and 3. The order between two
programmes never depends on what is on air, so the air's state follows from the
programmes alone and unwinding restores what was. Only an operator changes it
(`precedence.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from streamer.wire.control import ProgrammeClass


class Conflict(StrEnum):
    """What a newcomer does where a programme of its own class holds a zone.

    It counts for priority and normal. A background programme gives way to the
    latest and an emergency stops for no conflict, whatever they were told.
    """

    WAIT = "wait"
    "It waits there, and is heard where it can be."
    REFUSE = "refuse"
    "It is not taken at all where it would have to wait in any zone."
    TAKE_OVER = "take_over"
    "It goes before all of its class that were accepted earlier, while it lasts."


class Comeback(StrEnum):
    """What becomes of a programme that is interrupted."""

    REJOIN = "rejoin"
    "It runs on; its listeners come back to where it is by then."
    RESUME = "resume"
    "It stands still while nobody hears it, and goes on from there."
    RESTART = "restart"
    "It stands still while nobody hears it, and then begins anew."
    DROP = "drop"
    "It leaves for good the zones it loses; with the last of them it is over."
    REPLAY = "replay"
    "It runs on; who missed much of it gets that part later (`replay.py`)."


class Origin(StrEnum):
    """Whose voice a programme is."""

    VILLAGE = "village"
    COMMUNE = "commune"
    PROVINCE = "province"
    CENTRAL = "central"


CLASS_ORDER = (
    ProgrammeClass.BACKGROUND,
    ProgrammeClass.NORMAL,
    ProgrammeClass.PRIORITY,
    ProgrammeClass.EMERGENCY,
)
"From what gives way to all to what nothing stops."

ORIGIN_ORDER = (Origin.VILLAGE, Origin.COMMUNE, Origin.PROVINCE, Origin.CENTRAL)
"From the nearest to the farthest; counts between emergencies only."

CLASS_RANK = {each: rank for rank, each in enumerate(CLASS_ORDER)}
ORIGIN_RANK = {each: rank for rank, each in enumerate(ORIGIN_ORDER)}

QUEUING = (ProgrammeClass.NORMAL, ProgrammeClass.PRIORITY)
"Within these the one on air keeps the zone and others queue up behind it."

Standing: TypeAlias = tuple[int, int, int, str]
"Comparable; the greater one is heard."


@dataclass(frozen=True, slots=True)
class AirProgramme:
    """A programme that wants to be heard, as the arbiter sees it."""

    id: str
    "The broadcast's id."

    programme_class: ProgrammeClass
    origin: Origin
    zone_ids: tuple[str, ...]
    "What it is aimed at; each stands for all below it. Overlaps are harmless."

    accepted_order: int
    "Grows with each programme accepted by this server; tells early from late."

    conflict: Conflict = Conflict.WAIT
    comeback: Comeback = Comeback.REJOIN
    can_hold: bool = False
    "Its source can stand still: a file, a tone; never a microphone or a relay."
    skip_after_ns: int | None = None
    "It is over once nobody has heard it for longer than this; None waits for ever."
    exact: bool = False
    "Its zones stand for themselves alone, not for what is below them."

    @property
    def waits_to_begin(self) -> bool:
        """Its source begins when its first zone hears it, not when it is accepted."""
        return self.can_hold and self.comeback is not Comeback.REJOIN

    @property
    def holds(self) -> bool:
        """Its source stands still whenever nobody hears it."""
        return self.waits_to_begin and self.comeback is not Comeback.REPLAY

    @property
    def restarts(self) -> bool:
        """Its source goes on from its beginning after it stood still.

        One that drops what it loses is heard again only where it never was.
        """
        return self.comeback in (Comeback.RESTART, Comeback.DROP)


def standing(programme: AirProgramme) -> Standing:
    """Return what decides between *programme* and another in a zone both cover.

    - The higher class.
    - Between emergencies the higher origin, then the latest: a microphone left
      open must not block the next warning.
    - Between priorities, and between normals, those that take over, the latest
      first; then the earlier accepted: what is on air keeps the zone and the
      newcomer waits for it.
    - Between backgrounds the latest.
    - The id last, so that the order is total even if an order is given twice.
    """
    kind = programme.programme_class
    precedence, order = 0, programme.accepted_order
    if kind is ProgrammeClass.EMERGENCY:
        precedence = ORIGIN_RANK[programme.origin]
    elif kind in QUEUING and programme.conflict is Conflict.TAKE_OVER:
        precedence = 1
    elif kind in QUEUING:
        order = -order
    return CLASS_RANK[kind], precedence, order, programme.id
