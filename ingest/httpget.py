"""HTTP as radio stations speak it: one GET, a body without end, a way to let go.

FFmpeg's own client follows redirects to anywhere, and nothing ends its wait but a
timeout. This one checks each address it connects to, bounds each wait, and is let go
at once from another thread. RFC 9110 and 9112, by way of the standard library's
parser, and Shoutcast's ``ICY 200 OK``.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import time
from base64 import b64encode
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, cast

from ingest.relayurl import Reach, RelayError, RelayUrl, resolve
from streamer import __version__

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_ICY = b"ICY "


class AbortedError(RelayError):
    """Another thread asked to let go."""


class HttpClient:
    """Fetches one thing after another, for one thread; others may :meth:`abort`.

    Args:
        reach: Where it may connect to.
        connect_timeout_s: For the name, the connection, redirects and headers.
        read_timeout_s: Without a byte of the body.
    """

    def __init__(
        self, reach: Reach, *, connect_timeout_s: float, read_timeout_s: float
    ) -> None:
        self._reach = reach
        self._connect_timeout_s = connect_timeout_s
        self.read_timeout_s = read_timeout_s
        self._aborted = threading.Event()
        self._lock = threading.Lock()  # of the socket that abort shuts
        self._socket: socket.socket | None = None
        self.received_bytes = 0
        "Of bodies, so far."

    def abort(self) -> None:
        """Let go of whatever is waited for, now and later; idempotent."""
        with self._lock:
            self._aborted.set()
            if self._socket is not None:
                # Not TLS's own: that would be another thread's business.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            AbortedError: As soon as somebody aborts.
        """
        if self._aborted.wait(seconds):
            raise AbortedError("it was stopped")

    def get(self, url: RelayUrl) -> HttpBody:
        """Return what is at *url*, redirects followed; whoever gets it closes it.

        Raises:
            RelayError: There is nothing, or nothing that may be asked.
        """
        deadline_s = time.monotonic() + self._connect_timeout_s
        for _ in range(MAX_REDIRECTS + 1):
            body = self._ask(url, deadline_s)
            if body.status not in _REDIRECTS:
                return body.checked()
            location = body.location
            body.close()
            url = url.join(location)
            if url.scheme not in ("http", "https"):
                raise RelayError(f"it leads to {url.shown}")
        raise RelayError("it leads from one address to the next without end")

    def _ask(self, url: RelayUrl, deadline_s: float) -> HttpBody:
        try:
            with contextlib.ExitStack() as stack:
                connection = stack.enter_context(self._connect(url, deadline_s))
                connection.sendall(_request(url))
                wire = _Wire(connection, deadline_s)
                response = HTTPResponse(cast(socket.socket, wire), method="GET")
                response.begin()
                wire.deadline_s = None
                connection.settimeout(self.read_timeout_s)
                stack.pop_all()
        except (OSError, HTTPException, ValueError) as error:
            self.wait(0)
            raise RelayError(_reason(error)) from error
        return HttpBody(self, url, response, connection)

    def _connect(self, url: RelayUrl, deadline_s: float) -> socket.socket:
        """Return a connection to the first address that answers."""
        failure: OSError = TimeoutError()
        for address in resolve(url, self._reach):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._hold(connection)
                connection.settimeout(left_s)
                connection.connect((str(address), url.port))
                return self._secured(connection, url)
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
        raise failure

    def _secured(self, connection: socket.socket, url: RelayUrl) -> socket.socket:
        if url.scheme != "https":
            return connection
        secured = ssl.create_default_context().wrap_socket(
            connection, server_hostname=url.host, do_handshake_on_connect=False
        )
        try:
            self._hold(secured)
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    def _hold(self, connection: socket.socket) -> None:
        with self._lock:
            if self._aborted.is_set():
                raise AbortedError("it was stopped")
            self._socket = connection


class HttpBody:
    """What a server answers, read as it comes."""

    def __init__(
        self,
        client: HttpClient,
        url: RelayUrl,
        response: HTTPResponse,
        connection: socket.socket,
    ) -> None:
        self._client = client
        self._response = response
        self._connection = connection
        self.url = url
        "Where it was found in the end."
        self.status = response.status
        self.location = response.getheader("Location", "")
        self.content_type = response.headers.get_content_type()

    def checked(self) -> HttpBody:
        """Return itself.

        Raises:
            RelayError: It is a refusal; it is closed then.
        """
        if self.status == 200:
            return self
        self.close()
        raise RelayError(f"it answers {self.status}")

    def read(self, most: int = -1) -> bytes:
        """Return what has come, at least a byte and at most *most*; none: the end.

        Raises:
            RelayError: Nothing came in time, or the connection broke.
        """
        try:
            data = self._response.read1(most if most > 0 else io.DEFAULT_BUFFER_SIZE)
        except (OSError, HTTPException, ValueError) as error:
            self._client.wait(0)
            raise RelayError(_reason(error)) from error
        self._client.received_bytes += len(data)
        return data

    def read_text(self, most_bytes: int) -> str:
        """Return the whole, of a text.

        Raises:
            RelayError: As `read`, or it is longer.
        """
        data = bytearray()
        while piece := self.read():
            data += piece
            if len(data) > most_bytes:
                raise RelayError(f"a list has more than {most_bytes} bytes")
        return data.decode(errors="replace")

    def close(self) -> None:
        """Hang up; idempotent."""
        self._response.close()
        self._connection.close()


class _Wire(io.RawIOBase):
    """A connection as the parser reads it: in time, and in HTTP's words."""

    def __init__(self, connection: socket.socket, deadline_s: float | None) -> None:
        self._connection = connection
        self._start: bytes | None = None
        self.deadline_s = deadline_s
        "A server that sends a byte a second meets no other timeout."

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what `HTTPResponse` asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        if self._start is None:
            self._start = self._status_line()
        if self._start:
            count = min(len(view), len(self._start))
            view[:count] = self._start[:count]
            self._start = self._start[count:]
            return count
        self._limit()
        return self._connection.recv_into(view)

    def _status_line(self) -> bytes:
        start = b""
        while len(start) < len(_ICY):
            self._limit()
            if not (data := self._connection.recv(len(_ICY) - len(start))):
                break
            start += data
        return b"HTTP/1.0 " if start == _ICY else start

    def _limit(self) -> None:
        if self.deadline_s is not None:
            left_s = self.deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(left_s)


def _request(url: RelayUrl) -> bytes:
    lines = [
        f"GET {url.target} HTTP/1.1",
        f"Host: {url.authority}",
        f"User-Agent: loacast/{__version__}",
        "Accept: */*",
        "Connection: close",
    ]
    if url.user or url.password:
        credentials = b64encode(f"{url.user}:{url.password}".encode()).decode()
        lines.append(f"Authorization: Basic {credentials}")  # RFC 7617
    return "\r\n".join([*lines, "", ""]).encode()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, OSError):
        return f"the connection failed: {error.strerror or type(error).__name__}"
    return "it does not speak HTTP"
