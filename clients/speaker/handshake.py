"""How a speaker knocks at its server's stream port (FORMAT.md, Connecting)."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic_ns
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from streamer.wire.control import SUBPROTOCOL

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
"A stopping speaker is not to wait longer for a server that does not answer."
_MAX_MESSAGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Address:
    """Which server, and who we are to it."""

    url: str
    "Such as ``wss://host:8081/v1/listen``."
    credential: str
    ptime_ms: int = 20

    def __repr__(self) -> str:
        return f"Address({self.url!r}, ptime_ms={self.ptime_ms})"  # no secrets

    @property
    def full_url(self) -> str:
        """The URL with the packet time asked for."""
        parts = urlsplit(self.url)
        asked = urlencode({"ptime_ms": self.ptime_ms})
        query = f"{parts.query}&{asked}" if parts.query else asked
        return urlunsplit(parts._replace(query=query))


def open_socket(address: Address) -> connect:
    """Return the handshake that FORMAT.md describes, to be entered or awaited."""
    return connect(
        address.full_url,
        additional_headers={"Authorization": f"Bearer {address.credential}"},
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,  # Opus does not compress, and frames are shared
        open_timeout=CONNECT_TIMEOUT_S,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=None,  # our own pings carry the clock
        max_size=_MAX_MESSAGE_BYTES,
        create_connection=StampedConnection,
    )


class StampedConnection(ClientConnection):
    """Knows when the last bytes arrived, whatever the loop was doing meanwhile."""

    received_ns = 0

    def data_received(self, data: bytes) -> None:
        """Note the instant, then let the protocol read."""
        self.received_ns = monotonic_ns()
        super().data_received(data)
