"""Recordings of broadcasts, as they were sent."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from streamer.api.access import RecordingReader, ServicesHere
from streamer.api.answers import RecordingInfo
from streamer.api.orders import may_air
from streamer.api.principals import forbidden
from streamer.api.problems import Problem
from streamer.media.frame import FRAME_NS
from streamer.store.records import Broadcast

router = APIRouter(prefix="/recordings", tags=["recordings"])


@router.get("")
async def list_recordings(
    services: ServicesHere,
    reader: RecordingReader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[RecordingInfo]:
    """List the recordings that the token's zone allows, the latest first."""
    recorded = await services.store.broadcasts.recorded(limit=limit)
    tree = services.studio.tree
    return [_info(each) for each in recorded if may_air(reader, each.zone_ids, tree)]


@router.get("/{broadcast_id}", response_class=FileResponse)
async def get_recording(
    broadcast_id: str, services: ServicesHere, reader: RecordingReader
) -> FileResponse:
    """Return a recording; parts of it by Range (RFC 9110, section 14)."""
    broadcast = await services.store.broadcasts.get(broadcast_id)
    if not may_air(reader, broadcast.zone_ids, services.studio.tree):
        raise forbidden("This broadcast was not for your zone.")
    if broadcast.recording_path is None:
        raise Problem(
            404, "no-recording", "Nothing was recorded, or not all of it yet."
        )
    path = services.recordings_directory / broadcast.recording_path
    if not await asyncio.to_thread(path.is_file):
        raise Problem(404, "no-recording", "The recording has been removed.")
    return FileResponse(path, media_type="audio/ogg", filename=path.name)


def _info(broadcast: Broadcast) -> RecordingInfo:
    return RecordingInfo(
        broadcast_id=broadcast.id,
        title=broadcast.title,
        started_utc=broadcast.started_utc or broadcast.accepted_utc,
        duration_s=broadcast.frames * FRAME_NS / 1e9,
        bytes=broadcast.recording_bytes,
        complete=broadcast.recording_complete,
    )
