"""A programme as a fan-out carries it: its last packets, and messages of them.

A listener of *size* packets per message gets one after each packet whose number
k fulfils ``(k + 1) % size == phase``. So what a listener was sent follows from the
newest packet alone, and no listener needs a cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.bus.bus import OnAir
from streamer.fanout.frames import binary_frame
from streamer.fanout.group import Group
from streamer.fanout.member import Member
from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.media.ring import PacketRing
from streamer.wire import framing
from streamer.wire.control import MAX_BURST_PACKETS

RING_PACKETS = 512  # 10 s: more than any playout delay


@dataclass(frozen=True, slots=True)
class Parcel:
    """WebSocket frames to be written at once, and the RTP packets in them."""

    data: bytes = b""
    packets: int = 0

    def __add__(self, other: Parcel) -> Parcel:
        return Parcel(self.data + other.data, self.packets + other.packets)


NOTHING = Parcel()


def pack(packets: Sequence[ProgrammePacket]) -> Parcel:
    """Return *packets* as one binary message, or nothing when there are none."""
    if not packets:
        return NOTHING
    message = framing.join(packet.rtp for packet in packets)
    return Parcel(binary_frame(message), len(packets))


@dataclass(frozen=True, slots=True)
class Tail:
    """Who still gets the packets of a programme captured before their switch."""

    until_ns: int
    members: list[Member]


class Carried:
    """One programme on air."""

    def __init__(self, on_air: OnAir) -> None:
        self.on_air = on_air
        self.zone_ids: set[str] = set()
        "Zones that hear it now."
        self.groups: dict[tuple[int, int], Group] | None = None
        "Members by (size, phase); None when membership changed."
        self.tails: list[Tail] = []
        self.newest = -1
        "Number of its newest packet."
        self.watched = False
        "Whether its first packet ends a preemption."
        self._ring = PacketRing(RING_PACKETS)

    @property
    def end_ns(self) -> int:
        """Capture instant just after the newest packet."""
        newest = self._ring.last(1)
        return newest[0].capture_ns + FRAME_NS if newest else self.on_air.origin_ns

    def append(self, packet: ProgrammePacket) -> None:
        """Take the next packet."""
        self._ring.append(packet)
        self.newest = packet.index

    def drop_tails(self, members: Sequence[Member]) -> None:
        """Let *members*, which hear it again, no longer get its tail."""
        returning = set(members)
        for tail in self.tails:
            tail.members[:] = [m for m in tail.members if m not in returning]

    def cut_tails(self, members: Sequence[Member], at_ns: int) -> None:
        """Let *members* get of its tail only what was captured before *at_ns*."""
        cut = set(members)
        for tail in tuple(self.tails):
            if tail.until_ns <= at_ns:
                continue
            shorter = [m for m in tail.members if m in cut]
            tail.members[:] = [m for m in tail.members if m not in cut]
            if shorter and self.end_ns < at_ns:
                self.tails.append(Tail(at_ns, shorter))

    def bundle(self, size: int) -> Parcel:
        """Return the newest *size* packets as one message."""
        first = self.newest - size + 1
        return pack([p for p in self._ring.last(size) if p.index >= first])

    def remainder(self, member: Member, *, before_ns: int) -> Parcel:
        """Return what waits for *member*'s next message, captured before an instant."""
        if not member.audio:
            return NOTHING
        sent = member.sent_of(self.newest)
        return pack(
            [
                packet
                for packet in self._ring.last(member.size - 1)
                if packet.index > sent and packet.capture_ns < before_ns
            ]
        )

    def burst(
        self,
        member: Member,
        *,
        since_ns: int,
        first: int = 0,
        newest: int | None = None,
    ) -> Parcel:
        """Return packets *member* lacks, up to where its next message begins.

        Args:
            member: Whose size and phase count.
            since_ns: Capture instant of the oldest packet of interest.
            first: Number of the oldest packet of interest.
            newest: What to take for the newest packet.
        """
        if not member.audio:
            return NOTHING
        sent = member.sent_of(self.newest if newest is None else newest)
        wanted = [p for p in self._ring.since(since_ns) if first <= p.index <= sent]
        return pack(wanted[-MAX_BURST_PACKETS:])
