"""One programme's packets on the server's clock: placed, ordered, decoded.

Positions are samples at 48 kHz on the server's media clock, so that all streams share
one axis: the sample at position p was captured at ``p / 48000`` seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from clients.speaker.decode import Outcome, Rendered, StreamDecoder
from clients.speaker.fade import Fader
from clients.speaker.placing import Placed
from clients.speaker.receipts import Account
from streamer.media.frame import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    MediaPacket,
    Pcm,
    silence,
)
from streamer.media.jitterbuffer import JitterBuffer, Verdict
from streamer.media.opus import OpusError, packet_samples
from streamer.wire.control import Programme
from streamer.wire.rtp import RtpPacket
from streamer.wire.sequence import unwrap

PRE_ROLL_SAMPLES = 3_840
"80 ms decoded but not heard, so that the decoder has converged (RFC 7845, 4.6)."
HORIZON_SAMPLES = 60 * SAMPLE_RATE_HZ
"Packets kept ahead of what is heard: far more than any playout delay."
MISSING = (Outcome.CONCEALED, Outcome.SILENT)
_BEHIND_FIRST_SAMPLES = 20 * SAMPLE_RATE_HZ  # room for what the first one overtook


@dataclass(slots=True)
class Counters:
    """What was received and played, named as in W3C webrtc-stats."""

    packets_received: int = 0
    packets_lost: int = 0
    packets_discarded: int = 0
    "Late, or there already."
    packets_late: int = 0
    total_samples_received: int = 0
    concealed_samples: int = 0
    silent_concealed_samples: int = 0
    concealment_events: int = 0


@dataclass(frozen=True, slots=True)
class _Span:
    """How the samples before `end` and after the span before came about."""

    end: int
    outcome: Outcome

    @property
    def missing(self) -> bool:
        return self.outcome in MISSING


class Holes:
    """Counts packets of a run of numbers that never came; latecomers come off again.

    Source: RFC 3550, section 6.4.1 (cumulative number of packets lost), except that
    a duplicate does not make up for a loss.
    """

    REMEMBERED = 500
    "A packet overtaken by more than that stays lost."

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: set[int] = set()

    def add(self, number: int) -> int:
        """Take in a packet's number; return by how much the number of lost changes."""
        if self._highest is None:
            self._highest = number
        if number in self._missing:
            self._missing.remove(number)
            return -1
        holes = range(self._highest + 1, number)
        self._highest = max(self._highest, number)
        oldest = self._highest - self.REMEMBERED
        self._missing = {n for n in self._missing if n >= oldest}
        self._missing.update(holes[-self.REMEMBERED :])
        return len(holes)


def us_to_position(instant_us: int) -> int:
    """Return the position of an instant of the server's clock."""
    return instant_us * SAMPLE_RATE_HZ // 1_000_000


class Stream:
    """Reads one programme sample by sample, whatever the network did to it.

    What is heard and missed is added to *counters*, which the streams of a speaker
    share, and to the *account* of its broadcast.
    """

    def __init__(
        self, programme: Programme, counters: Counters, account: Account
    ) -> None:
        self.programme = programme
        self.account = account
        self.fader = Fader()
        "Its share among the streams."
        self.volume = Fader()
        "How loud it is to be."
        self._counters = counters
        self._buffer = JitterBuffer(horizon_samples=HORIZON_SAMPLES)
        self._decoder = StreamDecoder()
        self._decoded = silence(0)  # not yet read; ends at the buffer's cursor
        self._started = False  # the buffer knows where in time it is
        self._newest_end: int | None = None
        self._timestamp: int | None = None  # last one, unwrapped
        self._holes = Holes()
        self._in_gap: bool | None = None  # None: nothing was heard yet
        self._spans: deque[_Span] = deque()  # of what was decoded and not yet read
        self._sounded = False  # something was heard since the announcement
        self._place(programme)

    def announce(self, programme: Programme) -> None:
        """Take in a newer announcement, after an absence most likely."""
        self.programme = programme
        self._holes = Holes()  # what was not sent meanwhile is not lost
        self._in_gap = None
        self._sounded = False
        self._place(programme)

    @property
    def position(self) -> int:
        """Of the next sample that can be read; those before it are gone."""
        return self._buffer.cursor - len(self._decoded)

    @property
    def speech(self) -> bool:
        """Whether what was played last is coded as speech."""
        return self._decoder.speech

    @property
    def missing(self) -> bool:
        """Whether what was decoded last was made up."""
        return bool(self._in_gap)

    @property
    def newest_end(self) -> int | None:
        """Position after the newest packet received, or None before the first."""
        return self._newest_end

    def close(self) -> None:
        """Free the codec."""
        self._decoder.close()

    def insert(self, rtp: RtpPacket) -> int | None:
        """Take in a packet of this stream; one that cannot be played is counted.

        Returns:
            Its position, if it is Opus; also when it is late or came before.
        """
        self._received()
        samples = _samples_of(rtp.payload)
        if rtp.payload_type != self.programme.payload_type or samples is None:
            self._counters.packets_discarded += 1
            return None
        timestamp = self._unwrapped(rtp.timestamp)
        since = timestamp - self._announced_timestamp
        packet = MediaPacket(self._announced_position + since, samples, rtp.payload)
        if self._insert(packet):
            self._timestamp = timestamp  # of what was refused nothing is believed
        else:
            self._counters.packets_discarded += 1
        return packet.timestamp

    def start_of(self, position: int) -> int | None:
        """Return where the packet captured at *position* begins; None: not of ours.

        Our packets lie on a grid that no other programme has but by chance. The
        announcement rounds the grid's origin down to microseconds, the packet not.
        """
        since = position - self._announced_position
        off_grid = since % FRAME_SAMPLES
        return position - off_grid if since >= 0 and off_grid <= 1 else None

    def insert_at(self, start: int, placed: Placed) -> None:
        """Take in a packet that :meth:`start_of` knows; a copy is not counted."""
        samples = _samples_of(placed.payload)
        accepted = samples is not None and self._insert(
            MediaPacket(start, samples, placed.payload), counts=not placed.repeated
        )
        if accepted:
            since = start - self._announced_position
            self._timestamp = self._announced_timestamp + since
        if not placed.repeated:
            self._received()
            self._counters.packets_discarded += not accepted

    def skip(self, to: int) -> None:
        """Leave out what lies before *to*."""
        if to > self._buffer.cursor:
            self._started = True
            self._decoded = silence(0)
            self._spans.clear()
            self._buffer.skip(to)

    def read(self, start: int, samples: int, *, heard: bool) -> Pcm:
        """Return *samples* from position *start* on, which is not before `position`.

        Media that is left out is decoded without being heard, up to the pre-roll.

        Args:
            start: Position of the first sample.
            samples: How many.
            heard: Whether what is missing is missed; false for a tail that fades.
        """
        self.skip(start - PRE_ROLL_SAMPLES)
        parts = [self._decoded]
        cursor = self._buffer.cursor
        for decision in self._buffer.pull(start + samples):
            cursor += decision.samples
            rendered = self._decoder.render(decision)
            if heard and cursor > start:
                self._count(rendered)
            self._spans.append(_Span(cursor, rendered.outcome))
            parts.append(rendered.pcm)
        decoded = np.concatenate(parts)
        self._pass_spans(start, start + samples, heard=heard)
        first = start - (self._buffer.cursor - len(decoded))
        self._decoded = decoded[first + samples :]
        return decoded[first : first + samples]

    def _place(self, programme: Programme) -> None:
        announced = programme.timestamp
        if self._timestamp is not None:
            announced = unwrap(announced, self._timestamp, bits=32)
        self._announced_timestamp = announced
        self._announced_position = us_to_position(programme.clock_us)

    def _unwrapped(self, timestamp: int) -> int:
        if self._timestamp is None:
            # FORMAT.md: later than the announced one, modulo 2**32.
            elapsed = (timestamp - self._announced_timestamp) % (1 << 32)
            return self._announced_timestamp + elapsed
        return unwrap(timestamp, self._timestamp, bits=32)

    def _insert(self, packet: MediaPacket, *, counts: bool = True) -> bool:
        """Hold a packet until it is read; return whether it will be."""
        start = packet.timestamp
        if not self._started:
            self._started = True
            self._buffer.start(start - _BEHIND_FIRST_SAMPLES)
        verdict = self._buffer.insert(packet)
        if verdict is Verdict.ACCEPTED:
            end = start + packet.duration_samples
            self._newest_end = max(end, self._newest_end or end)
        self._counters.packets_late += counts and verdict is Verdict.LATE
        if counts and verdict is not Verdict.TOO_FAR:
            # By its place, for each transport has sequence numbers of its own.
            number = (start - self._announced_position) // FRAME_SAMPLES
            self._counters.packets_lost += self._holes.add(number)
        return verdict is Verdict.ACCEPTED

    def _received(self) -> None:
        self._counters.packets_received += 1
        self.account.packets_received += 1

    def _pass_spans(self, begin: int, end: int, *, heard: bool) -> None:
        """Enter what lies between *begin* and *end*, to the sample, if it is heard."""
        while self._spans and begin < end:
            span = self._spans[0]
            stop = min(span.end, end)
            if heard and stop > begin:
                self._sounded |= not span.missing
                if self._sounded:
                    self.account.rendered(begin, stop - begin, missing=span.missing)
            if span.end <= end:
                self._spans.popleft()
            begin = max(begin, stop)

    def _count(self, rendered: Rendered) -> None:
        counters, samples = self._counters, len(rendered.pcm)
        missing = rendered.outcome in MISSING
        if missing and self._in_gap is None:
            return
        counters.total_samples_received += samples
        if missing:
            counters.concealment_events += not self._in_gap
            counters.concealed_samples += samples
        if rendered.outcome is Outcome.SILENT:
            counters.silent_concealed_samples += samples
        self._in_gap = missing


def _samples_of(payload: bytes) -> int | None:
    """Return how long *payload* lasts; None when it is not Opus."""
    try:
        return packet_samples(payload)
    except OpusError:
        return None
