"""The seam between the speaker and whatever receives audio beside the WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from clients.speaker.whep import WhepAddress
from streamer.wire.rtp import RtpPacket


class Session(Protocol):
    """One attempt at receiving over WebRTC; on the event loop."""

    async def run(self) -> None:
        """Connect and receive until the session is over; then leave nothing behind.

        Raises:
            WhepError: The server did not take the offer.
        """
        ...

    async def ask_again(self, ssrc: int, sequences: Sequence[int]) -> None:
        """Ask the sender for packets that did not come."""
        ...


class SessionEvents(Protocol):
    """What a session tells; called on the event loop."""

    def on_connected(self) -> None:
        """Packets can come now."""
        ...

    def on_rtp(self, rtp: RtpPacket) -> None:
        """One came, as it is on the wire."""
        ...


OpenSession: TypeAlias = Callable[[WhepAddress, SessionEvents], Session]
"Makes a session that is not yet running."


class FakeSession:
    """The shipped fake: does what it is told by whoever holds it."""

    def __init__(self, address: WhepAddress, events: SessionEvents) -> None:
        self.address = address
        self.events = events
        self.asked: list[tuple[int, tuple[int, ...]]] = []
        "SSRC and sequence numbers of each request."
        self.left = False
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Wait until told to end."""
        try:
            await self._over
        finally:
            self.left = True

    async def ask_again(self, ssrc: int, sequences: Sequence[int]) -> None:
        """Remember what was asked for."""
        self.asked.append((ssrc, tuple(sequences)))

    def end(self, error: Exception | None = None) -> None:
        """Let the session be over, by *error* if there is one."""
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)
