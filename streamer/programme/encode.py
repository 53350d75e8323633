"""From a conditioned frame to the one packet that every listener gets."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.media.frame import FRAME_NS, FRAME_SAMPLES, Pcm, ProgrammePacket
from streamer.media.opus import OpusEncoder
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket


@dataclass(frozen=True, slots=True)
class StreamStart:
    """Where a programme's numbers begin."""

    ssrc: int
    timestamp: int
    "RTP timestamp of packet 0; random (RFC 3550, section 5.1)."
    sequence: int
    "RTP sequence number of packet 0; random (RFC 3550, section 5.1)."
    due_ns: int
    "Local monotonic instant at which packet 0 is due."
    origin_ns: int
    "Local monotonic capture instant of the first decoded sample of packet 0."


class PacketEncoder:
    """Encodes frames and builds each one's RTP packet, once.

    Args:
        encoder: Used and closed by this object alone.
        start: Numbers of the first packet.
    """

    def __init__(self, encoder: OpusEncoder, start: StreamStart) -> None:
        self._encoder = encoder
        self._start = start
        self._index = 0

    @property
    def count(self) -> int:
        """Packets made so far."""
        return self._index

    def encode(self, pcm: Pcm) -> ProgrammePacket:
        """Return the packet of the next 960 samples."""
        start, index = self._start, self._index
        rtp = RtpPacket(
            payload_type=OPUS_PAYLOAD_TYPE,
            sequence=(start.sequence + index) & 0xFFFF,
            timestamp=(start.timestamp + index * FRAME_SAMPLES) & 0xFFFFFFFF,
            ssrc=start.ssrc,
            payload=self._encoder.encode(pcm),
            marker=index == 0,  # RFC 7587, section 4.1
        )
        self._index += 1
        return ProgrammePacket(
            ssrc=start.ssrc,
            index=index,
            rtp=rtp.serialize(),
            capture_ns=start.origin_ns + index * FRAME_NS,
            due_ns=start.due_ns + index * FRAME_NS,
        )

    def close(self) -> None:
        """Free the encoder; idempotent."""
        self._encoder.close()
