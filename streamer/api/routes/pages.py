"""The web pages: shells without data, served to anybody."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)


def mount(app: FastAPI, directory: Path) -> None:
    """Serve the pages of *directory*."""

    @router.get("/")
    async def home() -> RedirectResponse:
        return RedirectResponse("/microphone")

    @router.get("/microphone")
    async def microphone() -> FileResponse:
        return FileResponse(directory / "microphone.html")

    @router.get("/listen")
    async def listen() -> FileResponse:
        return FileResponse(directory / "listen.html")

    app.include_router(router)
    # Follows no link out of the directory; answers 404 for what is not there.
    app.mount("/assets", StaticFiles(directory=directory))
