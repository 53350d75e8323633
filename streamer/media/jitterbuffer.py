"""Jitter buffer of one stream, in media time alone (sans-I/O).

Packets go in as they arrive; the reader moves a cursor through media time and is
told, for every sample of it, what to do: play a packet, repair it from the next
one, conceal, or be silent. When the cursor moves is the caller's business (a
speaker's deadline, a microphone's 20 ms grid), so the buffer needs no clock and the
same calls always give the same decisions.

Units: every position and length is in samples at 48 kHz; positions are unwrapped
(see `streamer.wire.sequence`).

Sources: RFC 6716, section 4.4 (concealment is the decoder's); RFC 7587, section 3.3
(in-band FEC of a packet is in the next one); W3C webrtc-stats (names of counters).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from streamer.media.frame import FRAME_SAMPLES, MediaPacket

CONCEAL_LIMIT_SAMPLES = 5_760
"120 ms: beyond it Opus PLC is a drone; we fade to silence (research: WaveNetEQ)."


class Verdict(Enum):
    """What became of an inserted packet. The value is its metrics label."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LATE = "late"
    TOO_FAR = "too_far"


@dataclass(frozen=True, slots=True)
class Play:
    """Decode and play `packet`."""

    packet: MediaPacket

    @property
    def samples(self) -> int:
        """How much media time this covers."""
        return self.packet.duration_samples


@dataclass(frozen=True, slots=True)
class Recover:
    """A packet is missing; the one after it is here and may hold its FEC."""

    packet: MediaPacket
    "The NEXT packet. It will be played in its turn."

    samples: int
    "Equals its duration."


@dataclass(frozen=True, slots=True)
class Conceal:
    """Nothing is known of this media: let the decoder hide the gap."""

    samples: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing was received here, and it is too long to conceal."""

    samples: int


Decision: TypeAlias = Play | Recover | Conceal | Silence


@dataclass(slots=True)
class JitterCounters:
    """What happened since the buffer was made; names of W3C webrtc-stats."""

    packets_received: int = 0
    "Everything inserted."
    packets_discarded: int = 0
    "Late, duplicate, too far, or skipped by the reader."
    total_samples_received: int = 0
    "Handed to the reader since the first packet, concealed ones included."
    concealed_samples: int = 0
    "Concealed or silent; those with a `Recover` are not counted."
    silent_concealed_samples: int = 0
    concealment_events: int = 0
    recovered_samples: int = 0
    "Handed out as `Recover`; not of W3C. The reader knows whether there was FEC."


class JitterBuffer:
    """Puts packets in order and covers every sample of media time once.

    Packets may be of any length and lengths may be mixed. What the network does is
    a :class:`Verdict`, never an exception. Memory is bounded by the horizon, as held
    packets never overlap.

    Args:
        horizon_samples: How far past the cursor packets are kept.
        conceal_limit_samples: How much is concealed in a row before silence.
    """

    def __init__(
        self,
        *,
        horizon_samples: int,
        conceal_limit_samples: int = CONCEAL_LIMIT_SAMPLES,
    ) -> None:
        self._horizon_samples = horizon_samples
        self._conceal_limit_samples = conceal_limit_samples
        self._held: list[MediaPacket] = []  # sorted, never overlapping
        self._step_samples = FRAME_SAMPLES  # length of the last packet played
        self._gap_samples: int | None = None  # handed out since; None: no packet yet
        self.cursor = 0
        "Media position of the next sample to hand out."
        self.newest: int | None = None
        "Start of the newest packet accepted since `start`."
        self.counters = JitterCounters()

    def start(self, at: int) -> None:
        """Forget what is held and read on from *at*; also after a sender's restart."""
        self._held.clear()
        self._gap_samples = None
        self.cursor = at
        self.newest = None

    def insert(self, packet: MediaPacket) -> Verdict:
        """Take in *packet*; of two that overlap, the first to arrive is kept.

        Raises:
            ValueError: Its duration is not positive, which no Opus packet has.
        """
        if packet.duration_samples <= 0:
            raise ValueError(f"packet of {packet.duration_samples} samples")
        self.counters.packets_received += 1
        verdict = self._place(packet)
        if verdict is not Verdict.ACCEPTED:
            self.counters.packets_discarded += 1
        return verdict

    def pull(self, until: int) -> list[Decision]:
        """Cover media time from the cursor to *until*, and move the cursor there.

        A packet is never cut: the last decision may pass *until*, by less than its
        own length, and the next call goes on from there. A reader on a grid of the
        packets' length never sees that; any other keeps what is left over.
        """
        decisions: list[Decision] = []
        while self.cursor < until:
            decision = self._decide(until)
            self.cursor += decision.samples
            self._count(decision)
            decisions.append(decision)
        return decisions

    def skip(self, to: int) -> None:
        """Move the cursor forward to *to*; what is passed is never handed out."""
        kept = [packet for packet in self._held if packet.timestamp >= to]
        self.counters.packets_discarded += len(self._held) - len(kept)
        self._held = kept
        self.cursor = max(self.cursor, to)

    @property
    def next_timestamp(self) -> int | None:
        """Start of the first packet held."""
        return self._held[0].timestamp if self._held else None

    def __len__(self) -> int:
        return len(self._held)

    def _place(self, packet: MediaPacket) -> Verdict:
        end = packet.timestamp + packet.duration_samples
        if packet.timestamp < self.cursor:
            return Verdict.LATE
        if end > self.cursor + self._horizon_samples:
            return Verdict.TOO_FAR
        place = bisect_left(self._held, packet.timestamp, key=lambda p: p.timestamp)
        if place < len(self._held) and self._held[place].timestamp < end:
            return Verdict.DUPLICATE
        if place > 0 and _end(self._held[place - 1]) > packet.timestamp:
            return Verdict.DUPLICATE
        self._held.insert(place, packet)
        if self.newest is None or packet.timestamp > self.newest:
            self.newest = packet.timestamp
        return Verdict.ACCEPTED

    def _decide(self, until: int) -> Decision:
        following = self._held[0] if self._held else None
        if following is None:
            return self._fill(until, gap_samples=None)
        gap_samples = following.timestamp - self.cursor
        if gap_samples == 0:
            return Play(self._held.pop(0))
        # In-band FEC holds one packet's worth (RFC 6716, section 2.1.7): what is
        # missing before that can only be concealed.
        if gap_samples == following.duration_samples:
            return Recover(following, gap_samples)
        if gap_samples > following.duration_samples:
            gap_samples -= following.duration_samples
        return self._fill(until, gap_samples)

    def _fill(self, until: int, gap_samples: int | None) -> Decision:
        """Return what to do where there is no packet, for *gap_samples* at most."""
        left = 0
        if self._gap_samples is not None:
            left = self._conceal_limit_samples - self._gap_samples
        if left > 0:
            step = min(self._step_samples, left)
            return Conceal(step if gap_samples is None else min(step, gap_samples))
        silent = until - self.cursor
        return Silence(silent if gap_samples is None else min(silent, gap_samples))

    def _count(self, decision: Decision) -> None:
        counters = self.counters
        if isinstance(decision, Play):
            self._step_samples = decision.samples
            self._gap_samples = 0
        if self._gap_samples is None:
            return  # before the first packet nothing was missed
        counters.total_samples_received += decision.samples
        if isinstance(decision, Play):
            return
        if isinstance(decision, Recover):
            counters.recovered_samples += decision.samples
            return
        counters.concealment_events += self._gap_samples == 0
        counters.concealed_samples += decision.samples
        if isinstance(decision, Silence):
            counters.silent_concealed_samples += decision.samples
        self._gap_samples += decision.samples


def _end(packet: MediaPacket) -> int:
    return packet.timestamp + packet.duration_samples
