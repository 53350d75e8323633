"""From a live sender's RTP to one unbroken line of media time (sans-I/O).

The sender's clock is not ours, and nobody says when a packet was captured. But no
packet arrives before its last sample was captured, and some arrive almost at once:
the fastest of the last seconds tells where on the line any instant of ours lies,
but for the least transit time, which is taken for zero (as in NetEQ and in Snapcast).
"""

from __future__ import annotations

from collections import deque

from ingest.packets import Arrival
from streamer.media.frame import MediaPacket, ns_to_samples, samples_to_ns
from streamer.media.opus import OpusError, packet_samples
from streamer.wire.sequence import unwrap

MEMORY_S = 10
"A clock 100 ppm slow is misread by a millisecond after this time."
JUMP_SAMPLES = 5 * 48_000
"Media this far from the clock did not drift there (NetEQ: decision_logic.cc:142)."


class CaptureClock:
    """Tells which sample was captured at an instant of the local clock."""

    def __init__(self) -> None:
        self._fastest: deque[tuple[int, int]] = deque(maxlen=MEMORY_S)

    @property
    def is_known(self) -> bool:
        """Whether a packet has arrived."""
        return bool(self._fastest)

    def observe(self, end: int, arrival_ns: int) -> None:
        """Learn that media up to position *end* had been captured by *arrival_ns*."""
        zero_ns = arrival_ns - samples_to_ns(end)
        second = arrival_ns // 1_000_000_000
        if self._fastest and self._fastest[-1][0] == second:
            zero_ns = min(zero_ns, self._fastest.pop()[1])
        self._fastest.append((second, zero_ns))

    def position(self, at_ns: int) -> int:
        """Return the position captured at *at_ns*; a packet must have arrived."""
        return ns_to_samples(at_ns - min(zero_ns for _, zero_ns in self._fastest))


class Timeline:
    """Gives packets their place, past wraps, restarts and changes of SSRC.

    Args:
        clock: Learns from every packet.
    """

    def __init__(self, clock: CaptureClock) -> None:
        self._clock = clock
        self._ssrc: int | None = None
        self._last = 0  # unwrapped RTP timestamp of the last packet
        self._shift = 0  # from there to the line
        self.malformed_packets = 0
        "Whose payload is not Opus."

    def place(self, arrival: Arrival) -> MediaPacket | None:
        """Return the packet on the line; None when it is not Opus."""
        try:
            duration = packet_samples(arrival.payload)
        except OpusError:
            self.malformed_packets += 1
            return None
        position = self._position(arrival, duration)
        self._clock.observe(position + duration, arrival.arrival_ns)
        return MediaPacket(position, duration, arrival.payload)

    def _position(self, arrival: Arrival, duration: int) -> int:
        self._last = unwrap(arrival.timestamp, self._last, bits=32)
        if self._ssrc is None:
            self._ssrc = arrival.ssrc
            return self._last
        expected = self._clock.position(arrival.arrival_ns) - duration
        far = abs(self._last + self._shift - expected) > JUMP_SAMPLES
        if far or arrival.ssrc != self._ssrc:
            # A new SSRC starts anywhere (RFC 3550, section 5.1): it goes on where
            # the clock says that it was captured.
            self._ssrc = arrival.ssrc
            self._shift = expected - self._last
        return self._last + self._shift
