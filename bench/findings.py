"""What a load generator tells of what its listeners got, whatever the transport."""

from __future__ import annotations

from array import array
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from typing import Any, Protocol

from bench.account import Mapping
from bench.report import percentiles_ms

Answer = dict[str, Any]
LATE_NS = 100_000_000
"A packet this late counts as `late`: a small jitter buffer would have missed it."


class Counted(Protocol):
    """A listener's account."""

    messages: int
    audio_bytes: int
    closed: bool

    def forget(self) -> None:
        """Drop what was evaluated."""
        ...

    def received(self, ssrc: int, mapping: Mapping, window: range) -> int:
        """Return how many different packets of *window* arrived."""
        ...

    def numbering(self, ssrc: int, mapping: Mapping) -> set[int]:
        """Return sequence number minus packet index, as often as it differs."""
        ...


class Heard(Protocol):
    """One listener."""

    @property
    def account(self) -> Counted:
        """What it got."""
        ...

    @property
    def joined_ns(self) -> int:
        """When it began to join."""
        ...

    @property
    def first_media_ns(self) -> int | None:
        """When its first packet was read."""
        ...


class Audience(Protocol):
    """All listeners of a generator, and how late the eager ones' messages were."""

    due_ns: array[int]
    lateness_ns: array[int]

    @property
    def connections(self) -> Sequence[Heard]:
        """Every listener."""
        ...

    @property
    def mappings(self) -> AnyMapping[int, Mapping]:
        """The grids of programmes, by SSRC."""
        ...


class Findings:
    """Commands of a generator that read what was seen; answers are plain values."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    def forget(self) -> Answer:
        """Drop what was seen so far."""
        for connection in self._audience.connections:
            connection.account.forget()
        del self._audience.due_ns[:], self._audience.lateness_ns[:]
        return {}

    def collect(self, ssrc: int, from_ns: int, to_ns: int) -> Answer:
        """Return what arrived of the packets due in [from_ns, to_ns).

        `delivered_ratio` is the worst listener's of those that are judged; call it
        half a second after *to_ns*, when the lazy ones were read too.
        """
        mapping = self._audience.mappings[ssrc]
        window = range(mapping.first_due_from(from_ns), mapping.first_due_from(to_ns))
        accounts = self.judged()
        ratios = [one.received(ssrc, mapping, window) / len(window) for one in accounts]
        numbering = {n for one in accounts for n in one.numbering(ssrc, mapping)}
        return {
            "packets_due": len(window),
            "delivered_ratio": min(ratios),
            "delivered_ratio_mean": sum(ratios) / len(ratios),
            "listeners_with_loss": sum(ratio < 1 for ratio in ratios),
            "connections_closed": sum(one.closed for one in accounts),
            "misnumbered": len(numbering) - 1,
            **self.lateness(from_ns, to_ns),
        }

    def judged(self) -> Sequence[Counted]:
        """Return the accounts of those that should get everything."""
        return [connection.account for connection in self._audience.connections]

    def lateness(self, from_ns: int, to_ns: int) -> Answer:
        """Return percentiles over the messages due in [from_ns, to_ns)."""
        seen = self._audience
        values = [
            late
            for due, late in zip(seen.due_ns, seen.lateness_ns, strict=True)
            if from_ns <= due < to_ns
        ]
        return {
            "lateness_samples": len(values),
            "late": sum(late > LATE_NS for late in values),
            **percentiles_ms(values),
        }

    def totals(self) -> Answer:
        """Return messages and audio bytes of all listeners since they joined."""
        accounts = [connection.account for connection in self._audience.connections]
        return {
            "messages": sum(one.messages for one in accounts),
            "audio_bytes": sum(one.audio_bytes for one in accounts),
        }

    def heard(self) -> Answer:
        """Return from when to when each joined and heard its first packet, or None."""
        connections = self._audience.connections
        return {
            "joined_ns": [one.joined_ns for one in connections],
            "first_media_ns": [one.first_media_ns for one in connections],
        }

    def programme(self, ssrc: int) -> Answer:
        """Return the announced grid of a programme, or nothing if there is none yet."""
        if (mapping := self._audience.mappings.get(ssrc)) is None:
            return {}
        return {
            "first_timestamp": mapping.first_timestamp,
            "first_due_ns": mapping.first_due_ns,
        }
