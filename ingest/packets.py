"""The way of a microphone's packets from the event loop to the media threads."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

RECENT_PACKETS = 25
"Kept for a source that starts: half a second, for pre-roll and to learn the clock."
QUEUED_PACKETS = 200
"Waiting for one source, 4 s; the oldest are dropped when it reads no more."


@dataclass(frozen=True, slots=True)
class Arrival:
    """An RTP packet of a live sender as it arrived, fields as on the wire."""

    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    arrival_ns: int
    "Local monotonic."


class PacketFeed:
    """Hands every packet of one sender to each source that plays it.

    `put` and `end` are called by the receiver, `subscribe` and what it returns by
    whoever plays; each may be another thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[Arrival] = deque(maxlen=RECENT_PACKETS)
        self._subscriptions: list[Subscription] = []
        self.last_arrival_ns: int | None = None
        "When the last packet arrived; None while there was none."
        self.end_reason: str | None = None
        "Why nothing will follow; None while something may."

    def put(self, arrival: Arrival) -> None:
        """Hand on a packet."""
        with self._lock:
            self.last_arrival_ns = arrival.arrival_ns
            self._recent.append(arrival)
            for subscription in self._subscriptions:
                subscription.queue.append(arrival)

    def end(self, reason: str) -> None:
        """Say that nothing will follow; the first reason stays."""
        if self.end_reason is None:
            self.end_reason = reason

    def subscribe(self) -> Subscription:
        """Return a queue that begins with the last packets; close it after use."""
        with self._lock:
            subscription = Subscription(self, deque(self._recent, QUEUED_PACKETS))
            self._subscriptions.append(subscription)
            return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget *subscription*."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)


class Microphone(Protocol):
    """What a `MicrophoneSource` plays; a feed is one itself, which tests use."""

    @property
    def feed(self) -> PacketFeed:
        """Where its packets arrive."""
        ...


@dataclass(eq=False, slots=True)
class Subscription:
    """One source's queue of packets."""

    feed: PacketFeed
    queue: deque[Arrival]
    "Bounded; a full one loses its oldest packet."

    def take(self) -> list[Arrival]:
        """Return what arrived since the last call."""
        taken = []
        while self.queue:
            taken.append(self.queue.popleft())
        return taken

    def close(self) -> None:
        """Get no more; idempotent."""
        self.feed.unsubscribe(self)
