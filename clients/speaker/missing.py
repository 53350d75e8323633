"""Which lost packets to ask for again, and when (pure; RFC 4585, section 6.2.1).

A packet is asked for when what came after it shows that it is missing, with a little
patience in case it was only overtaken; and again each time a round trip has passed in
vain, while there is time. What came as a copy (RFC 2198) is not asked for; with copies
in the next packet a single loss never is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.wire.sequence import unwrap

TRIES = 4
"Losses come in bursts, and a burst outlasts a round trip."
OVERTAKING_NS = 10_000_000
"Patience with a packet that may only be late."
SPARE_NS = 30_000_000
"Beyond the round trip: what the server and both queues may take."
MAX_MISSING = 100
"Two seconds: the server keeps no more, and nobody's playout delay needs it."


@dataclass(slots=True)
class _Hole:
    noticed_ns: int
    due_ns: int
    tries: int = 0


class Missing:
    """Keeps the books of one RTP stream; asks at most `TRIES` times for a packet."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._holes: dict[int, _Hole] = {}

    def __len__(self) -> int:
        return len(self._holes)

    def received(
        self, sequence: int, *, copies: Sequence[int] = (), now_ns: int
    ) -> None:
        """Note a packet's arrival.

        Args:
            sequence: Its number, 16 bits.
            copies: How many packets earlier those are that came along, as copies.
            now_ns: Local monotonic instant.
        """
        if self._highest is None:
            self._highest = unwrap(sequence, sequence)
        number = unwrap(sequence, self._highest)
        gap = range(self._highest + 1, number)
        self._highest = max(self._highest, number)
        if len(gap) > MAX_MISSING:
            self._holes.clear()  # the path was gone for long, or the sender is new
        else:
            self._holes |= {n: _Hole(now_ns, now_ns + OVERTAKING_NS) for n in gap}
        for distance in (0, *copies):
            self._holes.pop(number - distance, None)

    def ask(self, *, now_ns: int, round_trip_ns: int, useful_ns: int) -> list[int]:
        """Return the 16-bit numbers to ask for now, oldest first.

        Args:
            now_ns: Local monotonic instant.
            round_trip_ns: Of the path.
            useful_ns: How long after its time a packet can still be played.
        """
        asked: list[int] = []
        for number, hole in sorted(self._holes.items()):
            waited_ns = now_ns - hole.noticed_ns
            if hole.tries == TRIES or waited_ns + round_trip_ns > useful_ns:
                del self._holes[number]
            elif now_ns >= hole.due_ns:
                hole.tries += 1
                hole.due_ns = now_ns + round_trip_ns + SPARE_NS
                asked.append(number % 2**16)
        for number in sorted(self._holes)[:-MAX_MISSING]:
            del self._holes[number]
        return asked
