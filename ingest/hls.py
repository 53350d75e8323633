"""HTTP Live Streaming: playlists as values (pure). RFC 8216, as far as radio goes.

Not understood, and refused: encrypted segments, and parts of files as segments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from ingest.relayurl import RelayError

START_SEGMENTS = 3
"""A live list is joined so many segments before its end (RFC 8216, section 6.3.3:
no later than three target durations before it)."""
MAX_SEGMENTS = 20_000

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')


class PlaylistError(RelayError):
    """It is no playlist, or none that is understood."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the stream."""

    number: int
    "Its media sequence number."
    uri: str
    init_uri: str | None
    "What a decoder is to be given before it (EXT-X-MAP)."
    begins_anew: bool
    "Whether timestamps or the encoding change here (EXT-X-DISCONTINUITY)."


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """The newest segments of a stream."""

    target_s: float
    segments: tuple[Segment, ...]
    is_over: bool
    "Whether no segment will follow."

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a media playlist (RFC 8216, section 4).

        Raises:
            PlaylistError: It is none, or has what is not understood.
        """
        lines = _lines(text)
        number = _number(_tag(lines, "EXT-X-MEDIA-SEQUENCE") or "0")
        segments: list[Segment] = []
        init_uri, begins_anew = None, False
        for line in lines:
            name, _, value = line.partition(":")
            if not line.startswith("#"):
                segments.append(Segment(number, line, init_uri, begins_anew))
                number, begins_anew = number + 1, False
            elif name == "#EXT-X-MAP":
                init_uri = _attributes(value).get("URI")
            elif name == "#EXT-X-DISCONTINUITY":
                begins_anew = True
            else:
                _check_understood(name, value)
        if len(segments) > MAX_SEGMENTS:
            raise PlaylistError(f"a playlist names more than {MAX_SEGMENTS} segments")
        target = _number(_tag(lines, "EXT-X-TARGETDURATION") or "0")
        return cls(min(max(target, 1), 60), tuple(segments), "#EXT-X-ENDLIST" in lines)

    def after(self, number: int | None) -> Segment | None:
        """Return the segment that follows *number*; None: it is not there yet.

        Args:
            number: The last one that was played; None: where to join.
        """
        if number is None:
            joined = 0 if self.is_over else max(0, len(self.segments) - START_SEGMENTS)
            return self.segments[joined] if self.segments else None
        later = (each for each in self.segments if each.number > number)
        return next(later, None)

    def restarted(self, number: int | None) -> bool:
        """Tell whether the server counts anew, so that *number* means nothing."""
        if number is None or not self.segments:
            return False
        return self.segments[-1].number < number - START_SEGMENTS


def is_playlist(start: bytes) -> bool:
    """Tell whether something begins as a playlist (RFC 8216, section 4.3.1.1)."""
    return start.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U")


def choose_stream(text: str) -> str | None:
    """Return the address of the stream to play if this is a master playlist.

    An audio rendition of its own is taken first; else the variant with the least
    bandwidth, for its sound is as good as that of the others.

    Raises:
        PlaylistError: It names no stream.
    """
    lines = _lines(text)
    if not any(line.startswith("#EXT-X-STREAM-INF:") for line in lines):
        return None
    for line in lines:
        if line.startswith("#EXT-X-MEDIA:"):
            media = _attributes(line)
            if media.get("TYPE") == "AUDIO" and media.get("URI"):
                return media["URI"]
    variants = []
    for info, uri in pairwise(lines):
        if info.startswith("#EXT-X-STREAM-INF:") and not uri.startswith("#"):
            variants.append((_number(_attributes(info).get("BANDWIDTH", "0")), uri))
    if not variants:
        raise PlaylistError("a playlist names no stream")
    return min(variants)[1]


def first_address(text: str) -> str | None:
    """Return the address in a list of a station's servers (M3U or PLS), if any."""
    for line in map(str.strip, text.splitlines()):
        entry = re.match(r"file\d+\s*=\s*(\S+)$", line, re.IGNORECASE)
        if entry:
            return entry[1]
        if re.match(r"https?://\S+$", line, re.IGNORECASE):
            return line
    return None


def _lines(text: str) -> list[str]:
    if not is_playlist(text.encode()[:16]):
        raise PlaylistError("it is no playlist")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _tag(lines: list[str], name: str) -> str | None:
    found = (line for line in lines if line.startswith(f"#{name}:"))
    return next((line.partition(":")[2] for line in found), None)


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _number(text: str) -> int:
    match = re.match(r"\s*(\d{1,18})", text)
    if match is None:
        raise PlaylistError("a playlist has a number that is none")
    return int(match[1])


def _check_understood(name: str, value: str) -> None:
    if name == "#EXT-X-BYTERANGE":
        raise PlaylistError("its segments are parts of files")
    if name == "#EXT-X-KEY" and _attributes(value).get("METHOD") != "NONE":
        raise PlaylistError("its segments are encrypted")
