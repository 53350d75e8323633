"""What a client asks first: what is this server, and who am I to it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request

import streamer
from streamer.api.access import Anybody, ServicesHere
from streamer.api.answers import Me, ServerInfo
from streamer.wire.control import ProgrammeClass

router = APIRouter(tags=["server"])


@router.get("/server")
async def server(services: ServicesHere, _: Anybody) -> ServerInfo:
    """Tell the version, the clock and where speakers connect."""
    return ServerInfo(
        name=services.name,
        version=streamer.__version__,
        stream_url_port=services.stream_port,
        webrtc_port=services.webrtc_port,
        clock_us=time.monotonic_ns() // 1000,
        classes=list(ProgrammeClass),
    )


@router.get("/me")
async def me(principal: Anybody) -> Me:
    """Tell whose token was shown."""
    return Me.model_validate(principal)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request, _: Anybody) -> dict[str, Any]:
    """Return the description of this API."""
    # Made at the first call, and that takes a while.
    description: dict[str, Any] = await asyncio.to_thread(request.app.openapi)
    return description
