"""Whether a programme may come on the air at all (pure)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from streamer.air.assignment import Assignment
from streamer.air.errors import (
    AimlessProgrammeError,
    AirFullError,
    DuplicateProgrammeError,
    ZonesHeldError,
)
from streamer.air.priority import AirProgramme, Conflict, Standing, standing
from streamer.air.zones import ZoneSet, ZoneTree
from streamer.wire.control import ProgrammeClass

MAX_PROGRAMMES = 500
"Emergencies on air at once; as many others. Beyond it the newcomer is refused."


def check(
    programme: AirProgramme, present: Mapping[str, AirProgramme], tree: ZoneTree
) -> None:
    """Raise unless *programme* makes sense beside those *present*.

    Raises:
        DuplicateProgrammeError: Its id is on the air already.
        AimlessProgrammeError: It names no zone.
        UnknownZoneError: It names a zone that is not in *tree*.
        AirFullError: `MAX_PROGRAMMES` are on the air.
    """
    if programme.id in present:
        raise DuplicateProgrammeError(programme.id)
    if not programme.zone_ids:
        raise AimlessProgrammeError(programme.id)
    for zone_id in programme.zone_ids:
        tree.number(zone_id)
    if _alike(programme, present.values()) >= MAX_PROGRAMMES:
        raise AirFullError(programme.id)


def check_free(
    programme: AirProgramme,
    covered: ZoneSet,
    now: Assignment,
    standings: Mapping[str, Standing],
) -> None:
    """Raise if *programme* would have to wait in a zone and was told not to.

    An emergency is never refused: it waits for one of a higher origin, and for
    nothing else.

    Raises:
        ZonesHeldError: Somebody holds zones of its own.
    """
    if programme.conflict is not Conflict.REFUSE or is_emergency(programme):
        return
    held = {
        zone_id: holder_id
        for holder_id, zones in now.heard.items()
        if standings[holder_id] > standing(programme)
        for zone_id in now.tree.names(zones & covered)
    }
    if held:
        raise ZonesHeldError(programme.id, held)


def is_emergency(programme: AirProgramme) -> bool:
    """Return whether nothing but another emergency goes before it."""
    return programme.programme_class is ProgrammeClass.EMERGENCY


def _alike(programme: AirProgramme, present: Collection[AirProgramme]) -> int:
    """Count by what the bound counts: no warning is refused because of music."""
    if len(present) < MAX_PROGRAMMES:
        return 0
    urgent = is_emergency(programme)
    return sum(is_emergency(each) is urgent for each in present)
