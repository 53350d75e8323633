"""Asking the server for WebRTC (draft-ietf-wish-whep): one POST, later one DELETE.

By `http.client` on a thread: two requests in hours need no library. Blocking; call
from a thread.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from clients.speaker.mishaps import Mishap, explain, refusal
from streamer.wire.control import Welcome

TIMEOUT_S = 5.0
FAREWELL_TIMEOUT_S = 2.0
MAX_ANSWER_BYTES = 64 * 1024
_CREATED = 201


@dataclass(frozen=True, slots=True)
class WhepAddress:
    """Where to post offers, and as whom; it has no repr, for it holds the secret."""

    url: str
    credential: str

    def __repr__(self) -> str:
        return f"WhepAddress({self.url!r})"


@dataclass(frozen=True, slots=True)
class Resource:
    """What a successful offer made on the server."""

    url: str
    "To be deleted when it is no longer needed."
    answer: str


class WhepError(Exception):
    """The server did not take the offer; `mishap` says why and when to ask again."""

    def __init__(self, mishap: Mishap) -> None:
        super().__init__(mishap.text)
        self.mishap = mishap


def whep_url(stream_url: str, welcome: Welcome, api_url: str | None) -> str | None:
    """Return where the server takes offers; None: it has no WebRTC.

    Args:
        stream_url: Of the WebSocket; the API is on the same host, and as safe.
        welcome: Names the port.
        api_url: Overrides both, for servers behind a proxy.
    """
    if api_url is not None:
        return f"{api_url.rstrip('/')}/whep"
    if welcome.whep_port is None:
        return None
    stream = urlsplit(stream_url)
    scheme = "https" if stream.scheme == "wss" else "http"
    host = stream.hostname or ""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{welcome.whep_port}/whep"


def post_offer(address: WhepAddress, offer: str) -> Resource:
    """Hand in *offer*; return the answer and the session made for it.

    Raises:
        WhepError: The server refused, or cannot be reached.
    """
    headers = {"Content-Type": "application/sdp", "Accept": "application/sdp"}
    try:
        response, body = _request("POST", address, body=offer.encode(), headers=headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise WhepError(explain(error)) from error
    if response.status != _CREATED:
        retry_after = response.getheader("Retry-After", "")
        raise WhepError(refusal(response.status, body, retry_after))
    location = response.getheader("Location", "")
    return Resource(urljoin(address.url, location), body.decode(errors="replace"))


def delete(resource: Resource, credential: str) -> None:
    """Say that the session is no longer needed.

    Raises:
        OSError: The server cannot be reached.
        http.client.HTTPException: It is no HTTP server.
    """
    address = WhepAddress(resource.url, credential)
    _request("DELETE", address, timeout_s=FAREWELL_TIMEOUT_S)


def _request(
    method: str,
    address: WhepAddress,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(address.url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=timeout_s, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    bearer = {"Authorization": f"Bearer {address.credential}"}
    path = parts._replace(scheme="", netloc="").geturl() or "/"
    try:
        connection.request(method, path, body=body, headers=(headers or {}) | bearer)
        response = connection.getresponse()
        return response, response.read(MAX_ANSWER_BYTES)
    finally:
        connection.close()
