"""What is told about a broadcast at one instant."""

from __future__ import annotations

from streamer.air.assignment import Assignment
from streamer.air.zones import ZoneSet
from streamer.studio.audience import Audience
from streamer.studio.broadcast import BroadcastStatus, HeardBy, State, ZoneHearing
from streamer.studio.live import Live


def status_of(live: Live, air: Assignment, audience: Audience) -> BroadcastStatus:
    """Return the status of *live*; *air* and *audience* are of the same tree.

    May be called on any thread: what changes is read once.
    """
    request, airing, end = live.request, live.airing, live.end
    heard = 0 if end else air.heard.get(live.id, 0)
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
        heard_by=_heard_by(request.zone_ids, heard, audience),
        recording=live.recording if airing is None else airing.recording,
        frames=live.frames if airing is None else airing.frames,
    )


def _state(live: Live, heard: ZoneSet) -> State:
    airing = live.airing
    if live.end is not None:
        return State.ENDED
    if live.held:
        return State.HELD
    if not heard:
        return State.WAITING
    if airing is not None and airing.is_opening:
        return State.OPENING
    return State.ON_AIR


def _heard_by(zone_ids: tuple[str, ...], heard: ZoneSet, audience: Audience) -> HeardBy:
    """Count listeners; a zone aimed at stands for all below it."""
    tree = audience.tree
    hearing = [
        (zone_id, tree.cover([zone_id]) & heard)
        for zone_id in zone_ids
        if zone_id in tree
    ]
    return HeardBy(
        tuple(
            ZoneHearing(
                each, bool(zones), audience.of(zones), audience.speakers_of(zones)
            )
            for each, zones in hearing
        ),
        audience.of(heard),
        audience.speakers_of(heard),
    )
