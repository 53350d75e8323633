"""A hub in virtual time, its listeners, and programmes to put on air."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry

from streamer.bus.bus import AirChange, OnAir, Switch
from streamer.fanout.hub import Hub
from streamer.fanout.listener import FakeListener, ListenerIdentity
from streamer.fanout.uring import Results
from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.metrics import Metrics
from streamer.wire import framing
from streamer.wire.control import (
    Idle,
    Programme,
    ProgrammeClass,
    ServerMessage,
    parse_from_server,
)
from streamer.wire.rtp import RtpPacket

MS = 1_000_000
LOOKAHEAD_NS = 6_500_000
START_NS = 1_000_000 * MS
DELAY_MS = 400
REACH_NS = 10_000 * MS
"How far back a zone is silenced."


@dataclass(frozen=True, slots=True)
class Heard:
    """One RTP packet as a listener got it."""

    ssrc: int
    index: int


Event = ServerMessage | Heard


def frames_in(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (opcode, payload) of the unmasked frames in *stream*."""
    position = 0
    while position < len(stream):
        opcode, length = stream[position] & 0x0F, stream[position + 1]
        position += 2
        if length >= 126:
            width = 2 if length == 126 else 8
            length = int.from_bytes(stream[position : position + width])
            position += width
        yield opcode, stream[position : position + length]
        position += length


def messages_of(stream: bytes) -> Iterator[list[Event]]:
    """Yield the events of each message in *stream*."""
    for opcode, payload in frames_in(stream):
        if opcode == 1:
            yield [parse_from_server(payload.decode())]
        else:
            packets = map(RtpPacket.parse, framing.split(payload))
            yield [Heard(p.ssrc, p.sequence) for p in packets]


def events_of(listener: FakeListener) -> list[Event]:
    """Return what reached *listener*, in order."""
    return [e for message in messages_of(bytes(listener.taken)) for e in message]


def indexes(events: list[Event], ssrc: int) -> list[int]:
    """Return the numbers of a programme's packets among *events*."""
    return [e.index for e in events if isinstance(e, Heard) and e.ssrc == ssrc]


def announced(events: list[Event]) -> list[Programme | Idle]:
    """Return what was announced."""
    return [e for e in events if isinstance(e, Programme | Idle)]


@dataclass
class OnTheAir:
    """A programme that emits one packet per tick."""

    on_air: OnAir
    packets: list[ProgrammePacket] = field(default_factory=list)

    @property
    def end_ns(self) -> int:
        return self.on_air.origin_ns + len(self.packets) * FRAME_NS

    def next_packet(self, now_ns: int) -> ProgrammePacket:
        index = len(self.packets)
        rtp = RtpPacket(111, index, index * 960, self.on_air.ssrc, b"opus").serialize()
        packet = ProgrammePacket(self.on_air.ssrc, index, rtp, self.end_ns, now_ns)
        self.packets.append(packet)
        return packet


class FakeRing:
    """A `Ring` whose descriptors are places in a list of listeners."""

    def __init__(self, listeners: list[FakeListener]) -> None:
        self._listeners = listeners
        self.calls = 0

    def send(self, descriptors: npt.NDArray[np.int32], data: bytes) -> Results:
        self.calls += 1
        taken = [self._listeners[each].send(data) for each in descriptors]
        return np.array(taken, np.int32)


class Rig:
    """The hub and everything around it; one tick is 20 ms.

    Args:
        ring: Whether the hub has a ring, or writes to each listener.
    """

    def __init__(self, *, ring: bool = False) -> None:
        self.listeners: list[FakeListener] = []
        self.ring = FakeRing(self.listeners) if ring else None
        self.now_ns = START_NS
        self.registry = CollectorRegistry()
        self.deferred: list[Callable[[], None]] = []
        self.hub = Hub(
            clock_ns=lambda: self.now_ns,
            defer=self.deferred.append,
            metrics=Metrics(self.registry),
            ring=self.ring,
        )
        self.programmes: dict[int, OnTheAir] = {}

    def join(
        self,
        zone_id: str = "a",
        *,
        ptime_ms: int = 20,
        speaker_id: str | None = None,
    ) -> FakeListener:
        speaker_id = speaker_id or f"speaker {len(self.listeners)}"
        identity = ListenerIdentity(speaker_id, zone_id, 70, DELAY_MS)
        listener = FakeListener(identity, ptime_ms=ptime_ms)
        listener.descriptor = len(self.listeners) if self.ring else None
        self.listeners.append(listener)
        self.hub.add(listener)
        return listener

    def start(
        self,
        ssrc: int,
        *zone_ids: str,
        delay_ms: int = 0,
        programme_class: ProgrammeClass = ProgrammeClass.NORMAL,
        accepted_ns: int | None = None,
        broadcast_id: str | None = None,
        origin_ns: int | None = None,
    ) -> OnTheAir:
        """Start a programme whose source is *delay_ms* late, heard at once."""
        if origin_ns is None:
            origin_ns = self.now_ns - delay_ms * MS - LOOKAHEAD_NS
        broadcast_id = broadcast_id or f"b{ssrc}"
        on_air = OnAir(
            ssrc, broadcast_id, programme_class, "", 0, origin_ns, accepted_ns
        )
        programme = self.programmes[ssrc] = OnTheAir(on_air)
        switch = Switch(zone_ids, ssrc, origin_ns)
        self.hub.on_air_change(AirChange((on_air,), (switch,)))
        return programme

    def switch(self, zone_ids: tuple[str, ...], ssrc: int | None, at_ns: int) -> None:
        self.hub.on_air_change(AirChange(switches=(Switch(zone_ids, ssrc, at_ns),)))

    def silence(self, *zone_ids: str) -> int:
        """Silence zones at once; return the instant that is announced."""
        from_ns = self.now_ns - REACH_NS
        self.switch(zone_ids, None, from_ns)
        return from_ns // 1000

    def end(self, ssrc: int, *switches: Switch) -> None:
        del self.programmes[ssrc]
        self.hub.on_air_change(AirChange(switches=switches, ended=(ssrc,)))

    def emit(self) -> None:
        """Let 20 ms pass and every programme publish a packet; no loop iteration."""
        self.now_ns += FRAME_NS
        for programme in self.programmes.values():
            self.hub.on_packet(programme.next_packet(self.now_ns))

    def turn(self) -> None:
        """End the loop's iteration: writes reach the kernel, callbacks run."""
        for listener in self.listeners:
            listener.flush()
        callbacks, self.deferred[:] = tuple(self.deferred), []
        for callback in callbacks:
            callback()

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.emit()
            self.turn()

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0
