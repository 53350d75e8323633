"""The floor: ready datagrams, one sendmmsg per 20 ms. What the kernel alone costs.

No event loop while sending, no crypto, no numbering per listener: all receivers get
the same bytes from the same buffer, as long as an SRTP packet would be. Listeners take
bare RTP (`bench.webrtc_plain`).

``python -m bench.peers.webrtc_floor PROFILE`` speaks as `bench.peers.webrtc_peer` says.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

import numpy as np

from bench import webrtc_sdp
from bench.peers import material
from bench.peers.webrtc_peer import Ticker, announce, await_start
from bench.peers.whep import WhepServer
from bench.webrtc_plain import TAG_BYTES
from streamer.fanout.datagrams import DatagramBatch, sockaddr
from streamer.fanout.webrtc.dtls import Profile
from streamer.wire.stun import Address

STRIDE_BYTES = 1536
SEND_BUFFER_BYTES = 8 << 20
"As our server's: room for a frame to everybody at once."


class Floor:
    """Receivers, and the one buffer that goes to all."""

    def __init__(self, tag_bytes: int) -> None:
        self._tag = bytes(tag_bytes)
        self._loop = material.payloads()
        self._receivers: dict[str, Address] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._socket.bind(("127.0.0.1", 0))

    async def accept(self, offer: str, zone: str) -> tuple[str, str]:
        """Take a receiver."""
        name = str(len(self._receivers))
        self._receivers[name] = webrtc_sdp.plain_address(offer)
        return name, webrtc_sdp.plain_offer(self._socket.getsockname())

    async def remove(self, resource: str) -> None:
        """End a receiver; only before :meth:`begin`."""
        self._receivers.pop(resource, None)

    def begin(self) -> Callable[[int], int]:
        """Return what sends a packet to everybody."""
        names = [sockaddr(one, socket.AF_INET) for one in self._receivers.values()]
        buffer = np.zeros(STRIDE_BYTES, np.uint8)
        batch = DatagramBatch(
            np.broadcast_to(buffer, (len(names), STRIDE_BYTES)), names
        )
        lengths = np.zeros(len(names), np.int32)
        descriptor = self._socket.fileno()

        def send(index: int) -> int:
            datagram = material.rtp(self._loop, index) + self._tag
            buffer[: len(datagram)] = np.frombuffer(datagram, np.uint8)
            lengths[:] = len(datagram)
            return batch.send(descriptor, lengths)

        return send


async def take_receivers(floor: Floor, configured: str) -> int:
    """Take receivers until told to begin; return when packet 0 is due."""
    async with WhepServer(floor.accept, floor.remove) as whep:
        announce(whep.port, configured)
        return await asyncio.to_thread(await_start)


def main(arguments: list[str]) -> None:
    """Serve as the module says."""
    profile = Profile[arguments[0]]
    floor = Floor(TAG_BYTES[profile])
    configured = f"plain RTP in the size of {profile.name}, one sendmmsg a frame"
    first_due_ns = asyncio.run(take_receivers(floor, configured))
    with Ticker(first_due_ns, floor.begin()):
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
