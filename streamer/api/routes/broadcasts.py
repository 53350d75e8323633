"""Broadcasts: start, look, stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter

from streamer.air.assignment import Assignment
from streamer.api.access import AirReader, Broadcaster, ServicesHere
from streamer.api.answers import (
    AirInfo,
    BroadcastInfo,
    HeardBy,
    IntervalInfo,
    RecordingState,
    ZoneHearing,
)
from streamer.api.bulk import bulk
from streamer.api.orders import demand_stop, order
from streamer.api.requests import NewBroadcast
from streamer.api.services import Services
from streamer.store.records import Broadcast
from streamer.studio.audience import Audience
from streamer.studio.errors import AlreadyEndedError
from streamer.studio.live import Live
from streamer.studio.status import status_of

router = APIRouter(tags=["broadcasts"])

_AIR = TypeAdapter(list[AirInfo])
_BROADCASTS = TypeAdapter(list[BroadcastInfo])
_INTERVALS = TypeAdapter(list[IntervalInfo])

STOP_WAIT_S = 0.5
"A stop is answered when the last sound is sent, but no later than this."

LOG_WAIT_S = 1.0
"The log is read when it is up to date, but no later than this."


@router.get("/air", response_model=list[AirInfo])
async def air(services: ServicesHere, _: AirReader) -> Response:
    """Tell what every zone hears now."""
    studio = services.studio
    assignment, audience = studio.air.assignment, services.census.take()
    on_air = {live.id: live for live in studio.on_air()}

    def build() -> list[AirInfo]:
        winners = assignment.winners()
        return [
            _air_info(
                zone.id,
                on_air.get(winners.get(zone.id, "")),
                audience.in_zone(zone.id),
            )
            for zone in assignment.tree
        ]

    return await bulk(_AIR, build)


@router.post("/broadcasts", status_code=201)
async def start_broadcast(
    new: NewBroadcast,
    services: ServicesHere,
    broadcaster: Broadcaster,
    response: Response,
) -> BroadcastInfo:
    """Put a broadcast on the air, now."""
    live = await services.studio.start(order(new, broadcaster, services))
    response.headers["Location"] = f"/api/v1/broadcasts/{live.id}"
    return describe(live, services)


@router.get("/broadcasts", response_model=list[BroadcastInfo])
async def list_broadcasts(
    services: ServicesHere,
    _: AirReader,
    state: Literal["on_air", "ended"] | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """List broadcasts, the latest first."""
    studio = services.studio
    lives = [] if state == "ended" else studio.on_air()
    stored: list[Broadcast] = []
    if state != "on_air":
        stored = await services.store.broadcasts.latest(on_air=False, limit=limit)
        lives += studio.recently_ended()  # the log may be behind
    air, audience = studio.air.assignment, services.census.take()

    def build() -> list[BroadcastInfo]:
        known = {live.id for live in lives}
        found = [_from_live(live, air, audience) for live in lives]
        found += [
            _from_store(each, services) for each in stored if each.id not in known
        ]
        return sorted(found, key=lambda info: info.started_utc, reverse=True)[:limit]

    return await bulk(_BROADCASTS, build)


@router.get("/broadcasts/{broadcast_id}")
async def get_broadcast(
    broadcast_id: str, services: ServicesHere, _: AirReader
) -> BroadcastInfo:
    """Tell everything about a broadcast, as it is now."""
    live = services.studio.find(broadcast_id)
    if live is not None:
        return describe(live, services)
    return _from_store(await services.store.broadcasts.get(broadcast_id), services)


@router.post("/broadcasts/{broadcast_id}/stop")
async def stop_broadcast(
    broadcast_id: str,
    services: ServicesHere,
    broadcaster: Broadcaster,
    response: Response,
) -> BroadcastInfo:
    """End a broadcast; 202 when what was said last is still being sent."""
    live = services.studio.find(broadcast_id)
    if live is None:
        await services.store.broadcasts.get(broadcast_id)  # raises when it never was
        raise AlreadyEndedError("The broadcast has ended already.")
    demand_stop(broadcaster, live, services)
    services.studio.stop(broadcast_id, by=broadcaster.id)
    try:
        await asyncio.wait_for(live.ended.wait(), STOP_WAIT_S)
    except TimeoutError:
        response.status_code = 202
    return describe(live, services)


@router.get("/broadcasts/{broadcast_id}/intervals", response_model=list[IntervalInfo])
async def list_intervals(
    broadcast_id: str, services: ServicesHere, _: AirReader
) -> Response:
    """Tell which zones heard a broadcast from when to when."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(services.journal.written(), LOG_WAIT_S)
    intervals = await services.store.broadcasts.intervals(broadcast_id)
    return await bulk(
        _INTERVALS, lambda: [IntervalInfo.model_validate(each) for each in intervals]
    )


def describe(live: Live, services: Services) -> BroadcastInfo:
    """Return *live* as it is now."""
    return _from_live(live, services.studio.air.assignment, services.census.take())


def _from_live(live: Live, air: Assignment, audience: Audience) -> BroadcastInfo:
    return BroadcastInfo.model_validate(status_of(live, air, audience))


def _from_store(broadcast: Broadcast, services: Services) -> BroadcastInfo:
    """Return a broadcast that ended longer ago."""
    recording = None
    if broadcast.recording_path is not None:
        recording = RecordingState(
            available=True,
            complete=broadcast.recording_complete,
            bytes=broadcast.recording_bytes,
        )
    nobody = [
        ZoneHearing(zone_id=each, heard=False, listeners=0, speakers=0)
        for each in broadcast.zone_ids
    ]
    return BroadcastInfo(
        id=broadcast.id,
        title=broadcast.title,
        programme_class=broadcast.programme_class,
        source_kind=broadcast.source_kind,
        zone_ids=list(broadcast.zone_ids),
        state="ended",
        started_utc=broadcast.started_utc or broadcast.accepted_utc,
        ended_utc=broadcast.ended_utc,
        end_reason=broadcast.end_reason.value if broadcast.end_reason else None,
        end_detail=broadcast.end_detail,
        started_by=services.tokens.name_of(broadcast.started_by),
        accepted_clock_us=None,
        ssrc=None,
        level=None,
        heard_by=HeardBy(zones=nobody, listeners=0, speakers=0),
        recording=recording,
        frames=broadcast.frames,
    )


def _air_info(zone_id: str, live: Live | None, listeners: int) -> AirInfo:
    return AirInfo(
        zone_id=zone_id,
        broadcast_id=live.id if live else None,
        title=live.request.title if live else None,
        programme_class=live.request.programme_class if live else None,
        listeners=listeners,
    )
