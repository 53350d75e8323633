"""The UDP port of all WebRTC listeners (asyncio adapter, no decisions)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import random
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Self

from streamer.fanout.datagrams import sockaddr
from streamer.fanout.webrtc.dtls import DtlsContext
from streamer.fanout.webrtc.endpoint import (
    MAX_DATAGRAM_BYTES,
    Endpoint,
    EndpointSettings,
)
from streamer.fanout.webrtc.fanout import Counters, WebRtcFanout
from streamer.fanout.webrtc.peer import NOBODY, Admission, Peer, Target
from streamer.fanout.webrtc.seams import Audience
from streamer.fanout.webrtc.srtp import Outlet
from streamer.wire.rtcp import Feedback, Nack, ReceiverReport, round_trip_ns
from streamer.wire.stun import Address

POLL_INTERVAL_S = 0.05
MAX_PER_WAKE = 64
"Datagrams read before the loop gets its turn again: a flood must not starve audio."
BUFFER_BYTES = 8 << 20
"Room for a frame to every listener at once; the kernel grants what it allows."

logger = logging.getLogger(__name__)


class WebRtcServer:
    """Listeners over WebRTC, on one UDP port.

    Example::

        async with WebRtcServer(context, counters=counters, host="0.0.0.0",
                                port=8082, addresses=["203.0.113.7"]) as server:
            bus.subscribe(server.fanout)
            peer, answer = server.accept(offer, Target(zone_id="que-vo"))
    """

    def __init__(
        self,
        context: DtlsContext,
        *,
        counters: Counters,
        host: str,
        port: int,
        addresses: Sequence[str],
        max_peers: int = 10_000,
        red_distances: tuple[int, ...] = (1,),
    ) -> None:
        """Prepare.

        Args:
            context: Certificate and settings of DTLS.
            counters: Told of packets.
            host: To bind to: an IPv4 address, or an IPv6 one ("::" serves both).
            port: UDP port; 0 lets the system choose.
            addresses: What peers reach us by: the machine's own addresses, or the
                public one of the NAT before it.
            max_peers: More are refused.
            red_distances: See `WebRtcFanout`.
        """
        self._context = context
        self._host = host
        self._wanted_port = port
        self._addresses = addresses
        self._max_peers = max_peers
        self._random = random.SystemRandom()
        self._socket: socket.socket | None = None
        self._ssrc = self._random.getrandbits(32)
        self._cname = f"{self._random.getrandbits(96):024x}"  # RFC 7022, section 4.2
        self._endpoint: Endpoint | None = None
        self._poller: asyncio.Task[None] | None = None
        self._audiences: list[Audience] = []
        self.fanout = WebRtcFanout(
            ssrc=self._ssrc,
            cname=self._cname,
            descriptor=self._descriptor,
            counters=counters,
            red_distances=red_distances,
        )

    async def __aenter__(self) -> Self:
        self._socket = _bind(self._host, self._wanted_port)
        settings = EndpointSettings(
            candidates=[(address, self.port) for address in self._addresses],
            ssrc=self._ssrc,
            cname=self._cname,
            max_peers=self._max_peers,
        )
        self._endpoint = Endpoint(settings, self._context, self, self._random)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket.fileno(), self._on_readable)
        self._poller = asyncio.create_task(self._poll(), name="webrtc-poll")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._socket is not None
        assert self._poller is not None
        self._poller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._poller
        for peer in self.endpoint.peers():
            self.endpoint.remove(peer, "server stops")
        self._flush()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    @property
    def port(self) -> int:
        """The UDP port in use."""
        assert self._socket is not None, "enter the server first"
        return int(self._socket.getsockname()[1])

    @property
    def endpoint(self) -> Endpoint:
        """The peers, and what became of datagrams."""
        assert self._endpoint is not None, "enter the server first"
        return self._endpoint

    def watch(self, audience: Audience) -> None:
        """Tell *audience* of listeners."""
        self._audiences.append(audience)

    def accept(
        self,
        offer: str,
        target: Target,
        *,
        admission: Admission = NOBODY,
        keeps_clock: bool = False,
    ) -> tuple[Peer, str]:
        """Take *offer*; raises as :meth:`Endpoint.accept` does."""
        return self.endpoint.accept(
            offer,
            target,
            now_ns=time.monotonic_ns(),
            admission=admission,
            keeps_clock=keeps_clock,
        )

    def remove(self, peer_id: str, reason: str = "deleted") -> bool:
        """End a peer; tell whether there was one."""
        peer = self.endpoint.find(peer_id)
        if peer is not None:
            self.endpoint.remove(peer, reason)
            self._flush()
        return peer is not None

    # ------------------------------------------- what the endpoint tells

    def peer_connected(self, peer: Peer, now_ns: int) -> None:
        """Let it hear."""
        assert peer.srtp is not None
        assert peer.address is not None
        peer.outlet = Outlet(
            session=peer.srtp,
            sockaddr=self._sockaddr(peer.address),
            payload_type=peer.payload_type,
            next_sequence=peer.first_sequence,
        )
        self.fanout.add(peer)
        for audience in self._audiences:
            audience.joined(peer)

    def peer_moved(self, peer: Peer) -> None:
        """Send to where it is now."""
        assert peer.outlet is not None
        assert peer.address is not None
        self.fanout.moved(peer)
        peer.outlet.sockaddr = self._sockaddr(peer.address)

    def peer_gone(self, peer: Peer, reason: str) -> None:
        """Forget it."""
        logger.debug("WebRTC peer %s is gone: %s", peer.id, reason)
        self.fanout.remove(peer)
        for audience in self._audiences:
            audience.left(peer, reason)

    def peer_feedback(self, peer: Peer, feedback: Feedback) -> None:
        """Answer a NACK, keep a report."""
        if isinstance(feedback, Nack):
            for packet in self.fanout.answer(peer, feedback):
                self.endpoint.send(peer, packet)
        elif isinstance(feedback, ReceiverReport) and feedback.ssrc == self._ssrc:
            peer.report = feedback
            peer.round_trip_ns = round_trip_ns(feedback, received_utc_ns=time.time_ns())
            for audience in self._audiences:
                audience.reported(peer, feedback)

    # ------------------------------------------------------------ inside

    def _on_readable(self) -> None:
        assert self._socket is not None
        now_ns = time.monotonic_ns()
        for _ in range(MAX_PER_WAKE):
            try:
                datagram, source = self._socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                break
            except OSError as error:  # an ICMP error of an earlier datagram
                logger.debug("UDP: %s", error)
                continue
            self.endpoint.receive(datagram, _plain(source), now_ns=now_ns)
        self._flush()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            now_ns = time.monotonic_ns()
            self.endpoint.poll(now_ns=now_ns)
            for peer in list(self.endpoint.due_reports(now_ns=now_ns)):
                utc_ns = time.time_ns()
                report = self.fanout.report(peer, now_ns=now_ns, utc_ns=utc_ns)
                if report is not None:
                    self.endpoint.send(peer, report)
            self._flush()

    def _flush(self) -> None:
        """Send what the endpoint has to say; what does not fit now is lost."""
        assert self._socket is not None
        for datagram, address in self.endpoint.outgoing():
            host, port = address
            if self._socket.family == socket.AF_INET6 and ":" not in host:
                host = f"::ffff:{host}"
            try:
                self._socket.sendto(datagram, (host, port))
            except OSError as error:
                logger.debug("UDP to %s: %s", address, error)

    def _descriptor(self) -> int:
        assert self._socket is not None
        return self._socket.fileno()

    def _sockaddr(self, address: Address) -> bytes:
        assert self._socket is not None
        return sockaddr(address, self._socket.family)


def own_addresses(host: str) -> list[str]:
    """Return the addresses by which this machine is reached on *host*.

    A wildcard means every address that routes outwards; loopback where none does.
    """
    if not ipaddress.ip_address(host).is_unspecified:
        return [host]
    probes: Iterable[tuple[socket.AddressFamily, str]] = [
        (socket.AF_INET, "192.0.2.1"),  # RFC 5737: asked of the routing table only
        (socket.AF_INET6, "2001:db8::1"),
    ]
    families = (
        {socket.AF_INET} if ":" not in host else {socket.AF_INET, socket.AF_INET6}
    )
    found = [_route_source(f, target) for f, target in probes if f in families]
    return [address for address in found if address is not None] or ["127.0.0.1"]


def _route_source(family: socket.AddressFamily, target: str) -> str | None:
    """Return the address that the routing table would send from; sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        bound.setblocking(False)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


def _plain(source: tuple[str, int] | tuple[str, int, int, int]) -> Address:
    """Return the peer's own address, not the mapped one of a dual-stack socket."""
    host = source[0].partition("%")[0]
    return host.removeprefix("::ffff:"), source[1]
