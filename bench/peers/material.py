"""What the peers send: the packets our own server would make of the same tone.

Encoded ahead with the server's encoder settings, so that every contender sends
packets of the same sizes; only sequence number and timestamp are new per packet.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench import stream
from bench.account import lookahead_ns
from ingest.tone import Pattern, render
from streamer.media.frame import FRAME_SAMPLES
from streamer.media.opus import OpusEncoder
from streamer.wire import framing
from streamer.wire.control import Programme, ProgrammeClass, serialize
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

SSRC = 0x10AC_A57
PATTERN = Pattern.MUSIC
LOOP_PACKETS = 500


def payloads(count: int = LOOP_PACKETS) -> list[bytes]:
    """Return *count* Opus packets of the tone that our server airs in these benches."""
    with OpusEncoder() as encoder:
        return [
            encoder.encode(render(PATTERN, k * FRAME_SAMPLES, FRAME_SAMPLES))
            for k in range(count)
        ]


def message(loop: Sequence[bytes], indices: Sequence[int]) -> bytes:
    """Return the binary message that bundles the packets with these numbers."""
    return framing.join(rtp(loop, index) for index in indices)


def rtp(loop: Sequence[bytes], index: int) -> bytes:
    """Return packet *index* of a programme that repeats *loop*."""
    return RtpPacket(
        payload_type=OPUS_PAYLOAD_TYPE,
        sequence=index & 0xFFFF,
        timestamp=index * FRAME_SAMPLES & 0xFFFF_FFFF,
        ssrc=SSRC,
        payload=loop[index % len(loop)],
    ).serialize()


def announcement(first_due_ns: int) -> str:
    """Return the control message ahead of packet 0, which the grid owes then."""
    clock_us = (first_due_ns - lookahead_ns()) // 1000
    return serialize(
        Programme(
            broadcast="peer",
            programme_class=ProgrammeClass.BACKGROUND,
            title="bench",
            ssrc=SSRC,
            payload_type=OPUS_PAYLOAD_TYPE,
            timestamp=0,
            clock_us=clock_us,
            from_us=clock_us,
        )
    )


def bundle(index: int, packets: int) -> range:
    """Return the packets of the message that ends with packet *index*."""
    return range(max(0, index - packets + 1), index + 1)


def framed_announcement(first_due_ns: int) -> bytes:
    """Return :func:`announcement` as a WebSocket frame."""
    return stream.frame(stream.TEXT, announcement(first_due_ns).encode())
