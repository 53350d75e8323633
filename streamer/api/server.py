"""The ASGI application: routes, problems, gate and headers, put together."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp

import streamer
from streamer.api import errors, problems
from streamer.api.gate import Gate, Linger, ResponseHeaders
from streamer.api.routes import (
    air,
    broadcasts,
    coverage,
    emergency,
    files,
    health,
    log,
    pages,
    policies,
    public,
    recordings,
    schedule,
    server,
    speaker,
    speakers,
    tokens,
    whep,
    whip,
    zones,
)
from streamer.api.services import Services

API_PREFIX = "/api/v1"


def build(services: Services, *, pages_directory: Path) -> ASGIApp:
    """Return the application that answers for *services*."""
    app = FastAPI(
        title="Loacast",
        version=streamer.__version__,
        openapi_url=None,  # served by our own route, behind the gate
        redirect_slashes=False,
    )
    app.state.services = services
    problems.install(app)
    errors.install(app)
    app.include_router(whep.router)  # first: a crowd joins within seconds
    resources = (server, tokens, zones, speakers, files, broadcasts, recordings, public)
    for module in resources:
        app.include_router(module.router, prefix=API_PREFIX)
    for router in (log.router, log.exports, coverage.router):
        app.include_router(router, prefix=API_PREFIX)
    for rules in (air, schedule, policies, emergency, speaker):
        app.include_router(rules.router, prefix=API_PREFIX)
    app.include_router(whip.router)
    app.include_router(health.router)
    pages.mount(app, pages_directory)
    return Linger(ResponseHeaders(Gate(app, authenticator=services.tokens)))
