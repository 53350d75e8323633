"""RTP packets framed into one WebSocket binary message (RFC 4571, section 2).

A message holds one packet or a bundle of consecutive ones, each behind its
length as a 16-bit big-endian integer.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamer.wire.errors import LocalWireError, RemoteWireError

LENGTH_BYTES = 2
MAX_PACKET_BYTES = 0xFFFF


def frame(packet: bytes) -> bytes:
    """Return *packet* behind its length.

    Raises:
        LocalWireError: It is empty or longer than 65,535 bytes.
    """
    if not 0 < len(packet) <= MAX_PACKET_BYTES:
        raise LocalWireError(f"cannot frame a packet of {len(packet)} bytes")
    return len(packet).to_bytes(LENGTH_BYTES) + packet


def join(packets: Iterable[bytes]) -> bytes:
    """Return one message that holds *packets* in order."""
    return b"".join(map(frame, packets))


def split(message: bytes) -> list[bytes]:
    """Return the packets of *message*, in order.

    Raises:
        RemoteWireError: A length is zero or reaches past the end.
    """
    packets: list[bytes] = []
    position = 0
    while position < len(message):
        start = position + LENGTH_BYTES
        length = int.from_bytes(message[position:start])
        position = start + length
        if length == 0 or position > len(message):
            raise RemoteWireError(
                f"frame {len(packets)} claims {length} bytes,"
                f" {max(0, len(message) - start)} are left"
            )
        packets.append(message[start:position])
    return packets
