"""How a listener and its server exchange SDP: WHEP here, Janus' own in its module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self
from urllib.parse import quote, urlsplit

from bench.http1 import HttpPool
from streamer.wire.rtp import RtpPacket
from streamer.wire.stun import Address

CONNECTIONS = 32
"Of HTTP: more joins at once than any server here answers in parallel."
SDP_TYPE = "application/sdp"


class Listener(Protocol):
    """A listener without I/O; `outgoing` is sent to `server` after each call."""

    @property
    def connected(self) -> bool:
        """Whether media may come."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the server said goodbye."""
        ...

    @property
    def server(self) -> Address:
        """Where to send to, once there was an answer."""
        ...

    def offer(self, address: Address) -> str:
        """Return an offer."""
        ...

    def accept(self, answer: str) -> None:
        """Take the server's answer."""
        ...

    def answer(self, offer: str, address: Address) -> str:
        """Take the server's offer; return the answer."""
        ...

    def poll(self, *, now_ns: int) -> None:
        """See what is due; call some times a second."""
        ...

    def receive(self, datagram: bytes) -> None:
        """Take a datagram that is no media."""
        ...

    def decrypt(self, datagram: bytes) -> RtpPacket | None:
        """Return what is in a datagram of media, each once; None when it is forged."""
        ...

    def report(self, ssrc: int, highest_sequence: int) -> None:
        """Say what was received."""
        ...

    def leave(self) -> None:
        """Say goodbye."""
        ...

    def outgoing(self) -> list[bytes]:
        """Return, and forget, what is to be sent."""
        ...


class Signalling(Protocol):
    """One server's; an asynchronous context manager."""

    async def join(self, listener: Listener, place: int, address: Address) -> str:
        """Exchange SDP for *listener*, which is at *address*; return its resource."""
        ...

    async def leave(self, resource: str) -> None:
        """End a resource."""
        ...


@dataclass(frozen=True, slots=True)
class WhepTarget:
    """Where to post offers, and as whom."""

    url: str
    token: str
    zones: tuple[str, ...]
    "Listener k hears zone k, all in turn."


class WhepRefused(Exception):
    """The server did not take an offer, or knows no such resource."""


class Whep:
    """WHEP (draft-ietf-wish-whep): POST an offer, DELETE what it made."""

    def __init__(self, target: WhepTarget) -> None:
        self._target = target
        self._http = HttpPool(target.url, connections=CONNECTIONS)
        self._headers = {"Authorization": f"Bearer {target.token}"}

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._http.__aexit__(*exception)

    async def join(self, listener: Listener, place: int, address: Address) -> str:
        """Post the offer of *listener*; return the path of its resource.

        Raises:
            WhepRefused: With what the server said.
        """
        zones = self._target.zones
        response = await self._http.ask(
            "POST",
            f"/whep?zone={quote(zones[place % len(zones)])}",
            headers=self._headers | {"Content-Type": SDP_TYPE},
            body=listener.offer(address),
        )
        if response.status != 201 or "location" not in response.headers:
            raise WhepRefused(f"{response.status} {response.body[:300]}")
        listener.accept(response.body)
        return urlsplit(response.headers["location"]).path

    async def leave(self, resource: str) -> None:
        """Delete *resource*.

        Raises:
            WhepRefused: With what the server said.
        """
        response = await self._http.ask("DELETE", resource, headers=self._headers)
        if response.status not in (200, 204):
            raise WhepRefused(f"{response.status} {response.body[:300]}")
