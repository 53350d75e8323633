"""Who goes before whom: the order of classes, origins and arrival (pure).

Source: MISSION, "Rules of the air"; issue C, rule 1. The order between two
programmes never depends on what is on air, so the air's state follows from the
programmes alone and unwinding restores what was.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from streamer.wire.control import ProgrammeClass


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


def standing(programme: AirProgramme) -> Standing:
    """Return what decides between *programme* and another in a zone both cover.

    - The higher class.
    - Between emergencies the higher origin, then the latest: a microphone left
      open must not block the next warning.
    - Between priorities, and between normals, the earlier accepted: what is on
      air keeps the zone and the newcomer waits for it.
    - Between backgrounds the latest.
    - The id last, so that the order is total even if an order is given twice.
    """
    rank = CLASS_RANK[programme.programme_class]
    origin_rank, order = 0, programme.accepted_order
    if programme.programme_class is ProgrammeClass.EMERGENCY:
        origin_rank = ORIGIN_RANK[programme.origin]
    elif programme.programme_class is not ProgrammeClass.BACKGROUND:
        order = -order
    return rank, origin_rank, order, programme.id
