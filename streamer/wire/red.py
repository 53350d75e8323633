"""Redundant audio data (RFC 2198): earlier frames repeated beside the newest one.

The receiver gets each Opus frame more than once, so a single lost packet loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.wire.errors import LocalWireError, RemoteWireError

MAX_OFFSET_SAMPLES = (1 << 14) - 1
"A redundant block is at most 341 ms older than the primary one, at 48 kHz."
MAX_BLOCK_BYTES = (1 << 10) - 1
REDUNDANT_HEADER_BYTES = 4


@dataclass(frozen=True, slots=True)
class RedBlock:
    """One block of a RED payload."""

    payload_type: int
    timestamp_offset: int
    "How much older than the RTP timestamp, in samples; 0 for the primary block."

    payload: bytes


def serialize(blocks: Sequence[RedBlock]) -> bytes:
    """Return the payload that holds *blocks*: redundant ones first, primary last.

    Raises:
        LocalWireError: A redundant block does not fit its fields.
    """
    *redundant, primary = blocks
    headers = b"".join(map(_redundant_header, redundant))
    headers += bytes([primary.payload_type])
    return headers + b"".join(block.payload for block in blocks)


def parse(payload: bytes) -> list[RedBlock]:
    """Return the blocks of *payload*, primary last.

    Raises:
        RemoteWireError: A header or a block is truncated.
    """
    headers, position = _parse_headers(payload)
    blocks: list[RedBlock] = []
    for payload_type, offset, length in headers[:-1]:
        end = position + length
        if end > len(payload):
            raise RemoteWireError("RED block reaches past the payload's end")
        blocks.append(RedBlock(payload_type, offset, payload[position:end]))
        position = end
    blocks.append(RedBlock(headers[-1][0], 0, payload[position:]))
    return blocks


def _redundant_header(block: RedBlock) -> bytes:
    if not 0 < block.timestamp_offset <= MAX_OFFSET_SAMPLES:
        raise LocalWireError(f"RED offset {block.timestamp_offset} needs 14 bits")
    if len(block.payload) > MAX_BLOCK_BYTES:
        raise LocalWireError(f"RED block of {len(block.payload)} bytes needs 10 bits")
    fields = block.timestamp_offset << 10 | len(block.payload)
    return bytes([0x80 | block.payload_type]) + fields.to_bytes(3)


def _parse_headers(payload: bytes) -> tuple[list[tuple[int, int, int]], int]:
    headers: list[tuple[int, int, int]] = []
    position = 0
    while position < len(payload):
        first = payload[position]
        if first < 0x80:  # the F bit is clear: the primary block's header
            return [*headers, (first, 0, 0)], position + 1
        fields = int.from_bytes(payload[position + 1 : position + 4])
        headers.append((first & 0x7F, fields >> 10, fields & 0x3FF))
        position += REDUNDANT_HEADER_BYTES
    raise RemoteWireError("RED headers reach past the payload's end")
