"""What is told about a broadcast at one instant."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.air.arbiter import Arbiter
from streamer.studio.broadcast import (
    BroadcastStatus,
    HeardBy,
    State,
    ZoneHearing,
)
from streamer.studio.live import Live


def status_of(
    live: Live, air: Arbiter, listeners: Mapping[str, int]
) -> BroadcastStatus:
    """Return the status of *live*, given the air and the listeners by zone."""
    request, airing, end = live.request, live.airing, live.end
    heard = frozenset() if end else frozenset(air.assignment.heard_zone_ids(live.id))
    return BroadcastStatus(
        id=live.id,
        title=request.title,
        programme_class=request.programme_class,
        source_kind=request.source_kind,
        zone_ids=request.zone_ids,
        state=_state(live, heard),
        started_utc=live.started_utc,
        ended_utc=end.ended_utc if end else None,
        end_reason=end.reason if end else None,
        end_detail=end.detail if end else None,
        started_by=request.started_by,
        accepted_clock_us=live.accepted_ns // 1000,
        ssrc=live.ssrc,
        level=None if airing is None or end else airing.level,
        heard_by=_heard_by(request.zone_ids, air, heard, listeners),
        recording=live.recording if airing is None else airing.recording,
        frames=live.frames if airing is None else airing.frames,
    )


def _state(live: Live, heard: frozenset[str]) -> State:
    if live.end is not None:
        return State.ENDED
    if not heard:
        return State.WAITING
    if live.airing is not None and live.airing.is_opening:
        return State.OPENING
    return State.ON_AIR


def _heard_by(
    zone_ids: tuple[str, ...],
    air: Arbiter,
    heard: frozenset[str],
    listeners: Mapping[str, int],
) -> HeardBy:
    """Count listeners; a zone aimed at stands for all below it."""
    zones = tuple(
        _hearing(zone_id, air.tree.covered([zone_id]) & heard, listeners)
        for zone_id in zone_ids
        if zone_id in air.tree
    )
    return HeardBy(zones, sum(listeners.get(each, 0) for each in heard))


def _hearing(
    zone_id: str, heard: frozenset[str], listeners: Mapping[str, int]
) -> ZoneHearing:
    count = sum(listeners.get(each, 0) for each in heard)
    return ZoneHearing(zone_id, bool(heard), count)
