"""The seam between the studio and the fan-outs: packets, and the state of the air."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streamer.media.frame import ProgrammePacket
from streamer.wire.control import ProgrammeClass


@dataclass(frozen=True, slots=True)
class OnAir:
    """A programme as the fan-outs need to know it."""

    ssrc: int
    broadcast_id: str
    programme_class: ProgrammeClass
    title: str
    first_timestamp: int
    "RTP timestamp of the programme's first packet."
    origin_ns: int
    "Local monotonic capture instant of the sample with that timestamp."
    accepted_ns: int | None = None
    "Local monotonic instant at which its start was asked for; None: not measured."


@dataclass(frozen=True, slots=True)
class Switch:
    """From a media instant on, zones hear another programme, or none."""

    zone_ids: tuple[str, ...]
    ssrc: int | None
    from_ns: int
    "Capture instant of the first sample heard (or no longer heard)."


@dataclass(frozen=True, slots=True)
class AirChange:
    """One step of the air; applied as a whole, in the order of its members."""

    started: tuple[OnAir, ...] = ()
    switches: tuple[Switch, ...] = ()
    ended: tuple[int, ...] = ()
    "SSRCs of which no packet will follow."
    over: tuple[str, ...] = ()
    "Broadcasts of which no take will follow; each after its last SSRC has begun."


class Subscriber(Protocol):
    """A fan-out. Called on the event loop, in the order of publication."""

    def on_packet(self, packet: ProgrammePacket) -> None:
        """Take a packet; its programme was announced before."""
        ...

    def on_air_change(self, change: AirChange) -> None:
        """Take a step of the air."""
        ...


class Bus(Protocol):
    """Carries what is published to every subscriber; never waits for one."""

    def publish_packet(self, packet: ProgrammePacket) -> None:
        """Hand on *packet*; call on the event loop."""
        ...

    def publish_air_change(self, change: AirChange) -> None:
        """Hand on *change*; call on the event loop."""
        ...

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add *subscriber* before anything is published."""
        ...
