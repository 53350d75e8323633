"""What a speaker fetches for itself, by its own credential: its manifest and files."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from streamer.api.access import ServicesHere
from streamer.api.gate import missing_token
from streamer.api.listening import caller_of
from streamer.api.principals import forbidden
from streamer.api.problems import Problem
from streamer.api.services import Holding, Services
from streamer.fanout.listener import ListenerIdentity

router = APIRouter(prefix="/speaker", tags=["speaker"])

MANIFEST_TYPE = "application/vnd.loacast.signed+json"


@router.get("/manifest", response_class=Response)
async def get_manifest(request: Request, services: ServicesHere) -> Response:
    """Return what the speaker shall hold; 304 if it has that (RFC 9110, 13.1.2)."""
    speaker = await _speaker(request, services)
    manifests = _holding(services).manifests
    if not manifests.ready:
        retry = {"Retry-After": "5"}
        raise Problem(503, "not-ready", "The schedule is being read.", headers=retry)
    served = manifests.of_zone(speaker.zone_id)
    headers = {"ETag": served.etag}
    if served.etag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(served.data, media_type=MANIFEST_TYPE, headers=headers)


@router.get("/files/{sha256}", response_class=FileResponse)
async def get_file(
    sha256: str, request: Request, services: ServicesHere
) -> FileResponse:
    """Return a file that the speaker's manifest names; parts of it by Range."""
    speaker = await _speaker(request, services)
    holding = _holding(services)
    if sha256 not in holding.manifests.of_zone(speaker.zone_id).files:
        raise Problem(404, "unknown-file", "It is not in this speaker's manifest.")
    path = holding.renditions.path(sha256)
    if not await asyncio.to_thread(path.is_file):
        raise Problem(404, "unknown-file", "It has been removed.")
    # Its name is its content, so it never changes: If-Range always holds.
    return FileResponse(path, media_type="audio/ogg", headers={"ETag": f'"{sha256}"'})


async def _speaker(request: Request, services: Services) -> ListenerIdentity:
    """Return whose credential is shown; raise a 401 or 403 problem without one."""
    caller = await caller_of(request, services)
    if caller is None:
        raise missing_token()
    if not isinstance(caller, ListenerIdentity):
        raise forbidden("This is for speakers, by their own credential.")
    return caller


def _holding(services: Services) -> Holding:
    if services.holding is None:
        raise Problem(503, "no-manifests", "Speakers of this server hold nothing.")
    return services.holding


def _tags(header: str) -> list[str]:
    # Weak and strong ones compare alike here (RFC 9110, section 8.8.3.2).
    return [each.strip().removeprefix("W/") for each in header.split(",")]
