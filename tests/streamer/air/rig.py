"""A small forest and short words for programmes, shared by the tests of the air."""

from __future__ import annotations

from typing import Any

from streamer.air.arbiter import Arbiter
from streamer.air.difference import AirStep
from streamer.air.priority import AirProgramme, Origin
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.wire.control import ProgrammeClass

BACKGROUND, NORMAL = ProgrammeClass.BACKGROUND, ProgrammeClass.NORMAL
PRIORITY, EMERGENCY = ProgrammeClass.PRIORITY, ProgrammeClass.EMERGENCY


def zone(zone_id: str, parent_id: str | None = None) -> Zone:
    return Zone(zone_id, parent_id, zone_id, ZoneLevel.VILLAGE)


ZONES = (zone("p"), zone("a", "p"), zone("a1", "a"), zone("b", "p"))


def programme(
    name: str,
    zone_ids: str,
    order: int,
    kind: ProgrammeClass = NORMAL,
    **more: Any,
) -> AirProgramme:
    origin = more.pop("origin", Origin.COMMUNE)
    return AirProgramme(name, kind, origin, tuple(zone_ids.split()), order, **more)


def told(step: AirStep) -> list[str]:
    """The events of *step*, a line each."""
    lines = []
    for event in step.events:
        by = f" by {event.by}" if event.by else " by silence" if event.silenced else ""
        cause = f" ({event.cause})" if event.cause else ""
        where = " ".join(event.zone_ids)
        lines.append(f"{event.programme_id} {event.kind}{by}{cause}: {where}")
    return lines


def ordered(step: AirStep) -> list[str]:
    """The orders of *step*, each as a few words."""
    for order in step.orders:
        assert order.at_ns == step.at_ns
    return [
        f"{order.programme_id} {order.kind}"
        + (" again" if order.restart else "")
        + (f" ({order.cause})" if order.cause else "")
        for order in step.orders
    ]


class Air:
    """An arbiter whose clock moves by one with every call, unless told otherwise."""

    def __init__(self, *silences: str) -> None:
        self.arbiter = Arbiter(ZoneTree(ZONES), silences=silences)
        self.count = 0

    def now(self) -> int:
        self.count += 1
        return self.count

    def add(
        self,
        name: str,
        zone_ids: str,
        kind: ProgrammeClass = NORMAL,
        at_ns: int | None = None,
        **more: Any,
    ) -> AirStep:
        order = self.now()
        made = programme(name, zone_ids, order, kind, **more)
        return self.arbiter.add(made, at_ns=order if at_ns is None else at_ns)

    def remove(self, name: str, at_ns: int | None = None) -> AirStep:
        count = self.now()
        return self.arbiter.remove(name, at_ns=count if at_ns is None else at_ns)

    def winners(self) -> str:
        """Who is heard in p, a, a1, b."""
        found = self.arbiter.assignment.winners()
        return " ".join(found.get(each.id, "-") for each in ZONES)
