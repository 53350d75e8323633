"""One listener of the load generator: what reached it, as runs of packets (no I/O)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bench.stream import Chunk, Place, Run, read_chunk
from streamer.media.frame import FRAME_NS, FRAME_SAMPLES, samples_to_ns
from streamer.media.opus import OpusEncoder
from streamer.programme.condition import Conditioner
from streamer.wire.control import Programme


@cache
def lookahead_ns() -> int:
    """Return how long before a packet was due its first decoded sample was captured.

    Limiter and encoder look ahead this much, so due = capture + this for a source
    without a delay of its own, which tone sources are.
    """
    with OpusEncoder() as encoder:
        samples = Conditioner().latency_samples + encoder.lookahead_samples
    return samples_to_ns(samples)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A programme's grid: which packet was due when."""

    first_timestamp: int
    first_due_ns: int

    @classmethod
    def of(cls, programme: Programme) -> Mapping:
        """Return the grid that *programme* announces."""
        return cls(programme.timestamp, programme.clock_us * 1000 + lookahead_ns())

    def index(self, timestamp: int) -> int:
        """Return the number of the packet with this RTP timestamp."""
        return ((timestamp - self.first_timestamp) & 0xFFFF_FFFF) // FRAME_SAMPLES

    def due_ns(self, timestamp: int) -> int:
        """Return when the grid owed the packet with this RTP timestamp."""
        return self.first_due_ns + self.index(timestamp) * FRAME_NS

    def first_due_from(self, instant_ns: int) -> int:
        """Return the number of the first packet due at or after *instant_ns*."""
        return max(0, -((self.first_due_ns - instant_ns) // FRAME_NS))


@dataclass(slots=True)
class Interval:
    """Packets received without a gap."""

    start: Place
    count: int


class Intervals:
    """What one listener received; every packet, told apart by its numbers.

    Runs that go on are merged, so a listener that misses nothing holds one interval
    per programme.
    """

    __slots__ = ("_expected", "intervals")

    def __init__(self) -> None:
        self.intervals: list[Interval] = []
        self._expected: Place | None = None

    def add(self, run: Run) -> None:
        """Account for the packets of *run*."""
        if run.start == self._expected:
            self.intervals[-1].count += run.packets
        else:
            self.intervals.append(Interval(run.start, run.packets))
        self._expected = run.following

    def forget(self) -> None:
        """Keep only the interval that goes on: what came before was evaluated."""
        del self.intervals[:-1]

    def received(self, ssrc: int, mapping: Mapping, window: range) -> int:
        """Return how many different packets of *window* (indices) arrived."""
        spans = []
        for interval in self.intervals:
            if interval.start[0] == ssrc:
                first = mapping.index(interval.start[2])
                spans.append((first, first + interval.count))
        total, covered = 0, window.start
        for first, end in sorted(spans):
            first, end = max(first, covered), min(end, window.stop)
            total += max(0, end - first)
            covered = max(covered, end)
        return total

    def numbering(self, ssrc: int, mapping: Mapping) -> set[int]:
        """Return sequence number minus packet index, mod 2**16, of each interval.

        More than one value means that sequence numbers and timestamps disagree.
        """
        return {
            (interval.start[1] - mapping.index(interval.start[2])) & 0xFFFF
            for interval in self.intervals
            if interval.start[0] == ssrc
        }


class Account(Intervals):
    """One listener of a WebSocket: its bytes, cut as they may be, into packets."""

    __slots__ = ("_rest", "audio_bytes", "closed", "messages")

    def __init__(self) -> None:
        super().__init__()
        self.messages = 0
        self.audio_bytes = 0
        self.closed = False
        self._rest = b""

    def take(self, data: bytes) -> Chunk:
        """Account for *data* as read from the socket; return what it completed."""
        chunk = read_chunk(self._rest + data if self._rest else data)
        self._rest = chunk.rest
        self.messages += len(chunk.ends)
        self.audio_bytes += chunk.audio_bytes
        self.closed = self.closed or chunk.closed
        for run in chunk.runs:
            self.add(run)
        return chunk
