"""From what a client asks for to what the studio is told, if the client may."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from streamer.air.priority import ORIGIN_RANK, Conflict, Origin
from streamer.air.zones import ZoneLevel, ZoneTree
from streamer.api.principals import Principal, Right, forbidden
from streamer.api.problems import Problem
from streamer.api.requests import (
    FileSource,
    MicrophoneSource,
    NewBroadcast,
    RecordingSource,
    RelaySource,
    SourceRequest,
    ToneSource,
)
from streamer.api.services import Services
from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.studio.broadcast import BroadcastRequest, RecordingPart, Repeated
from streamer.studio.live import Live
from streamer.wire.control import ProgrammeClass

_STANDS_STILL = frozenset({"file", "tone", "recording"})
"Kinds of sources that can be held and opened again."

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
    if new.conflict is Conflict.TAKE_OVER:
        principal.demand(Right.ORDER)
    source, duration_s = _source(new, services)
    return BroadcastRequest(
        source=source,
        source_kind=new.source.kind,
        source_detail=_detail(new.source),
        zone_ids=zone_ids,
        programme_class=new.programme_class,
        origin=origin_of(principal, services.studio.tree),
        title=new.title,
        chime=new.chime,
        started_by=principal.name,
        token_id=principal.id,
        role=principal.role,
        conflict=new.conflict,
        comeback=new.comeback,
        can_hold=new.source.kind in _STANDS_STILL,
        skip_after_s=new.skip_after_s,
        replay_share=new.replay_share,
        attention_s=new.attention_s,
        duration_s=duration_s,
    )


def demand_stop(principal: Principal, live: Live, services: Services) -> None:
    """Raise a problem unless the principal may end a broadcast.

    An emergency is ended by its owner, by who speaks for a higher origin, or by an
    admin; nobody else may take a warning off the air.
    """
    request, tree = live.request, services.studio.tree
    demand_zones(principal, [z for z in request.zone_ids if z in tree], tree)
    if request.programme_class is not ProgrammeClass.EMERGENCY:
        return
    rank = ORIGIN_RANK[origin_of(principal, tree)]
    is_higher = principal.may(Right.ORDER) and rank > ORIGIN_RANK[request.origin]
    if not (is_higher or principal.role == "admin" or principal.id == request.token_id):
        raise forbidden("An emergency is ended by its owner, or from above.")


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


def _source(new: NewBroadcast, services: Services) -> tuple[Any, int | None]:
    """Return what the opener is handed, and how long that is if it is known."""
    wanted: Any = new.source
    length_s: float | None = None
    match new.source:
        case FileSource():
            length_s = services.files.duration_s(new.source.file_id)
        case ToneSource():
            length_s = new.source.duration_s
        case RecordingSource():
            start_s, end_s = new.source.from_s, new.source.to_s
            length_s = None if end_s is None else end_s - start_s
            wanted = RecordingPart(
                new.source.broadcast_id,
                round(start_s * SAMPLE_RATE_HZ),
                None if end_s is None else round(end_s * SAMPLE_RATE_HZ),
            )
    if new.repeat is not None:
        gap_samples = round(new.repeat.gap_s * SAMPLE_RATE_HZ)
        return Repeated(wanted, gap_samples, new.attention_s), None
    return wanted, None if length_s is None else math.ceil(length_s)


def _detail(source: SourceRequest) -> str:
    match source:
        case FileSource():
            return source.file_id
        case ToneSource():
            return source.pattern
        case MicrophoneSource():
            return source.session_id
        case RecordingSource():
            return source.broadcast_id
        case RelaySource():
            return shown_url(source.url)


def shown_url(url: str) -> str:
    """Return an address without user, password and query: it goes into the log."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{host}{port}{parts.path}"
