"""The zone tree."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import TypeAdapter

from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.api.access import AirReader, Manager, ServicesHere
from streamer.api.answers import ZoneInfo
from streamer.api.bulk import bulk
from streamer.api.requests import NewZone, ZoneChange

router = APIRouter(prefix="/zones", tags=["zones"])

_ZONES = TypeAdapter(list[ZoneInfo])


@router.get("", response_model=list[ZoneInfo])
async def list_zones(services: ServicesHere, _: AirReader) -> Response:
    """List the zones; a parent always comes before its children."""
    tree = services.studio.tree
    return await bulk(_ZONES, lambda: [_info(tree, zone) for zone in tree])


@router.get("/{zone_id}")
async def get_zone(zone_id: str, services: ServicesHere, _: AirReader) -> ZoneInfo:
    """Return one zone."""
    return _info(services.studio.tree, services.zones.get(zone_id))


@router.post("", status_code=201)
async def create_zone(new: NewZone, services: ServicesHere, _: Manager) -> ZoneInfo:
    """Add a zone; without an id, one is made of its name."""
    zone = await services.zones.create(
        zone_id=new.id,
        parent_id=new.parent_id,
        name=new.name,
        level=ZoneLevel(new.level),
        playout_delay_ms=new.playout_delay_ms,
        public=new.public,
        emergency_volume_percent=new.emergency_volume_percent,
    )
    return _info(services.studio.tree, zone)


@router.patch("/{zone_id}")
async def change_zone(
    zone_id: str, change: ZoneChange, services: ServicesHere, _: Manager
) -> ZoneInfo:
    """Change a zone; speakers hear of it at once."""
    changes = change.model_dump(exclude_unset=True)
    for member in ("name", "public"):
        if member in changes and changes[member] is None:
            del changes[member]  # null means something for the other members only
    zone = await services.zones.change(zone_id, changes)
    return _info(services.studio.tree, zone)


@router.delete("/{zone_id}", status_code=204)
async def delete_zone(zone_id: str, services: ServicesHere, _: Manager) -> Response:
    """Delete a zone in which nothing stands and nothing is heard."""
    await services.zones.delete(zone_id)
    return Response(status_code=204)


def _info(tree: ZoneTree, zone: Zone) -> ZoneInfo:
    return ZoneInfo(
        id=zone.id,
        parent_id=zone.parent_id,
        name=zone.name,
        level=zone.level.value,
        playout_delay_ms=zone.playout_delay_ms,
        effective_playout_delay_ms=tree.effective_playout_delay_ms(zone.id),
        emergency_volume_percent=zone.emergency_volume_percent,
        effective_emergency_volume_percent=tree.effective_emergency_volume_percent(
            zone.id
        ),
        public=zone.public,
        effective_public=tree.is_public(zone.id),
    )
