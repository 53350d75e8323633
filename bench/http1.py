"""HTTP/1.1 as little as signalling needs: kept-alive connections, whole bodies.

A library's client costs half a millisecond a request, which the joins of thousands of
listeners would add to their generator's core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self
from urllib.parse import urlsplit

_END = b"\r\n\r\n"
_NOTHING: Mapping[str, str] = MappingProxyType({})


class HttpFailed(Exception):
    """The server refused, or said what we cannot read."""


@dataclass(frozen=True, slots=True)
class Response:
    """A server's answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


class HttpPool:
    """Some connections to one server, each busy with one request at a time.

    Args:
        url: Such as ``http://127.0.0.1:8080``; only its host and port matter.
        connections: How many at most; more requests wait for their turn.
    """

    def __init__(self, url: str, *, connections: int) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = _NOTHING,
        body: str = "",
    ) -> Response:
        """Send a request; return the answer, whatever its status.

        Raises:
            HttpFailed: The answer is no HTTP, or has no length.
            OSError: The server is not there.
        """
        request = self._request(method, path, headers, body)
        async with self._turns:
            # A server closes connections it finds idle, just as we use them perhaps.
            while self._idle:
                try:
                    return await self._exchange(self._idle.pop(), request)
                except (OSError, asyncio.IncompleteReadError):
                    pass
            connection = await _Connection.open(self._host, self._port)
            return await self._exchange(connection, request)

    async def _exchange(self, connection: _Connection, request: bytes) -> Response:
        try:
            response = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._idle.append(connection)
        return response

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: str
    ) -> bytes:
        content = body.encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            f"Content-Length: {len(content)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join(lines).encode() + _END + content


class _Connection:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    async def exchange(self, request: bytes) -> Response:
        self._writer.write(request)
        head = await self._reader.readuntil(_END)
        status, headers = _parse(head)
        if status in (204, 304):  # RFC 9110, section 6.4.1: no content
            return Response(status, headers, "")
        if "content-length" not in headers:
            raise HttpFailed(f"an answer without a length: {head[:200]!r}")
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Response(status, headers, body.decode(errors="replace"))

    def close(self) -> None:
        self._writer.close()


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/1.") or not status[:3].isdigit():
        raise HttpFailed(f"no HTTP: {first[:100]!r}")
    pairs = (line.partition(":") for line in rest)
    return int(status[:3]), {name.lower(): value.strip() for name, _, value in pairs}
