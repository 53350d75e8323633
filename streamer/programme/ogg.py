"""Ogg Opus (RFC 7845 in pages of RFC 3533) from packets that exist already; sans-I/O.

PyAV's muxer writes the pre-skip of its own encoder and decides itself when a page
ends, so it can neither align our recordings nor bound what a crash loses.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ

PAGE_PACKETS = 50
"One second of audio per page: what a crash may lose."
MAX_TAG_BYTES = 60_000
"The tags fit one page (RFC 3533, section 6: 255 segments of 255 bytes)."

_BEGIN, _END = 0x02, 0x04
_MAX_SEGMENTS = 255
_PAGE = struct.Struct("<4sBBqIII")  # RFC 3533, section 6; the CRC is last
_CRC_AT = 22
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggOpusStream:
    """Turns a programme's packets into the bytes of a file, a page at a time.

    A packet that was lost on the way leaves a packet without data, for which a
    decoder conceals (RFC 7845, section 4.1), so time in the file stays true.

    Args:
        serial: Any 32-bit number.
        pre_skip_samples: Decoded samples that a player drops at the start.
    """

    def __init__(self, serial: int, pre_skip_samples: int) -> None:
        self._serial = serial
        self._pre_skip = pre_skip_samples
        self._page_number = 0
        self._packets = 0
        self._granule = 0  # of the last page
        self._held: list[bytes] = []
        self._held_segments = 0

    @property
    def packets(self) -> int:
        """Packets taken in, those filled in for lost ones included."""
        return self._packets

    def headers(self, vendor: str, tags: Mapping[str, str]) -> bytes:
        """Return the first two pages.

        Args:
            vendor: Name and version of the encoder.
            tags: Such as TITLE and DATE (RFC 7845, section 5.2.2).

        Raises:
            ValueError: Vendor and tags are longer than 60,000 bytes.
        """
        # RFC 7845, section 5.1: version 1, mono, no gain, mapping family 0.
        head = b"OpusHead" + struct.pack(
            "<BBHIhB", 1, 1, self._pre_skip, SAMPLE_RATE_HZ, 0, 0
        )
        comments = [f"{name}={value}" for name, value in tags.items()]
        listed = b"".join(map(_counted, comments))
        body = b"OpusTags" + _counted(vendor) + struct.pack("<I", len(comments))
        if len(body) + len(listed) > MAX_TAG_BYTES:
            raise ValueError(f"tags of {len(listed)} bytes do not fit their page")
        return self._page([head], 0, _BEGIN) + self._page([body + listed], 0)

    def add(self, index: int, payload: bytes) -> bytes:
        """Take in packet *index*; return a finished page, or nothing.

        Args:
            index: Its number from 0; one that came before is left out.
            payload: One Opus packet of 20 ms.
        """
        if index < self._packets:
            return b""
        # TOC byte of the same configuration, one frame, empty: conceal.
        missing = bytes((payload[0] & 0xFC,))
        lost = [missing] * (index - self._packets)
        return b"".join(map(self._hold, (*lost, payload)))

    def finish(self, samples: int | None = None) -> bytes:
        """Return the last page.

        Args:
            samples: Length of the audio; what the last packet holds beyond it is
                trimmed (RFC 7845, section 4.4). None: nothing is.
        """
        granule = self._packets * FRAME_SAMPLES
        if samples is not None:
            granule = max(self._granule, min(granule, self._pre_skip + samples))
        return self._page(self._held, granule, _END)

    def _hold(self, payload: bytes) -> bytes:
        """Keep *payload*; return the page that it no longer fits into, if any.

        So the last page never goes without a packet that it may trim.
        """
        segments = len(payload) // 255 + 1
        page = b""
        if (
            len(self._held) == PAGE_PACKETS
            or self._held_segments + segments > _MAX_SEGMENTS
        ):
            page = self._page(self._held, self._packets * FRAME_SAMPLES)
            self._held, self._held_segments = [], 0
        self._held.append(payload)
        self._held_segments += segments
        self._packets += 1
        return page

    def _page(self, packets: list[bytes], granule: int, flags: int = 0) -> bytes:
        """Return *packets* as one page (RFC 3533, section 6)."""
        lacing = b"".join(
            b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,))
            for packet in packets
        )
        header = _PAGE.pack(
            b"OggS", 0, flags, granule, self._serial, self._page_number, 0
        )
        page = b"".join((header, bytes((len(lacing),)), lacing, *packets))
        self._page_number += 1
        self._granule = granule
        checksum = struct.pack("<I", crc32(page))
        return page[:_CRC_AT] + checksum + page[_CRC_AT + 4 :]


def crc32(data: bytes) -> int:
    """Return Ogg's checksum of *data* (RFC 3533, section 6).

    Polynomial 0x04c11db7 as in zlib, but most significant bit first, start 0 and no
    final inversion: zlib's, with the bits of input and output reversed.
    """
    register = zlib.crc32(data.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{register:032b}"[::-1], 2)


def _counted(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<I", len(encoded)) + encoded
