"""The bus of a server that is one process: plain calls."""

from __future__ import annotations

from streamer.bus.bus import AirChange, Subscriber
from streamer.media.frame import ProgrammePacket


class InProcessBus:
    """Calls every subscriber in turn; also the fake that tests use."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []

    def publish_packet(self, packet: ProgrammePacket) -> None:
        """Hand *packet* to every subscriber."""
        for subscriber in self._subscribers:
            subscriber.on_packet(packet)

    def publish_air_change(self, change: AirChange) -> None:
        """Hand *change* to every subscriber."""
        for subscriber in self._subscribers:
            subscriber.on_air_change(change)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add *subscriber*."""
        self._subscribers.append(subscriber)
