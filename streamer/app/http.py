"""uvicorn as an async context, on the loop and the socket that it is given."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Self

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 1024
KEEP_ALIVE_S = 30
DRAIN_S = 2
"Requests under way at the end get so long."
MAX_CONNECTIONS = 1000


class HttpServer:
    """Answers HTTP on *sock* with *app* while it is entered."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        self._sock = sock
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                lifespan="off",
                ws="none",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=DRAIN_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(
            self._server.serve(sockets=[self._sock]), name="http"
        )
        while not self._server.started:
            if self._serving.done():
                await self._serving  # raises what was wrong
                raise RuntimeError("the HTTP server did not start")
            await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._serving is not None
        self._server.should_exit = True
        await self._serving


class _Server(uvicorn.Server):
    """Leaves signals to us: they end the whole server in its own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket.

    Raises:
        OSError: The address is not ours or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
