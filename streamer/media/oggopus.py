"""Reads Opus packets out of the Ogg files that we write (RFC 7845, RFC 3533).

One logical stream, whose checksums are not looked at: such a file is known by its
SHA-256 before it is read. Whatever is in it, reading it raises nothing but `OggError`
and `OSError`, and holds no more than a page in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_PAGE = struct.Struct("<4sBBqIIIB")  # RFC 3533, section 6
_CONTINUED = 0x01
_HEAD = struct.Struct("<8sBBHIhB")  # RFC 7845, section 5.1


class OggError(Exception):
    """The file is no Ogg Opus file as `streamer.programme.ogg` writes it."""


class OggOpusFile:
    """Gives the packets of an open file, in order.

    Args:
        file: At its beginning; the caller closes it.

    Raises:
        OggError: It does not begin as it must.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = self._body(self._lacing())
        try:
            name, _, channels, pre_skip, *_ = _HEAD.unpack_from(head)
        except struct.error:
            raise OggError("the file has no Opus header") from None
        if name != b"OpusHead" or channels not in (1, 2):
            raise OggError("the file has no Opus header")
        self._body(self._lacing())  # the tags: of one page, when we write them
        self.pre_skip_samples: int = pre_skip
        "Decoded samples before the first one of sound."
        self._audio_at = file.tell()

    def packets(self, first: int = 0) -> Iterator[bytes]:
        """Yield the packets from number *first* on; it ends what it yielded before.

        Raises:
            OggError: The file is cut short, or a packet spans pages.
        """
        index = 0
        self._file.seek(self._audio_at)
        while lacing := self._lacing():
            sizes = _sizes(lacing)
            if index + len(sizes) <= first:
                self._file.seek(sum(lacing), 1)
                index += len(sizes)
                continue
            body = self._body(lacing)
            start = 0
            for size in sizes:
                if index >= first:
                    yield body[start : start + size]
                start += size
                index += 1

    def _lacing(self) -> bytes:
        """Return the sizes of the next page's segments; nothing at the file's end."""
        header = self._file.read(_PAGE.size)
        if not header:
            return b""
        try:
            magic, version, flags, *_, count = _PAGE.unpack(header)
        except struct.error:
            raise OggError("the file is cut short") from None
        if magic != b"OggS" or version != 0 or flags & _CONTINUED:
            raise OggError("the file has no Ogg page where one must be")
        lacing = self._file.read(count)
        if len(lacing) < count:
            raise OggError("the file is cut short")
        return lacing

    def _body(self, lacing: bytes) -> bytes:
        size = sum(lacing)
        body = self._file.read(size)
        if len(body) < size:
            raise OggError("the file is cut short")
        return body


def _sizes(lacing: bytes) -> list[int]:
    """Return the sizes of the packets of a page (RFC 3533, section 5)."""
    sizes, size = [], 0
    for value in lacing:
        size += value
        if value < 255:
            sizes.append(size)
            size = 0
    if size:
        raise OggError("a packet spans pages")
    return sizes
