"""A programme as WebRTC listeners get it: its last packets, plain and with RED."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile

from streamer.bus.bus import OnAir
from streamer.fanout.webrtc.srtp import PlainPacket
from streamer.media.frame import FRAME_SAMPLES, ProgrammePacket, ns_to_samples
from streamer.wire import red
from streamer.wire.rtp import HEADER_BYTES

KEPT_PACKETS = 100
"Two seconds: later a retransmission would come too late anyway."


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
        """The newest frame with the one before it (RFC 2198, section 3)."""
        payload_type = second_byte & 0x7F
        primary = red.RedBlock(payload_type, 0, payload)
        if not self.kept or len(previous := self.kept[-1].plain.payload) > 1023:
            return red.serialize([primary])
        copy = red.RedBlock(payload_type, FRAME_SAMPLES, previous)
        return red.serialize([copy, primary])
