"""The kill switch, and the order of those that wait."""

from __future__ import annotations

from fastapi import APIRouter

from streamer.air.silence import EVERYWHERE
from streamer.air.zones import ZoneTree
from streamer.api.access import AirReader, Orderer, ServicesHere, Silencer
from streamer.api.answers import BroadcastInfo, SilenceInfo
from streamer.api.orders import demand_zones
from streamer.api.principals import Principal, forbidden
from streamer.api.requests import Queue, Silencing, Zones
from streamer.api.routes.broadcasts import describe

router = APIRouter(prefix="/air", tags=["air"])


@router.get("/silences")
async def list_silences(services: ServicesHere, _: AirReader) -> list[SilenceInfo]:
    """List the zones that hear nothing until that is lifted."""
    return [
        SilenceInfo(
            zone_id=each.zone_id,
            since_utc=each.since_utc,
            by=services.tokens.name_of(each.by),
            reason=each.reason,
        )
        for each in services.studio.desk.silences
    ]


@router.post("/silence")
async def silence(
    wanted: Silencing, services: ServicesHere, admin: Silencer
) -> list[SilenceInfo]:
    """Let zones and all below them hear nothing, at once, until it is lifted.

    Everything is all below the zone that the admin is bound to; for one who is bound
    to none it is `*`: roots that are made while it holds are silent, too.
    """
    zone_ids = wanted.zone_ids or [admin.zone_id or EVERYWHERE]
    _demand(admin, zone_ids, services.studio.tree)
    services.studio.desk.silence(zone_ids, by=admin.id, reason=wanted.reason)
    return await list_silences(services, admin)


@router.post("/lift")
async def lift(
    wanted: Zones, services: ServicesHere, admin: Silencer
) -> list[SilenceInfo]:
    """Take silences back; a zone stays silent below one that is silenced itself."""
    desk, tree = services.studio.desk, services.studio.tree
    zone_ids = wanted.zone_ids or [each.zone_id for each in desk.silences]
    if wanted.everything and admin.zone_id is not None:
        reach = tree.covered([admin.zone_id]) if admin.zone_id in tree else frozenset()
        zone_ids = [each for each in zone_ids if each in reach]
    # A zone that is gone can be named, too: were it to come back, it would be silent.
    _demand(admin, [e for e in zone_ids if e in tree or e == EVERYWHERE], tree)
    desk.lift(zone_ids, by=admin.id)
    return await list_silences(services, admin)


@router.post("/queue")
async def reorder(
    queue: Queue, services: ServicesHere, operator: Orderer
) -> list[BroadcastInfo]:
    """Let priority broadcasts that wait be heard in this order, before others."""
    studio = services.studio
    lives = [studio.find(each) for each in queue.broadcast_ids]
    for live in lives:
        if live is not None:
            there = [each for each in live.request.zone_ids if each in studio.tree]
            demand_zones(operator, there, studio.tree)
    studio.desk.reorder(queue.broadcast_ids, by=operator.id)
    return [describe(live, services) for live in lives if live is not None]


def _demand(admin: Principal, zone_ids: list[str], tree: ZoneTree) -> None:
    """Raise a problem unless these, which may be everything, are the admin's."""
    if EVERYWHERE in zone_ids and admin.zone_id is not None:
        raise forbidden(f"You may silence {admin.zone_id!r} and below only.")
    demand_zones(admin, [each for each in zone_ids if each != EVERYWHERE], tree)
