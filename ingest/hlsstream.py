"""An HTTP Live Stream as one body: segment after segment, as they appear."""

from __future__ import annotations

import time
from collections import deque

from ingest.hls import MediaPlaylist, PlaylistError, Segment, choose_stream
from ingest.httpget import AbortedError, HttpBody, HttpClient
from ingest.relayurl import RelayError, RelayUrl

MAX_PLAYLIST_BYTES = 1_000_000
MAX_FAILED_SEGMENTS = 3
"In a row, that are left out before the stream is given up."
STILL_TARGETS = 3
"Target durations without a new segment, until the stream is given up."


class HlsStream:
    """Reads as one body; where the encoding changes it ends, until `next_part`.

    Args:
        client: Fetches everything; its `abort` ends every wait.
        url: Of the playlist.
        text: The playlist.
    """

    def __init__(self, client: HttpClient, url: RelayUrl, text: str) -> None:
        self._client = client
        self._url = url
        self._text = text
        self._playlist: MediaPlaylist | None = None
        self._loaded_s = 0.0
        self._reload_share = 1.0  # of the target duration
        self._renewed_s = time.monotonic()
        self._last: Segment | None = None  # that was queued
        self._waiting: Segment | None = None  # begins the next part
        self._uris: deque[str] = deque()
        self._body: HttpBody | None = None
        self._failed = 0

    def read(self, most: int = -1) -> bytes:
        """Return what has come; nothing at the end of a part.

        Raises:
            RelayError: The stream broke off, or stands still.
        """
        while True:
            if self._body is not None:
                if data := self._body.read(most):
                    return data
                self._body.close()
                self._body = None
            elif self._uris:
                self._body = self._fetch(self._uris.popleft())
            elif not self._advance():
                return b""

    def next_part(self) -> bool:
        """Go on where the encoding changed; return whether there is anything."""
        segment, self._waiting = self._waiting, None
        if segment is not None:
            self._queue(segment, is_first=True)
        return segment is not None

    def close(self) -> None:
        """Hang up; idempotent."""
        if self._body is not None:
            self._body.close()

    def _advance(self) -> bool:
        """Queue the next segment; return False where the part or the stream ends."""
        if self._waiting is not None:
            return False
        playlist = self._playlist or self._first_playlist()
        while (segment := self._next(playlist)) is None:
            if playlist.is_over:
                return False
            playlist = self._reload(playlist)
        self._renewed_s = time.monotonic()
        last = self._last
        if last is not None and (
            segment.begins_anew
            or segment.init_uri != last.init_uri
            or segment.number < last.number
        ):
            self._waiting = segment
            return False
        self._queue(segment, is_first=last is None)
        return True

    def _next(self, playlist: MediaPlaylist) -> Segment | None:
        number = None if self._last is None else self._last.number
        return playlist.after(None if playlist.restarted(number) else number)

    def _queue(self, segment: Segment, *, is_first: bool) -> None:
        if is_first and segment.init_uri is not None:
            self._uris.append(segment.init_uri)
        self._uris.append(segment.uri)
        self._last = segment

    def _fetch(self, uri: str) -> HttpBody | None:
        """Return a segment; None: it is left out."""
        try:
            body = self._client.get(self._url.join(uri))
        except AbortedError:
            raise
        except RelayError:
            self._failed += 1
            if self._failed > MAX_FAILED_SEGMENTS:
                raise
            return None
        self._failed = 0
        return body

    # --- playlists --------------------------------------------------------------

    def _first_playlist(self) -> MediaPlaylist:
        stream = choose_stream(self._text)
        if stream is not None:
            self._url = self._url.join(stream)
            self._text = self._fetch_text()
            if choose_stream(self._text) is not None:
                raise PlaylistError("a playlist of playlists names another")
        return self._keep(MediaPlaylist.parse(self._text))

    def _reload(self, old: MediaPlaylist) -> MediaPlaylist:
        """Return the list, later (RFC 8216, section 6.3.4 says how much)."""
        if time.monotonic() - self._renewed_s > STILL_TARGETS * old.target_s:
            raise RelayError("its playlist stands still")
        due_s = self._loaded_s + old.target_s * self._reload_share
        self._client.wait(max(0.0, due_s - time.monotonic()))
        new = self._keep(MediaPlaylist.parse(self._fetch_text()))
        self._reload_share = 0.5 if new == old else 1.0
        return new

    def _keep(self, playlist: MediaPlaylist) -> MediaPlaylist:
        self._playlist = playlist
        self._loaded_s = time.monotonic()
        return playlist

    def _fetch_text(self) -> str:
        body = self._client.get(self._url)
        try:
            self._url = body.url
            return body.read_text(MAX_PLAYLIST_BYTES)
        finally:
            body.close()
