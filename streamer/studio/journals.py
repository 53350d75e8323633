"""The seam between the studio and whoever writes down what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streamer.air.difference import AirStep
from streamer.studio.broadcast import BroadcastRequest
from streamer.studio.live import Live


class Journal(Protocol):
    """Is told what happened on the air, right after; must not wait."""

    def started(self, live: Live) -> None:
        """Take a broadcast that was accepted."""
        ...

    def refused(self, request: BroadcastRequest, rule: str, detail: str) -> None:
        """Take a broadcast that was not accepted, by which rule, and why."""
        ...

    def stepped(self, step: AirStep) -> None:
        """Take what changed in the zones."""
        ...

    def ended(self, live: Live) -> None:
        """Take a broadcast that is over; its end is set."""
        ...

    def recorded(self, live: Live) -> None:
        """Take a broadcast whose recording is closed."""
        ...

    def silenced(
        self, zone_ids: Sequence[str], *, by: str, reason: str, at_ns: int
    ) -> None:
        """Take a silence, before its step."""
        ...

    def lifted(self, zone_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        """Take the end of silences, before its step."""
        ...

    def reordered(self, broadcast_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        """Take an operator's order of those that wait, before its step."""
        ...
