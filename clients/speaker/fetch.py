"""Fetches the manifest and its files over HTTP; slow on purpose, and resumable.

By `http.client`, as `whep.py`. Blocking; call from a thread of its own.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from clients.speaker.cache import Cache
from streamer.wire.control import Welcome
from streamer.wire.documents import MAX_DOCUMENT_BYTES, Item

TIMEOUT_S = 10.0
CHUNK_BYTES = 8_192
_OK, _PARTIAL, _NOT_MODIFIED = 200, 206, 304


class FetchError(Exception):
    """The server did not give it; the message says why."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where the server's API is, and who asks; no repr, for it holds the secret."""

    url: str
    "Such as ``http://host:8080``."
    credential: str

    def __repr__(self) -> str:
        return f"Store({self.url!r})"


def api_url(stream_url: str, welcome: Welcome, given: str | None) -> str | None:
    """Return where the server's API is; None: it does not say.

    Args:
        stream_url: Of the WebSocket; the API is on the same host, and as safe.
        welcome: Names the port.
        given: Overrides both, for servers behind a proxy.
    """
    port = welcome.api_port or welcome.whep_port
    if given is not None or port is None:
        return None if given is None else given.rstrip("/")
    stream = urlsplit(stream_url)
    host = stream.hostname or ""
    scheme = "https" if stream.scheme == "wss" else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def get_manifest(store: Store, etag: str) -> tuple[bytes, str] | None:
    """Return the manifest and its tag; None: it is still the one of *etag*.

    Raises:
        FetchError: There is none to be had.
    """
    headers = {"If-None-Match": etag} if etag else {}
    with _Get(store, "/api/v1/speaker/manifest", headers) as response:
        if response.status == _NOT_MODIFIED:
            return None
        if response.status != _OK:
            raise FetchError(f"the server answers {response.status} for the manifest")
        data = response.read(2 * MAX_DOCUMENT_BYTES)
        return data, response.getheader("ETag", "")


def get_file(
    store: Store,
    item: Item,
    cache: Cache,
    *,
    bytes_per_s: float,
    stop: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Fetch what is missing of a file; return whether it is there now.

    Args:
        store: Where from.
        item: Which.
        cache: Where to; has made room for it.
        bytes_per_s: At most, on the mean.
        stop: Asked between two chunks; what was fetched stays.
        sleep: Waits for so many seconds.

    Raises:
        FetchError: The server does not give it, or the connection broke.
        OSError: The disk is full, read-only or gone.
    """
    offset = cache.partial_bytes(item.sha256)
    if offset > item.size_bytes:
        cache.drop_part(item.sha256)
        offset = 0
    if offset < item.size_bytes:
        # Its name is its hash: what the part begins, no later file continues wrongly.
        headers = {"Range": f"bytes={offset}-", "If-Range": f'"{item.sha256}"'}
        path = f"/api/v1/speaker/files/{item.sha256}"
        with _Get(store, path, headers) as response:
            if response.status == _OK and offset:
                cache.drop_part(item.sha256)
                offset = 0
            elif response.status not in (_OK, _PARTIAL):
                raise FetchError(f"the server answers {response.status} for a file")
            while offset < item.size_bytes:
                if stop():
                    return False
                chunk = _read(response, min(CHUNK_BYTES, item.size_bytes - offset))
                cache.append(item.sha256, offset, chunk)
                offset += len(chunk)
                sleep(len(chunk) / bytes_per_s)
    return cache.finish(item.sha256)


def _read(response: http.client.HTTPResponse, size: int) -> bytes:
    try:
        chunk = response.read1(size)  # what there is: a drip must not hold us
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"the connection broke: {error}") from error
    if not chunk:
        raise FetchError("the server gave less than it promised")
    return chunk


class _Get:
    """A GET; use as a context."""

    def __init__(self, store: Store, path: str, headers: dict[str, str]) -> None:
        parts = urlsplit(store.url)
        host = parts.hostname or ""
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(
                host, parts.port, timeout=TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(
                host, parts.port, timeout=TIMEOUT_S
            )
        self._path = parts.path.rstrip("/") + path
        self._headers = headers | {"Authorization": f"Bearer {store.credential}"}

    def __enter__(self) -> http.client.HTTPResponse:
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise FetchError(f"the server cannot be asked: {error}") from error

    def __exit__(self, *_: object) -> None:
        self._connection.close()
