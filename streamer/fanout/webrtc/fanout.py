"""Which packets each WebRTC listener gets, and how they are numbered for it.

A subscriber of the bus, beside the WebSocket hub. Listeners of one programme that
take the same payload (plain Opus, or RED) form a group, which is one matrix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from streamer.bus.bus import AirChange, OnAir, Switch
from streamer.fanout.webrtc.group import Block, Group
from streamer.fanout.webrtc.numbering import Numbering
from streamer.fanout.webrtc.overlap import Overlap
from streamer.fanout.webrtc.peer import KINDS, Kind, Peer, Target
from streamer.fanout.webrtc.srtp import MAX_PLAIN_BYTES, PlainPacket, SrtpFanout
from streamer.fanout.webrtc.stream import Kept, Stream
from streamer.media.frame import FRAME_SAMPLES, ProgrammePacket, ns_to_samples
from streamer.wire.control import ProgrammeClass
from streamer.wire.rtcp import Nack, SenderReport

KEPT_PROGRAMMES = 8
"Ended programmes whose packets can still be asked for."
RESENDS_PER_REPORT = 250
"Retransmissions that a peer may ask for between two sender reports: one in one."
_CUTS_IN = (ProgrammeClass.PRIORITY, ProgrammeClass.EMERGENCY)


class Counters(Protocol):
    """What the fan-out counts; per packet, never per listener."""

    def sent(self, packets: int) -> None:
        """The kernel took *packets*."""
        ...

    def dropped(self, packets: int) -> None:
        """The kernel had no room for *packets*."""
        ...

    def resent(self, packets: int) -> None:
        """NACKs were answered by *packets*."""
        ...


class WebRtcFanout:
    """Sends each programme's packets to the peers that hear it."""

    def __init__(
        self,
        *,
        ssrc: int,
        cname: str,
        descriptor: Callable[[], int],
        counters: Counters,
        red_distances: tuple[int, ...] = (1,),
    ) -> None:
        """Prepare.

        Args:
            ssrc: Of every peer's stream.
            cname: Of the server (RFC 7022).
            descriptor: Gives the UDP socket's.
            counters: Told once per packet.
            red_distances: Which earlier packets each one repeats, to peers with RED.
        """
        self._ssrc = ssrc
        self._cname = cname
        self._descriptor = descriptor
        self._counters = counters
        self._red_distances = tuple(sorted(set(red_distances)))
        self._streams: dict[int, Stream] = {}
        self._heard: dict[str, int] = {}
        self._takes: dict[str, int] = {}
        "The latest take of each broadcast."
        self._groups: dict[tuple[int, Kind], Group] = {}
        self._numbering = Numbering(self._streams, self._is_counted_on)
        self._overlap = Overlap(self._streams, self._send_apart)
        self._peers: dict[Peer, int | None] = {}
        "Every connected peer, and what it hears."
        self._by_zone: Counter[str] = Counter()
        self._on_cut_in: Callable[[OnAir], None] = lambda _: None

    def watch_cut_ins(self, callback: Callable[[OnAir], None]) -> None:
        """Call *callback* when a programme that cuts in was first sent to all."""
        self._on_cut_in = callback

    # ------------------------------------------------------------ the bus

    def on_air_change(self, change: AirChange) -> None:
        """Move listeners as the air says."""
        for on_air in change.started:
            watched = self._cuts_in(on_air, change.switches)
            self._streams[on_air.ssrc] = Stream(
                on_air, self._ssrc, self._red_distances, watched=watched
            )
            self._takes[on_air.broadcast_id] = on_air.ssrc
        for switch in change.switches:
            for zone_id in switch.zone_ids:
                self._set_heard(zone_id, switch.ssrc)
        if change.started or change.switches:
            self._retune(change.switches)
        for ssrc in change.ended:
            self._end(ssrc)
        for broadcast_id in change.over:
            self._takes.pop(broadcast_id, None)

    def on_packet(self, packet: ProgrammePacket) -> None:
        """Send *packet* to all who hear its programme."""
        stream = self._streams.get(packet.ssrc)
        if stream is None or len(packet.rtp) * 2 > MAX_PLAIN_BYTES:
            return
        kept = stream.append(packet)
        sent = False
        for kind in KINDS:
            group = self._groups.get((packet.ssrc, kind))
            if group:
                sent = True
                as_sent = kept.as_sent(redundant=kind[0])
                for block in group.blocks:
                    self._send(block, kept, as_sent)
        self._overlap.follow(packet.ssrc, kept)
        if stream.watched and sent:
            self._on_cut_in(stream.on_air)
        stream.watched = False

    # ------------------------------------------------------------ the peers

    def add(self, peer: Peer) -> None:
        """Take in a connected *peer*; its outlet is there."""
        self._peers[peer] = None
        self._count(peer, 1)
        peer.resend_budget = RESENDS_PER_REPORT
        self._tune(peer)

    def moved(self, peer: Peer) -> None:
        """Notice that the outlet's address changed."""
        if (group := self._group_of(peer)) is not None:
            group.dissolve(peer)

    def remove(self, peer: Peer) -> None:
        """Forget *peer*."""
        if peer in self._peers:
            self._leave(peer)
            self._overlap.leave(peer)
            self._count(peer, -1)
            del self._peers[peer]

    def retarget(self, peer: Peer, target: Target) -> None:
        """Let *peer* hear *target* from now on."""
        if peer not in self._peers:
            peer.target = target
            return
        self._count(peer, -1)
        peer.target = target
        self._count(peer, 1)
        self._tune(peer)

    def listeners(self) -> dict[str, int]:
        """Return how many connected peers listen to each zone; any thread may ask."""
        return dict(self._by_zone)

    def answer(self, peer: Peer, nack: Nack) -> list[bytes]:
        """Return the protected packets that *nack* asks for and that we still have."""
        if peer.srtp is None or peer.outlet is None:
            return []
        found: list[bytes] = []
        for sequence in nack.sequences:
            if peer.resend_budget == 0:
                break
            if (packet := self._numbering.find(peer, sequence)) is not None:
                peer.resend_budget -= 1
                found.append(peer.srtp.protect(packet))
        self._counters.resent(len(found))
        return found

    def report(self, peer: Peer, *, now_ns: int, utc_ns: int) -> bytes | None:
        """Return *peer*'s sender report, protected; None before the first packet."""
        if peer.srtp is None or peer.outlet is None or not peer.segments:
            return None
        peer.resend_budget = RESENDS_PER_REPORT
        packets = self._numbering.next_sequence(peer) - peer.first_sequence
        if packets == 0:
            return None
        report = SenderReport(
            ssrc=self._ssrc,
            utc_ns=utc_ns,
            timestamp=(ns_to_samples(now_ns) + peer.outlet.shift_samples) % 2**32,
            packets=packets,
            octets=self._numbering.octets(peer),
        )
        return peer.srtp.protect_rtcp(report.serialize(self._cname))

    # ------------------------------------------------------------ inside

    def _set_heard(self, zone_id: str, ssrc: int | None) -> None:
        if ssrc is None:
            self._heard.pop(zone_id, None)
        else:
            self._heard[zone_id] = ssrc

    def _count(self, peer: Peer, change: int) -> None:
        zone_id = peer.target.zone_id
        if zone_id is not None:
            self._by_zone[zone_id] += change
            if not self._by_zone[zone_id]:
                del self._by_zone[zone_id]

    def _cuts_in(self, on_air: OnAir, switches: Iterable[Switch]) -> bool:
        """Whether to measure how soon it is heard; ask before switching."""
        return on_air.accepted_ns is not None and (
            on_air.programme_class in _CUTS_IN
            or any(
                switch.ssrc == on_air.ssrc and zone_id in self._heard
                for switch in switches
                for zone_id in switch.zone_ids
            )
        )

    def _wanted(self, peer: Peer) -> int | None:
        target = peer.target
        if target.zone_id is not None:
            return self._heard.get(target.zone_id)
        ssrc = self._takes.get(target.broadcast_id or "")
        return ssrc if ssrc in self._streams else None

    def _retune(self, switches: Iterable[Switch]) -> None:
        """Let every peer hear what it should, the speakers without a seam."""
        from_ns = {zone_id: s.from_ns for s in switches for zone_id in s.zone_ids}
        moved: dict[tuple[int | None, int | None, int, bool], list[Peer]] = {}
        for peer in list(self._peers):
            former, since_ns = self._peers[peer], from_ns.get(peer.target.zone_id or "")
            self._tune(peer)
            ssrc = self._peers[peer]
            # Who hears nothing, as before, may still be sent a tail that is cut now.
            changes = ssrc is None or ssrc != former
            if peer.keeps_clock and since_ns is not None and changes:
                key = former, ssrc, since_ns, peer.redundant
                moved.setdefault(key, []).append(peer)
        for (former, ssrc, since_ns, _), peers in moved.items():
            self._overlap.switched(peers, former, ssrc, since_ns)

    def _tune(self, peer: Peer) -> None:
        """Let *peer* hear what it should."""
        wanted = self._wanted(peer)
        if wanted == self._peers[peer]:
            return
        self._leave(peer)
        self._peers[peer] = wanted
        if wanted is not None:
            self._groups.setdefault((wanted, peer.kind), Group()).add(peer)

    def _leave(self, peer: Peer) -> None:
        if (group := self._group_of(peer)) is not None:
            group.remove(peer)

    def _group_of(self, peer: Peer) -> Group | None:
        ssrc = self._peers.get(peer)
        return None if ssrc is None else self._groups.get((ssrc, peer.kind))

    def _end(self, ssrc: int) -> None:
        self._overlap.end(ssrc)
        for kind in KINDS:
            group = self._groups.pop((ssrc, kind), None)
            if group is not None:
                for peer in tuple(group):
                    group.remove(peer)
                    self._peers[peer] = None
        if (stream := self._streams.get(ssrc)) is not None:
            stream.has_ended = True
        ended = [s for s, stream in self._streams.items() if stream.has_ended]
        for old in ended[:-KEPT_PROGRAMMES]:
            del self._streams[old]

    def _send(self, block: Block, kept: Kept, packet: PlainPacket) -> None:
        if block.matrix is None:
            for peer in block.peers:
                self._numbering.begin(peer, ssrc=self._peers[peer], kept=kept)
            outlets = [p.outlet for p in block.peers if p.outlet is not None]
            block.matrix = SrtpFanout(outlets)
        self._transmit(block.matrix, packet)

    def _send_apart(
        self, peers: Sequence[Peer], ssrc: int, packets: Sequence[Kept]
    ) -> None:
        """Send *packets* of a programme to *peers* of one kind, and to nobody else."""
        for peer in peers:
            if (group := self._group_of(peer)) is not None:
                group.dissolve(peer)  # it counts on from here
            self._numbering.begin(peer, ssrc=ssrc, kept=packets[0])
        matrix = SrtpFanout([p.outlet for p in peers if p.outlet is not None])
        for kept in packets:
            self._transmit(matrix, kept.as_sent(redundant=peers[0].redundant))
        matrix.close()

    def _transmit(self, matrix: SrtpFanout, packet: PlainPacket) -> None:
        sent = matrix.send(self._descriptor(), packet, duration_samples=FRAME_SAMPLES)
        self._counters.sent(sent)
        if sent < len(matrix):
            self._counters.dropped(len(matrix) - sent)

    def _is_counted_on(self, peer: Peer) -> bool:
        """Whether a matrix numbers its packets now, not its outlet."""
        group = self._group_of(peer)
        return group is not None and group.counts_on(peer)
