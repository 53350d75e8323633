"""Uploaded audio files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from streamer.api.access import Broadcaster, ServicesHere
from streamer.api.answers import FileInfo
from streamer.api.fields import FileName
from streamer.api.principals import forbidden
from streamer.store.records import AudioFile

router = APIRouter(prefix="/files", tags=["files"])


@router.get("")
async def list_files(services: ServicesHere, _: Broadcaster) -> list[FileInfo]:
    """List the files that can be broadcast."""
    return [_info(file) for file in services.files.all()]


@router.post("", status_code=201)
async def upload_file(
    request: Request,
    services: ServicesHere,
    _: Broadcaster,
    name: Annotated[FileName, Query()],
) -> FileInfo:
    """Take the body, as it is, as an audio file."""
    announced = request.headers.get("content-length", "0")
    services.files.check_size(int(announced[:20]) if announced.isdecimal() else 0)
    return _info(await services.files.add(name, request.stream()))


@router.delete("/{file_id}", status_code=204)
async def delete_file(
    file_id: str, services: ServicesHere, broadcaster: Broadcaster
) -> Response:
    """Delete a file; a broadcast that plays it plays on."""
    if broadcaster.zone_id is not None:
        raise forbidden("Files are everybody's: a token of one zone may not delete.")
    await services.files.delete(file_id)
    return Response(status_code=204)


def _info(file: AudioFile) -> FileInfo:
    return FileInfo(
        id=file.id,
        name=file.name,
        size_bytes=file.size_bytes,
        duration_s=file.duration_ms / 1000,
        codec=file.codec,
        sample_rate_hz=file.sample_rate_hz,
        channels=file.channels,
    )
