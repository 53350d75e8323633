"""What anybody may ask, for the page on which citizens listen."""

from __future__ import annotations

from fastapi import APIRouter, Response

from streamer.api.access import ServicesHere
from streamer.api.answers import PublicZone

router = APIRouter(prefix="/public", tags=["public"])


@router.get("/zones", response_model=list[PublicZone])
async def list_public_zones(services: ServicesHere) -> Response:
    """List the public zones and what is on air there; a second old at most."""
    content = await services.public_zones.json()
    headers = {"Cache-Control": "public, max-age=1"}
    return Response(content, media_type="application/json", headers=headers)
