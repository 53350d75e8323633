"""The least of a WHEP server that a peer needs: POST an offer, DELETE its resource.

No tokens, no CORS: this end is the bench's own, on loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self
from urllib.parse import parse_qs, urlsplit

Accept = Callable[[str, str], Awaitable[tuple[str, str]]]
"From an offer and a zone to a resource's name and the answer."
Remove = Callable[[str], Awaitable[None]]

_END = b"\r\n\r\n"


class WhepServer:
    """Serves on a free port of 127.0.0.1; an asynchronous context manager."""

    def __init__(self, accept: Accept, remove: Remove) -> None:
        self._accept = accept
        self._remove = remove
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, backlog=1024
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                head = (await reader.readuntil(_END)).decode("latin-1")
                body = await reader.readexactly(_content_length(head))
                writer.write(await self._respond(head, body.decode()))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is done
        finally:
            writer.close()

    async def _respond(self, head: str, body: str) -> bytes:
        method, target, _ = head.split(" ", 2)
        path = urlsplit(target)
        if method == "DELETE":
            await self._remove(path.path.rpartition("/")[2])
            return _response("200 OK", "")
        zone = parse_qs(path.query).get("zone", [""])[0]
        resource, answer = await self._accept(body, zone)
        return _response(
            "201 Created",
            answer,
            f"Location: /whep/{resource}",
            "Content-Type: application/sdp",
        )


def _content_length(head: str) -> int:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


def _response(status: str, body: str, *headers: str) -> bytes:
    content = body.encode()
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers)
    return "\r\n".join(lines).encode() + _END + content
