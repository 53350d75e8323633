"""Signalling of the Janus WebRTC server, the generator's side: JSON, a Unix socket.

One session, a handle for each viewer of one mountpoint of the Streaming plugin: Janus
offers, the viewer answers (https://janus.conf.meetecho.com/docs/streaming.html).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from typing import Any, Self

from bench.webrtc_signalling import Listener
from streamer.wire.stun import Address

PLUGIN = "janus.plugin.streaming"
MOUNTPOINT = 1
TIMEOUT_S = 60.0
_MESSAGE_BYTES = 256 * 1024

Json = dict[str, Any]


class JanusRefused(Exception):
    """Janus answered with an error."""


class Janus:
    """A connection to the socket at *path*; an asynchronous context manager.

    It sends no keep-alives: `session_timeout` must be 0.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[Json]] = {}
        self._session: int | None = None

    async def __aenter__(self) -> Self:
        self._socket.connect(self._path)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._read)
        self._session = (await self._ask("create"))["data"]["id"]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    async def join(self, listener: Listener, place: int, address: Address) -> str:
        """Watch the mountpoint; return the handle.

        Raises:
            JanusRefused: With what Janus said.
        """
        handle = (await self._ask("attach", plugin=PLUGIN))["data"]["id"]
        watch = {"request": "watch", "id": MOUNTPOINT}
        offered = await self._ask("message", handle_id=handle, body=watch)
        answer = listener.answer(offered["jsep"]["sdp"], address)
        await self._ask(
            "message",
            handle_id=handle,
            body={"request": "start"},
            jsep={"type": "answer", "sdp": answer},
        )
        return str(handle)

    async def leave(self, resource: str) -> None:
        """Detach a handle."""
        await self._ask("detach", handle_id=int(resource))

    async def _ask(self, request: str, **members: Any) -> Json:
        """Send a request; return what answers it in the end."""
        number = str(next(self._numbers))
        message = {"janus": request, "transaction": number} | members
        if self._session is not None:
            message["session_id"] = self._session
        self._waiting[number] = self._loop.create_future()
        await self._loop.sock_sendall(self._socket, json.dumps(message).encode())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._waiting[number]
        finally:
            del self._waiting[number]
        data = answer.get("plugindata", {}).get("data", {})
        if error := answer.get("error") or data.get("error"):
            raise JanusRefused(f"{request}: {error}")
        return answer

    def _read(self) -> None:
        answer: Json = json.loads(self._socket.recv(_MESSAGE_BYTES))
        waiting = self._waiting.get(answer.get("transaction", ""))
        # A plugin acknowledges first and answers later, under the same number.
        if answer["janus"] != "ack" and waiting is not None and not waiting.done():
            waiting.set_result(answer)
