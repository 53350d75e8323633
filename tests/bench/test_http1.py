"""Tests of bench.http1 against a server that misbehaves as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.http1 import HttpFailed, HttpPool, Response


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve *answers*, one a request; a connection closes where one is empty."""
    left, heard = list(answers), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                heard.append(head + await reader.readexactly(length))
                if not (answer := left.pop(0)):
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", heard


def response(body: str, *headers: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


async def test_requests_share_a_connection_and_bodies_are_whole() -> None:
    answers = response("one", "Location: /x"), response("two", status="404 Not Found")
    async with (
        answering(*answers) as (url, heard),
        HttpPool(url, connections=1) as http,
    ):
        first = await http.ask("POST", "/whep", headers={"X": "y"}, body="việt")
        second = await http.ask("DELETE", "/x")
    assert first == Response(200, {"content-length": "3", "location": "/x"}, "one")
    assert (second.status, second.body) == (404, "two")
    assert b"\r\nX: y\r\n" in heard[0]
    assert heard[0].endswith("việt".encode())


async def test_a_connection_closed_while_idle_is_opened_anew() -> None:
    answers = response("one"), b"", response("two")
    async with answering(*answers) as (url, _), HttpPool(url, connections=1) as http:
        assert (await http.ask("GET", "/")).body == "one"
        assert (await http.ask("GET", "/")).body == "two"


async def test_what_has_no_content_has_no_length() -> None:
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with answering(answer) as (url, _), HttpPool(url, connections=1) as http:
        assert (await http.ask("DELETE", "/x")).status == 204


@pytest.mark.parametrize(
    "answer", [b"SIP/2.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
async def test_what_cannot_be_read_is_told(answer: bytes) -> None:
    async with answering(answer) as (url, _), HttpPool(url, connections=1) as http:
        with pytest.raises(HttpFailed):
            await http.ask("GET", "/")
