"""A programme as WebRTC listeners get it: its last packets, plain and with RED."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from streamer.bus.bus import OnAir
from streamer.fanout.webrtc.srtp import PlainPacket
from streamer.media.frame import FRAME_SAMPLES, ProgrammePacket, ns_to_samples
from streamer.wire import red
from streamer.wire.rtp import HEADER_BYTES

KEPT_PACKETS = 100
"Two seconds: later a retransmission would come too late anyway."
MAX_RED_BYTES = 1_200
"Of a payload with copies: it must fit the smallest path's packet (RFC 9000, 14.1)."


@dataclass(frozen=True, slots=True)
class Kept:
    """A packet in both forms."""

    index: int
    plain: PlainPacket
    redundant: PlainPacket
    octets: tuple[int, int]
    "Payload octets of the programme up to and with this packet: plain, redundant."

    def as_sent(self, *, redundant: bool) -> PlainPacket:
        """Return the form that peers get who have RED or not."""
        return self.redundant if redundant else self.plain


@dataclass(slots=True)
class Stream:
    """One programme's latest packets, as they went out."""

    on_air: OnAir
    ssrc: int
    "Of every peer's stream."
    red_distances: tuple[int, ...] = (1,)
    "How many packets earlier those are that a packet repeats; ascending."
    has_ended: bool = False
    "No packet follows; those that it had can still be asked for."
    watched: bool = False
    "Its first packet is waited for, to measure how soon it came."
    kept: deque[Kept] = field(default_factory=lambda: deque(maxlen=KEPT_PACKETS))

    def append(self, packet: ProgrammePacket) -> Kept:
        """Keep *packet*, made ready for both kinds of peers."""
        payload = packet.rtp[HEADER_BYTES:]
        timestamp = ns_to_samples(packet.capture_ns)
        plain = PlainPacket(timestamp, self.ssrc, payload)
        redundant = PlainPacket(timestamp, self.ssrc, self._red(payload, packet.rtp[1]))
        before = self.kept[-1].octets if self.kept else (0, 0)
        octets = (before[0] + len(payload), before[1] + len(redundant.payload))
        kept = Kept(packet.index, plain, redundant, octets)
        self.kept.append(kept)
        return kept

    @property
    def end_samples(self) -> int:
        """Capture instant just after the newest packet, on the media clock."""
        if not self.kept:
            return ns_to_samples(self.on_air.origin_ns)
        return self.kept[-1].plain.timestamp + FRAME_SAMPLES

    def since(self, start_samples: int) -> list[Kept]:
        """Return the packets captured then or later, oldest first."""
        newest_first = takewhile(
            lambda kept: kept.plain.timestamp >= start_samples, reversed(self.kept)
        )
        return list(newest_first)[::-1]

    def find(self, index: int) -> Kept | None:
        """Return the packet with this index, unless it is too old or to come."""
        if not self.kept:
            return None
        position = index - self.kept[0].index
        return self.kept[position] if 0 <= position < len(self.kept) else None

    def _red(self, payload: bytes, second_byte: int) -> bytes:
        """The newest frame, and the earlier ones that it is to repeat (RFC 2198)."""
        payload_type = second_byte & 0x7F
        blocks = [red.RedBlock(payload_type, 0, payload)]
        room_bytes = MAX_RED_BYTES - len(payload)
        for distance, earlier in self._earlier():
            block_bytes = red.REDUNDANT_HEADER_BYTES + len(earlier)
            if block_bytes < room_bytes and len(earlier) <= red.MAX_BLOCK_BYTES:
                room_bytes -= block_bytes
                offset = distance * FRAME_SAMPLES
                blocks.append(red.RedBlock(payload_type, offset, earlier))
        # RFC 2198, section 4, shows the oldest first; the primary is the last.
        return red.serialize(blocks[::-1])

    def _earlier(self) -> Iterator[tuple[int, bytes]]:
        """Yield distance and payload of the packets to be repeated, nearest first."""
        for distance in self.red_distances:
            if distance <= len(self.kept):
                yield distance, self.kept[-distance].plain.payload
