"""The peer: `websockets.broadcast()` in the best configuration we found.

uvloop; no compression (it would compress per connection), no keepalive, the smallest
queue of received messages; one `broadcast()` per 20 ms tick over a ready set of
connections. Version 17 builds the frame once per connection.

``python -m bench.peers.broadcast PTIME_MS`` speaks like `bench.peers.floor`.
"""

from __future__ import annotations

import asyncio
import sys
from time import monotonic_ns

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.typing import Subprotocol

from bench.peers import material
from streamer.media.frame import FRAME_NS
from streamer.wire.control import SUBPROTOCOL


class Broadcaster:
    """Connections in groups, and the loop that sends to them."""

    def __init__(self, packets_per_message: int) -> None:
        self._packets = packets_per_message
        self._loop = material.payloads()
        self._groups: list[set[ServerConnection]] = [
            set() for _ in range(packets_per_message)
        ]
        self._joined = 0
        self._change = asyncio.Event()

    async def handle(self, connection: ServerConnection) -> None:
        """Hold *connection* in a group until it ends."""
        group = self._groups[self._joined % self._packets]
        self._joined += 1
        self._change.set()
        group.add(connection)
        try:
            await connection.wait_closed()
        finally:
            group.discard(connection)

    async def await_joined(self, count: int) -> None:
        """Return once *count* connections have joined."""
        while self._joined < count:
            self._change.clear()
            await self._change.wait()

    async def send(self) -> None:
        """Send on the 20 ms grid until cancelled."""
        first_due_ns = monotonic_ns() + FRAME_NS
        for group in self._groups:
            broadcast(group, material.announcement(first_due_ns))
        index = 0
        while True:
            await _sleep_until(first_due_ns + index * FRAME_NS)
            bundle = material.bundle(index, self._packets)
            payload = material.message(self._loop, bundle)
            broadcast(self._groups[index % self._packets], payload)
            index += 1


async def _sleep_until(instant_ns: int) -> None:
    await asyncio.sleep(max(0, instant_ns - monotonic_ns()) / 1e9)


async def run(packets_per_message: int) -> None:
    """Accept, then send, as `bench.peers.floor` says."""
    peer = Broadcaster(packets_per_message)
    async with serve(
        peer.handle,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        backlog=4096,
        compression=None,
        ping_interval=None,
        max_queue=1,
    ) as server:
        print(f"Listening: {server.sockets[0].getsockname()[1]}", flush=True)
        wanted = int((await asyncio.to_thread(sys.stdin.readline)).split()[1])
        await peer.await_joined(wanted)
        sender = asyncio.create_task(peer.send())
        print(f"SSRC {material.SSRC}", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1]) // 20))
