"""From what a client asks for to what the studio is told, if the client may."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.air.priority import Origin
from streamer.air.zones import ZoneLevel, ZoneTree
from streamer.api.principals import Principal, forbidden
from streamer.api.problems import Problem
from streamer.api.requests import FileSource, MicrophoneSource, NewBroadcast, ToneSource
from streamer.api.services import Services
from streamer.studio.broadcast import BroadcastRequest

_ORIGINS = {
    ZoneLevel.PROVINCE: Origin.PROVINCE,
    ZoneLevel.COMMUNE: Origin.COMMUNE,
    ZoneLevel.VILLAGE: Origin.VILLAGE,
    ZoneLevel.CLUSTER: Origin.VILLAGE,
}


def order(
    new: NewBroadcast, principal: Principal, services: Services
) -> BroadcastRequest:
    """Return what the studio shall start.

    Raises:
        Problem: The principal may not broadcast there or from that microphone.
    """
    zone_ids = tuple(dict.fromkeys(new.zone_ids))
    demand_zones(principal, zone_ids, services.studio.tree)
    if isinstance(new.source, MicrophoneSource):
        demand_session(principal, new.source.session_id, services)
    return BroadcastRequest(
        source=new.source,
        source_kind=new.source.kind,
        source_detail=_detail(new.source),
        zone_ids=zone_ids,
        programme_class=new.programme_class,
        origin=origin_of(principal, services.studio.tree),
        title=new.title,
        chime=new.chime,
        started_by=principal.name,
        token_id=principal.id,
    )


def may_air(principal: Principal, zone_ids: Sequence[str], tree: ZoneTree) -> bool:
    """Return whether a principal's zone covers all of *zone_ids*."""
    if principal.zone_id is None:
        return True
    if principal.zone_id not in tree:
        return False
    return tree.covered([principal.zone_id]).issuperset(zone_ids)


def demand_zones(principal: Principal, zone_ids: Sequence[str], tree: ZoneTree) -> None:
    """Raise a problem unless the zones are there and the principal's."""
    unknown = [each for each in zone_ids if each not in tree]
    if unknown:
        named = ", ".join(map(repr, unknown[:5]))
        raise Problem(422, "unknown-zone", f"Not in the zone tree: {named}.")
    if not may_air(principal, zone_ids, tree):
        raise forbidden(f"You may broadcast in {principal.zone_id!r} and below only.")


def demand_session(principal: Principal, session_id: str, services: Services) -> None:
    """Raise a problem unless the microphone is there and the principal's."""
    owner_id = services.microphones.owner_of(session_id)
    if owner_id is None:
        raise Problem(422, "unknown-session", "This microphone is not connected.")
    if owner_id != principal.id:
        raise forbidden("This microphone is somebody else's.")


def origin_of(principal: Principal, tree: ZoneTree) -> Origin:
    """Return whose voice it is: that of the zone which the token is bound to."""
    if principal.zone_id is None or principal.zone_id not in tree:
        return Origin.PROVINCE
    return _ORIGINS[tree[principal.zone_id].level]


def _detail(source: FileSource | ToneSource | MicrophoneSource) -> str:
    match source:
        case FileSource():
            return source.file_id
        case ToneSource():
            return source.pattern
        case MicrophoneSource():
            return source.session_id
