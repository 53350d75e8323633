"""What a listener's socket holds, read with as little work as possible (pure).

Listeners of one programme get the same bytes, so chunks read from their sockets are
mostly equal: :func:`read_chunk` is cached and a chunk that was seen costs a hash and
a comparison of its bytes. Every byte of every listener is nevertheless looked at.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from streamer.media.frame import FRAME_SAMPLES
from streamer.wire.control import Programme, ServerMessage, parse_from_server
from streamer.wire.framing import split

_CACHED_CHUNKS = 4096
_RTP_HEAD = struct.Struct("!xxHII")  # RFC 3550, section 5.1: seq, timestamp, SSRC

TEXT, BINARY, PONG = 0x1, 0x2, 0xA
_CLOSE, _PING = 0x8, 0x9

Place = tuple[int, int, int]
"SSRC, sequence number, RTP timestamp of a packet."


class Run(NamedTuple):
    """Packets that follow one another: same SSRC, sequence + 1, timestamp + 960."""

    start: Place
    packets: int
    following: Place
    "Where the next packet must be for the run to go on."


class Chunk(NamedTuple):
    """The whole messages of some bytes, and what is left of the last one."""

    runs: tuple[Run, ...]
    controls: tuple[ServerMessage, ...]
    pings: tuple[bytes, ...]
    "Payloads to be answered."
    closed: bool
    ends: tuple[tuple[int, int], ...]
    "SSRC and RTP timestamp of the last packet of each binary message."
    audio_bytes: int
    "Payload of those: framed RTP."
    rest: bytes


class NotAStream(Exception):
    """The bytes are no WebSocket frames a server of ours may send."""


class _Reader:
    """Collects what :func:`read_chunk` returns."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.controls: list[ServerMessage] = []
        self.pings: list[bytes] = []
        self.closed = False
        self.ends: list[tuple[int, int]] = []
        self.audio_bytes = 0

    def take(self, opcode: int, payload: bytes) -> None:
        if opcode == BINARY:
            self.audio_bytes += len(payload)
            places = [self._append(packet) for packet in split(payload)]
            self.ends += places[-1:]
        elif opcode == TEXT:
            self.controls.append(parse_from_server(payload.decode()))
        elif opcode == _PING:
            self.pings.append(payload)
        elif opcode == _CLOSE:
            self.closed = True
        elif opcode != PONG:
            raise NotAStream(f"opcode {opcode}")

    def _append(self, packet: bytes) -> tuple[int, int]:
        sequence, timestamp, ssrc = _RTP_HEAD.unpack_from(packet)
        place = (ssrc, sequence, timestamp)
        if self.runs and self.runs[-1].following == place:
            last = self.runs[-1]
            self.runs[-1] = Run(last.start, last.packets + 1, _after(place))
        else:
            self.runs.append(Run(place, 1, _after(place)))
        return ssrc, timestamp


@lru_cache(_CACHED_CHUNKS)
def read_chunk(data: bytes) -> Chunk:
    """Return what *data* holds, which starts at the start of a frame.

    Raises:
        NotAStream: It is no unmasked, unfragmented WebSocket traffic.
        RemoteWireError: A message is not what FORMAT.md says.
    """
    reader, position = _Reader(), 0
    while (bounds := _frame_bounds(data, position)) is not None:
        start, end = bounds
        if data[position] & 0xF0 != 0x80:  # FIN set, no extension (section 5.2)
            raise NotAStream(f"fragmented or extended frame {data[position]:#x}")
        reader.take(data[position] & 0x0F, data[start:end])
        position = end
    return Chunk(
        runs=tuple(reader.runs),
        controls=tuple(reader.controls),
        pings=tuple(reader.pings),
        closed=reader.closed,
        ends=tuple(reader.ends),
        audio_bytes=reader.audio_bytes,
        rest=data[position:],
    )


def frame(opcode: int, payload: bytes) -> bytes:
    """Return *payload*, at most 64 KiB, as an unmasked frame (RFC 6455, 5.2)."""
    first = 0x80 | opcode
    if len(payload) < 126:
        return bytes((first, len(payload))) + payload
    return bytes((first, 126)) + len(payload).to_bytes(2) + payload


def masked(opcode: int, payload: bytes) -> bytes:
    """Return *payload* as one frame of a client; masked with zeros, which is a mask."""
    plain = bytearray(frame(opcode, payload))
    plain[1] |= 0x80
    start = len(plain) - len(payload)
    return bytes(plain[:start] + bytes(4) + plain[start:])


def programmes(chunk: Chunk) -> tuple[Programme, ...]:
    """Return the programmes announced in *chunk*."""
    return tuple(m for m in chunk.controls if isinstance(m, Programme))


def _frame_bounds(data: bytes, position: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at *position* lies, if it is all there."""
    left = len(data) - position
    if left < 2:
        return None
    start, length = position + 2, data[position + 1]
    if length == 126 and left >= 4:
        start, length = position + 4, int.from_bytes(data[position + 2 : position + 4])
    elif length == 127 and left >= 10:
        start, length = (
            position + 10,
            int.from_bytes(data[position + 2 : position + 10]),
        )
    elif length > 127:
        raise NotAStream("a server must not mask (RFC 6455, section 5.1)")
    elif length >= 126:
        return None
    return (start, start + length) if start + length <= len(data) else None


def _after(place: Place) -> Place:
    ssrc, sequence, timestamp = place
    return ssrc, (sequence + 1) & 0xFFFF, (timestamp + FRAME_SAMPLES) & 0xFFFF_FFFF
