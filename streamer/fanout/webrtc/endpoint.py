"""All WebRTC listeners of a server behind one UDP port; sans-I/O.

Datagrams go in with where they came from and when; datagrams, and who came or went,
come out. A datagram is told apart by its first byte (RFC 7983) and its sender by its
address, which only a STUN check with proven integrity can claim.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamer.fanout.webrtc import icelite
from streamer.fanout.webrtc.dtls import DtlsContext, DtlsState, DtlsTransport
from streamer.fanout.webrtc.peer import NOBODY, Admission, Peer, Target
from streamer.fanout.webrtc.rounds import Rounds
from streamer.fanout.webrtc.sdp import Local, Offer, answer
from streamer.fanout.webrtc.seams import Observer, Randomness
from streamer.fanout.webrtc.srtp import SrtpError, SrtpSession
from streamer.wire import rtcp
from streamer.wire.errors import RemoteWireError
from streamer.wire.stun import Address

CONNECT_TIMEOUT_NS = 15_000_000_000
SILENCE_TIMEOUT_NS = 30_000_000_000
"RFC 7675, section 5.1: consent expires 30 s after the last valid check."
FOLLOW_AFTER_NS = 8_000_000_000
"A check without USE-CANDIDATE moves a peer once its address was silent for so long."
MAX_DATAGRAM_BYTES = 2048
REPORT_INTERVAL_NS = 5_000_000_000
"RFC 3550, section 6.2; each is randomised by half of it (section 6.3.1)."

logger = logging.getLogger(__name__)

Outgoing = tuple[bytes, Address]


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """What the endpoint tells its peers."""

    candidates: Sequence[Address]
    ssrc: int
    "One for all peers: each has its own SRTP keys."
    cname: str
    max_peers: int = 10_000


class TooManyPeersError(Exception):
    """The endpoint is full; come back later."""


class Endpoint:
    """The peers, by id, by ufrag and by address."""

    def __init__(
        self,
        settings: EndpointSettings,
        context: DtlsContext,
        observer: Observer,
        randomness: Randomness,
    ) -> None:
        self.settings = settings
        self.outcomes: Counter[str] = Counter()
        "What became of datagrams, by a word; for the metrics."
        self._context = context
        self._observer = observer
        self._random = randomness
        self._peers: dict[str, Peer] = {}
        self._by_ufrag: dict[str, Peer] = {}
        self._by_address: dict[Address, Peer] = {}
        self._connecting: dict[Peer, None] = {}
        self._looked_after, self._reported = Rounds(), Rounds()
        self._outgoing: list[Outgoing] = []

    def __len__(self) -> int:
        """Return how many peers there are, connected or not."""
        return len(self._peers)

    def accept(
        self,
        sdp: str,
        target: Target,
        *,
        now_ns: int,
        admission: Admission = NOBODY,
        keeps_clock: bool = False,
    ) -> tuple[Peer, str]:
        """Take an offer; return the new peer and the answer.

        Raises:
            OfferError: See :meth:`Offer.parse`.
            UnacceptableOfferError: Likewise.
            TooManyPeersError: There is no room.
        """
        offer = Offer.parse(sdp)
        if len(self._peers) >= self.settings.max_peers:
            raise TooManyPeersError(f"{len(self._peers)} peers listen already")
        peer = self._create(offer, target, now_ns)
        peer.admission, peer.keeps_clock = admission, keeps_clock
        local = Local(
            ufrag=peer.ufrag,
            password=peer.password.decode(),
            fingerprint=self._context.fingerprint,
            candidates=self.settings.candidates,
            ssrc=self.settings.ssrc,
            cname=self.settings.cname,
            session_id=self._random.getrandbits(62),
        )
        return peer, answer(offer, local)

    def find(self, peer_id: str) -> Peer | None:
        """Return the peer with *peer_id*."""
        return self._peers.get(peer_id)

    def peers(self) -> list[Peer]:
        """Return all peers."""
        return list(self._peers.values())

    def remove(self, peer: Peer, reason: str) -> None:
        """End *peer*: say BYE and close_notify, forget it."""
        if self._peers.pop(peer.id, None) is None:
            return
        self._connecting.pop(peer, None)
        if peer.srtp is not None and peer.address is not None:
            bye = rtcp.serialize_bye(self.settings.ssrc)
            self._outgoing.append((peer.srtp.protect_rtcp(bye), peer.address))
        peer.dtls.close()
        self._flush_dtls(peer, peer.address)
        del self._by_ufrag[peer.ufrag]
        for address in peer.addresses:
            self._by_address.pop(address, None)
        self._observer.peer_gone(peer, reason)

    def receive(self, datagram: bytes, source: Address, *, now_ns: int) -> None:
        """Take a datagram; afterwards send what :meth:`outgoing` gives."""
        if not 0 < len(datagram) <= MAX_DATAGRAM_BYTES:
            self.outcomes["bad_size"] += 1
            return
        first = datagram[0]  # RFC 7983, section 7
        if first < 4:
            self._receive_stun(datagram, source, now_ns)
        elif (peer := self._by_address.get(source)) is None:
            self.outcomes["unknown_source"] += 1
        elif 20 <= first < 64:
            self._receive_dtls(peer, datagram, source, now_ns)
        elif 128 <= first < 192:
            self._receive_rtcp(peer, datagram, now_ns)
        else:
            self.outcomes["unknown_protocol"] += 1

    def poll(self, *, now_ns: int) -> None:
        """Retransmit, report and drop what is due; call some times a second."""
        for peer in tuple(self._connecting):
            self._poll_handshake(peer, now_ns)
        for peer in self._looked_after.next(self._peers):
            if peer.connected and now_ns - peer.heard_ns > SILENCE_TIMEOUT_NS:
                self.remove(peer, "silent")

    def due_reports(self, *, now_ns: int) -> Iterator[Peer]:
        """Yield the connected peers whose sender report is due; the next is set."""
        for peer in self._reported.next(self._peers):
            if peer.connected and now_ns >= peer.report_due_ns:
                peer.report_due_ns = now_ns + self._report_interval_ns()
                yield peer

    def send(self, peer: Peer, protected: bytes) -> None:
        """Queue a protected packet for *peer*."""
        if peer.address is not None:
            self._outgoing.append((protected, peer.address))

    def outgoing(self) -> list[Outgoing]:
        """Return, and forget, what is to be sent now."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _create(self, offer: Offer, target: Target, now_ns: int) -> Peer:
        client = offer.setup == "active"
        red = offer.red_payload_type
        peer = Peer(
            id=f"{self._random.getrandbits(128):032x}",
            target=target,
            # RFC 8445, section 5.3: at least 24 and 128 bits of randomness.
            ufrag=f"{self._random.getrandbits(64):016x}",
            password=f"{self._random.getrandbits(128):032x}".encode(),
            dtls=DtlsTransport(
                self._context, client=client, fingerprints=offer.fingerprints
            ),
            payload_type=offer.opus_payload_type if red is None else red,
            redundant=red is not None,
            # RFC 3711, section 3.3.1: the first one below 2**15, against
            # ambiguity of the roll-over counter.
            first_sequence=self._random.getrandbits(15),
            created_ns=now_ns,
            heard_ns=now_ns,
        )
        self._peers[peer.id] = peer
        self._connecting[peer] = None
        self._by_ufrag[peer.ufrag] = peer
        return peer

    def _receive_stun(self, datagram: bytes, source: Address, now_ns: int) -> None:
        reply = icelite.respond(datagram, source, self._by_ufrag.get)
        peer = self._by_ufrag[reply.ufrag] if reply.ufrag is not None else None
        if peer is not None and peer.has_replayed(reply.transaction_id, source):
            self.outcomes["stun_replayed"] += 1
            return
        self.outcomes[f"stun_{reply.outcome.value}"] += 1
        if reply.datagram is not None:
            self._outgoing.append((reply.datagram, source))
        if peer is not None:
            self._checked(peer, source, reply.nominated, now_ns)

    def _checked(
        self, peer: Peer, source: Address, nominated: bool, now_ns: int
    ) -> None:
        """A valid check from *source*: consent, and perhaps a new address."""
        peer.heard_ns = now_ns
        previous = self._by_address.get(source)
        if previous is not peer:
            if previous is not None:
                previous.addresses.discard(source)
            self._by_address[source] = peer
            peer.addresses.add(source)
        silent = now_ns - peer.selected_heard_ns > FOLLOW_AFTER_NS
        if source == peer.address:
            peer.selected_heard_ns = now_ns
        elif nominated or peer.address is None or silent:
            self._select(peer, source, now_ns)
        if peer.dtls_due_ns is None and not peer.connected:
            peer.dtls.start()
            self._after_dtls(peer, source, now_ns)

    def _select(self, peer: Peer, source: Address, now_ns: int) -> None:
        peer.address = source
        peer.selected_heard_ns = now_ns
        if peer.connected:
            self.outcomes["peer_moved"] += 1
            self._observer.peer_moved(peer)

    def _receive_dtls(
        self, peer: Peer, datagram: bytes, source: Address, now_ns: int
    ) -> None:
        peer.dtls.receive(datagram)
        self._after_dtls(peer, source, now_ns)

    def _after_dtls(self, peer: Peer, source: Address | None, now_ns: int) -> None:
        """Send what DTLS has to say, and see what became of it."""
        self._flush_dtls(peer, source)
        timeout_ns = peer.dtls.timeout_ns()
        peer.dtls_due_ns = now_ns + (timeout_ns or CONNECT_TIMEOUT_NS)
        if peer.dtls.state is DtlsState.FAILED:
            self.outcomes["dtls_failed"] += 1
            logger.info("peer %s: %s", peer.id, peer.dtls.error)
            self.remove(peer, "dtls failed")
        elif peer.dtls.state is DtlsState.CLOSED:
            self.remove(peer, "closed by peer")
        elif peer.dtls.keys is not None and peer.srtp is None:
            peer.srtp = SrtpSession(peer.dtls.keys)
            peer.report_due_ns = now_ns + self._report_interval_ns() // 2
            del self._connecting[peer]
            self._observer.peer_connected(peer, now_ns)

    def _flush_dtls(self, peer: Peer, address: Address | None) -> None:
        if address is not None:
            self._outgoing += [(d, address) for d in peer.dtls.datagrams()]

    def _receive_rtcp(self, peer: Peer, datagram: bytes, now_ns: int) -> None:
        """RTP from a listener is not ours to read; RTCP is (RFC 5761, section 4)."""
        if peer.srtp is None or len(datagram) < 2 or not 192 <= datagram[1] < 224:
            self.outcomes["unexpected_media"] += 1
            return
        try:
            feedback = rtcp.parse(peer.srtp.unprotect_rtcp(datagram))
        except SrtpError:
            self.outcomes["srtcp_rejected"] += 1
            return
        except RemoteWireError:
            self.outcomes["rtcp_malformed"] += 1
            return
        peer.heard_ns = now_ns
        for item in feedback:
            if isinstance(item, rtcp.Bye):
                self.remove(peer, "left")
                return
            self._observer.peer_feedback(peer, item)

    def _poll_handshake(self, peer: Peer, now_ns: int) -> None:
        if now_ns - peer.created_ns > CONNECT_TIMEOUT_NS:
            self.remove(peer, "never connected")
        elif peer.dtls_due_ns is not None and now_ns >= peer.dtls_due_ns:
            peer.dtls.handle_timeout()
            self._after_dtls(peer, peer.address, now_ns)

    def _report_interval_ns(self) -> int:
        return int(REPORT_INTERVAL_NS * (0.5 + self._random.random()))
