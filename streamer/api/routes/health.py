"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streamer.api.access import Anybody, ServicesHere
from streamer.api.gate import HEALTH_PATH

router = APIRouter(tags=["health"])


@router.get(HEALTH_PATH)
async def healthz() -> dict[str, str]:
    """Tell that the process answers; needs no token and tells nothing else."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(services: ServicesHere, _: Anybody) -> dict[str, str]:
    """Tell whether everything that a request may need is there; 503 otherwise."""
    await services.store.check()
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
async def metrics(services: ServicesHere, _: Anybody) -> Response:
    """Return every series for Prometheus."""
    services.census.take()
    # A series per zone of text: not on the loop that moves the audio.
    text = await asyncio.to_thread(generate_latest, services.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
