"""The peer: aiortc sending shared, ready packets, in the best configuration found.

uvloop; no STUN server; one UDP socket per listener, on 127.0.0.1 only. Every listener's
track hands out the same `av.Packet` object, so nothing is encoded per listener: aiortc
only packetises, protects and sends (research: this is its cheapest public path).

``python -m bench.peers.webrtc_aiortc`` speaks as `bench.peers.webrtc_peer` says.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import itertools
from collections.abc import Callable
from fractions import Fraction

import aioice.ice
import uvloop
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av.packet import Packet
from av.stream import Stream

from bench.peers import material
from bench.peers.webrtc_peer import serve
from bench.peers.whep import WhepServer
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ

KEPT_PACKETS = 50
"A listener that is a second behind goes on at the live edge."


class Programme:
    """The packets, each made once, and who waits for the next one."""

    def __init__(self) -> None:
        self._loop = material.payloads()
        self._packets: dict[int, Packet[Stream]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._count = 0

    def begin(self, first_due_ns: int) -> Callable[[int], None]:
        """Return what publishes a packet."""
        return self._publish

    async def packet(self, wanted: int) -> tuple[int, Packet[Stream]]:
        """Return packet *wanted*, or the first after it that is still kept."""
        while wanted >= self._count:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        wanted = max(wanted, self._count - len(self._packets))
        return wanted, self._packets[wanted]

    def _publish(self, index: int) -> None:
        packet = Packet(self._loop[index % len(self._loop)])
        packet.pts = index * FRAME_SAMPLES
        packet.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._packets[index] = packet
        self._packets.pop(index - KEPT_PACKETS, None)
        self._count = index + 1
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():  # who left was cancelled
                one.set_result(None)


class Track(MediaStreamTrack):
    """One listener's place in the programme."""

    kind = "audio"

    def __init__(self, programme: Programme) -> None:
        super().__init__()
        self._programme = programme
        self._wanted = 0

    async def recv(self) -> Packet[Stream]:
        """Return the shared packet that is due."""
        index, packet = await self._programme.packet(self._wanted)
        self._wanted = index + 1
        return packet


class Server:
    """A peer connection per listener."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._names = itertools.count()
        self._connections: dict[str, RTCPeerConnection] = {}

    async def accept(self, offer: str, zone: str) -> tuple[str, str]:
        """Take a listener."""
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTrack(Track(self._programme))
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        name = str(next(self._names))
        self._connections[name] = connection
        return name, connection.localDescription.sdp

    async def remove(self, resource: str) -> None:
        """End a listener."""
        await self._connections.pop(resource).close()


async def run() -> None:
    """Serve as the module says."""
    programme = Programme()
    server = Server(programme)
    configured = (
        f"aiortc {importlib.metadata.version('aiortc')}, "
        f"aioice {importlib.metadata.version('aioice')}, uvloop, shared av.Packet, "
        "iceServers=[], 127.0.0.1 only"
    )
    whep = WhepServer(server.accept, server.remove)
    await serve(whep, configured, programme.begin)


def only_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """Return the only address that listeners of the bench can reach us by.

    aioice leaves loopback out and opens a socket for each other address of the
    machine; this spares it those.
    """
    return ["127.0.0.1"]


if __name__ == "__main__":
    aioice.ice.get_host_addresses = only_loopback
    uvloop.run(run())
