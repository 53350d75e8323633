"""RTP packets (RFC 3550, section 5.1) carrying Opus (RFC 7587).

The server sends fixed headers only; a peer may send CSRCs, a header extension
and padding, which are skipped as the RFC says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from streamer.wire.errors import LocalWireError, RemoteWireError

HEADER_BYTES = 12
OPUS_PAYLOAD_TYPE = 111
"Dynamic (RFC 3551, section 3); the number browsers use for Opus."
OPUS_CLOCK_HZ = 48_000
"The RTP clock of Opus whatever the coded bandwidth (RFC 7587, section 4.1)."

_HEADER = struct.Struct("!BBHII")
_VERSION = 2 << 6


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet."""

    payload_type: int
    "In ``range(128)``."

    sequence: int
    "In ``range(2**16)``; grows by one per packet."

    timestamp: int
    "In ``range(2**32)``; sampling instant of the payload's first sample."

    ssrc: int
    "Synchronisation source, in ``range(2**32)``."

    payload: bytes
    "One Opus packet (RFC 6716, section 3)."

    marker: bool = False
    "First packet of a talkspurt (RFC 7587, section 4.1)."

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a packet from *data*.

        Raises:
            RemoteWireError: It is not RTP version 2, or shorter than it says.
        """
        if len(data) < HEADER_BYTES:
            raise RemoteWireError(f"RTP packet of {len(data)} bytes is truncated")
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if first & 0xC0 != _VERSION:
            raise RemoteWireError(f"RTP version is {first >> 6}, not 2")
        start, end = _payload_bounds(data, first)
        return cls(
            payload_type=second & 0x7F,
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=data[start:end],
            marker=second >= 0x80,
        )

    def serialize(self) -> bytes:
        """Return the packet's bytes.

        Raises:
            LocalWireError: A field does not fit its width.
        """
        if not 0 <= self.payload_type < 128:
            raise LocalWireError(f"payload type {self.payload_type} needs 7 bits")
        second = self.payload_type | self.marker << 7
        try:
            header = _HEADER.pack(
                _VERSION, second, self.sequence, self.timestamp, self.ssrc
            )
        except struct.error as error:
            raise LocalWireError(f"RTP header field out of range: {error}") from error
        return header + self.payload


def _payload_bounds(data: bytes, first: int) -> tuple[int, int]:
    """Return where the payload starts and ends, past CSRCs, extension, padding."""
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:  # RFC 3550, section 5.3.1
        if len(data) < start + 4:
            raise RemoteWireError("RTP header extension is truncated")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            raise RemoteWireError("RTP padding of zero bytes")
        end -= padding
    if start > end:
        raise RemoteWireError("RTP header or padding reaches past the packet's end")
    return start, end
