"""Where packets that came by WebRTC belong, by what they carry themselves (pure).

Their timestamps are the server's media clock, so a packet says by itself when it was
captured, whatever programme it is of (FORMAT.md, "Audio over WebRTC").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.media.frame import FRAME_SAMPLES
from streamer.wire import red
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket
from streamer.wire.sequence import unwrap

RED_PAYLOAD_TYPE = 112
"Dynamic, and of those that aiortc takes for such: 96 to 127."


@dataclass(frozen=True, slots=True)
class Placed:
    """One Opus packet on the server's clock."""

    position: int
    "Of its first sample, at 48 kHz."
    payload: bytes
    repeated: bool = False
    "A copy that came along with a later packet (RFC 2198)."


def place(rtp: RtpPacket, *, near: int) -> list[Placed]:
    """Return the packets in *rtp*, the newest first.

    Args:
        rtp: As negotiated in `clients.speaker.sdp`: Opus, or RED of Opus.
        near: Position within 12 hours of it, such as that of now.

    Raises:
        RemoteWireError: It is RED and truncated.
    """
    position = unwrap(rtp.timestamp, near, bits=32)
    if rtp.payload_type != RED_PAYLOAD_TYPE:
        return [Placed(position, rtp.payload)]
    *copies, primary = red.parse(rtp.payload)
    return [
        Placed(position, primary.payload),
        *(
            Placed(position - copy.timestamp_offset, copy.payload, repeated=True)
            for copy in reversed(copies)
            if copy.payload_type == OPUS_PAYLOAD_TYPE
        ),
    ]


def distances(placed: Sequence[Placed]) -> list[int]:
    """Return how many packets earlier than the newest, the first, each copy is."""
    newest, *copies = placed
    return [(newest.position - copy.position) // FRAME_SAMPLES for copy in copies]
