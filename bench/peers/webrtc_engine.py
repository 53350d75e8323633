"""Our own WebRTC fan-out alone, without API, store, encoder and the other transport.

Beside our whole server it tells what of its cost is not the fan-out's.
``python -m bench.peers.webrtc_engine`` speaks as `bench.peers.webrtc_peer` says.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

import uvloop

from bench.peers import material
from bench.peers.webrtc_peer import serve
from bench.peers.whep import WhepServer
from streamer.bus.bus import AirChange, OnAir, Switch
from streamer.fanout.webrtc.dtls import Certificate, DtlsContext
from streamer.fanout.webrtc.peer import Target
from streamer.fanout.webrtc.port import WebRtcServer
from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.wire.control import ProgrammeClass

ZONE = "all"


class Tally:
    """Counts what the fan-out says."""

    def __init__(self) -> None:
        self.counts = {"sent": 0, "dropped": 0, "resent": 0}

    def sent(self, packets: int) -> None:
        """The kernel took *packets*."""
        self.counts["sent"] += packets

    def dropped(self, packets: int) -> None:
        """The kernel had no room for *packets*."""
        self.counts["dropped"] += packets

    def resent(self, packets: int) -> None:
        """NACKs were answered by *packets*."""
        self.counts["resent"] += packets


class Engine:
    """One zone, one programme: the known packets in a loop."""

    def __init__(self, server: WebRtcServer) -> None:
        self._server = server
        self._loop = material.payloads()
        self._first_due_ns = 0

    async def accept(self, offer: str, zone: str) -> tuple[str, str]:
        """Take a listener."""
        peer, answer = self._server.accept(offer, Target(zone_id=ZONE))
        return peer.id, answer

    async def remove(self, resource: str) -> None:
        """End a listener."""
        self._server.remove(resource)

    def begin(self, first_due_ns: int) -> Callable[[int], None]:
        """Go on air; return what sends a packet."""
        self._first_due_ns = first_due_ns
        on_air = OnAir(
            ssrc=material.SSRC,
            broadcast_id="engine",
            programme_class=ProgrammeClass.BACKGROUND,
            title="bench",
            first_timestamp=0,
            origin_ns=first_due_ns,
        )
        switch = Switch((ZONE,), material.SSRC, first_due_ns)
        change = AirChange(started=(on_air,), switches=(switch,))
        self._server.fanout.on_air_change(change)
        return self._send

    def _send(self, index: int) -> None:
        rtp = material.rtp(self._loop, index)
        due_ns = self._first_due_ns + index * FRAME_NS
        packet = ProgrammePacket(material.SSRC, index, rtp, due_ns, due_ns)
        self._server.fanout.on_packet(packet)


async def run() -> None:
    """Serve as the module says."""
    now_utc = datetime.datetime.now(datetime.UTC)
    context = DtlsContext(Certificate.generate(now_utc=now_utc))
    async with WebRtcServer(
        context, counters=Tally(), host="127.0.0.1", port=0, addresses=["127.0.0.1"]
    ) as server:
        engine = Engine(server)
        whep = WhepServer(engine.accept, engine.remove)
        await serve(whep, "uvloop, this repository's fan-out alone", engine.begin)


if __name__ == "__main__":
    uvloop.run(run())
