"""Another station as PCM, as fast as it comes: what it speaks, and what it sends.

HTTP is spoken by `ingest.httpget`, so that every address is checked and a wait ends
when it is told to; FFmpeg is given bytes and decodes them. RTSP is left to FFmpeg,
over TCP: its first address is checked, a wait ends by its timeouts alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator
from typing import Any, Protocol
from urllib.parse import quote

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from ingest.hls import first_address, is_playlist
from ingest.hlsstream import MAX_PLAYLIST_BYTES, HlsStream
from ingest.httpget import HttpBody, HttpClient
from ingest.mixing import Mixer
from ingest.relayurl import Reach, RelayError, RelayUrl, resolve
from streamer.media.frame import Pcm

LIVE_FORMATS = "aac,flac,flv,matroska,webm,mp3,mpegts,ogg,wav"
"What a stream may be; none needs to be read in any but its own order."
HLS_FORMATS = "aac,mp3,mpegts,mov,mp4"
DAMAGED_PACKETS_LIMIT = 100
"Undecodable packets in a row, until a stream is given up."
MAX_LISTS = 3
"Lists of a station's servers that lead to one another."
RTSP_READ_TIMEOUT_S = 2.0

_PROBE_BYTES = 64 * 1024
"Four seconds of 128 kbit/s; most stations send as much at once."
_LIST_TYPES = ("audio/x-mpegurl", "audio/mpegurl", "audio/x-scpls")


class Body(Protocol):
    """Bytes as they come."""

    def read(self, most: int = -1) -> bytes:
        """Return some; none at the end."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class RelayFeed:
    """One connection to a station, for one thread; others may :meth:`abort`.

    Args:
        url: The station.
        reach: Where it may be, and what it leads to.
        connect_timeout_s: For everything until the stream's first byte.
        read_timeout_s: Without a byte.
    """

    def __init__(
        self,
        url: RelayUrl,
        reach: Reach,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        self._url = url
        self._reach = reach
        self._connect_timeout_s = connect_timeout_s
        self._client = HttpClient(
            reach, connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s
        )
        self._aborted = threading.Event()
        self.codec = ""
        "FFmpeg's name; empty until it is known."

    @property
    def received_bytes(self) -> int:
        """Of the stream, so far; of RTSP nobody knows."""
        return self._client.received_bytes

    def abort(self) -> None:
        """Let go; `pcm` raises soon."""
        self._aborted.set()
        self._client.abort()

    def pcm(self) -> Generator[Pcm, None, None]:
        """Yield what the station sends, until it ends.

        Raises:
            RelayError: It cannot be reached or decoded, or it broke off.
        """
        if self._url.scheme == "rtsp":
            yield from self._decoded(self._open_rtsp())
            return
        body = self._find_stream()
        try:
            if not isinstance(body, HlsStream):
                yield from self._decoded(_open(body, LIVE_FORMATS))
                return
            yield from self._decoded(_open(body, HLS_FORMATS))
            while body.next_part():
                yield from self._decoded(_open(body, HLS_FORMATS))
        finally:
            body.close()

    def _find_stream(self) -> Body:
        """Return the station's stream, by way of lists that lead to it."""
        url = self._url
        for _ in range(MAX_LISTS + 1):
            body = self._client.get(url)
            with contextlib.ExitStack() as stack:
                stack.callback(body.close)
                start = _Started(body)
                if not (is_playlist(start.peek()) or _is_list(body, start.peek())):
                    stack.pop_all()
                    return start
                text = start.read_text()
            if is_playlist(text.encode()[:10]) and "#EXT-X-" in text:
                return HlsStream(self._client, body.url, text)
            address = first_address(text)
            if address is None:
                raise RelayError("it answers a list without an address")
            url = body.url.join(address)
        raise RelayError("it leads from one list to the next without end")

    def _open_rtsp(self) -> InputContainer:
        address = resolve(self._url, self._reach)[0]
        # The very address that was checked, for a name may change its mind.
        host = f"[{address}]" if address.version == 6 else str(address)
        user = quote(self._url.user, safe="")
        password = quote(self._url.password, safe="")
        credentials = f"{user}:{password}@" if user or password else ""
        try:
            return av.open(
                f"rtsp://{credentials}{host}:{self._url.port}{self._url.target}",
                options={
                    "rtsp_transport": "tcp",
                    "allowed_media_types": "audio",
                    "protocol_whitelist": "rtsp,rtp,tcp",
                },
                timeout=(self._connect_timeout_s, RTSP_READ_TIMEOUT_S),
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise RelayError(_reason(error)) from None

    def _decoded(self, container: InputContainer) -> Iterator[Pcm]:
        """Yield the audio of *container*, and close it."""
        mixer = Mixer()
        with container:
            track = container.streams.best("audio")
            if not isinstance(track, AudioStream):
                raise RelayError("it sends no audio")
            self.codec = track.codec_context.codec.canonical_name
            try:
                for frame in _frames(container, track):
                    if self._aborted.is_set():
                        return
                    yield from mixer.mix(frame)
            except (av.FFmpegError, ValueError) as error:
                raise RelayError(_reason(error)) from None
            yield from mixer.flush()


class _Started:
    """A body whose first bytes have been looked at."""

    def __init__(self, body: HttpBody) -> None:
        self._body = body
        self._start = b""

    def peek(self) -> bytes:
        """Return the first bytes, 10 at least if there are as many."""
        while len(self._start) < 10 and (data := self._body.read()):
            self._start += data
        return self._start

    def read(self, most: int = -1) -> bytes:
        if self._start:
            end = most if most > 0 else None
            start, self._start = (
                self._start[:end],
                self._start[len(self._start[:end]) :],
            )
            return start
        return self._body.read(most)

    def read_text(self) -> str:
        """Return the whole, of a list."""
        start, self._start = self._start, b""
        rest = self._body.read_text(MAX_PLAYLIST_BYTES)
        return start.decode(errors="replace") + rest

    def close(self) -> None:
        self._body.close()


class _Bytes:
    """What FFmpeg is given to read: nothing else than that."""

    name = "relay"

    def __init__(self, body: Body) -> None:
        self.read = body.read


def _is_list(body: HttpBody, start: bytes) -> bool:
    return body.content_type in _LIST_TYPES or start[:10].lower() == b"[playlist]"


def _open(body: Body, formats: str) -> InputContainer:
    options = {
        "format_whitelist": formats,
        "protocol_whitelist": "",
        "probesize": str(_PROBE_BYTES),
    }
    try:
        container = av.open(
            _Bytes(body), "r", options=options, metadata_errors="replace"
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise RelayError(f"what it sends is no audio: {_reason(error)}") from None
    return container


def _frames(container: InputContainer, track: AudioStream) -> Iterator[AudioFrame]:
    damaged = 0
    for packet in container.demux(track):
        frames = _decode(track, packet)
        damaged = 0 if frames else damaged + 1
        if damaged > DAMAGED_PACKETS_LIMIT:
            raise RelayError(f"{damaged} packets in a row cannot be decoded")
        yield from frames


def _decode(track: AudioStream, packet: Any) -> list[AudioFrame]:
    try:
        return track.codec_context.decode(packet if packet.size else None)
    except (av.FFmpegError, EOFError):
        return []


def _reason(error: Exception) -> str:
    # Not FFmpeg's whole message: it may quote an address with its password.
    return getattr(error, "strerror", None) or type(error).__name__
