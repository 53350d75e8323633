"""The last packets of a programme, for listeners that join or come back."""

from __future__ import annotations

from collections import deque
from itertools import takewhile

from streamer.media.frame import ProgrammePacket


class PacketRing:
    """Holds the newest packets of one programme; the oldest falls out when full.

    Args:
        capacity: Packets held, 50 for each second.

    Raises:
        ValueError: *capacity* is not positive.
    """

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise ValueError(f"need {capacity=} > 0")
        self._packets: deque[ProgrammePacket] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._packets)

    def append(self, packet: ProgrammePacket) -> None:
        """Add *packet*, the successor of the newest one."""
        self._packets.append(packet)

    def last(self, count: int) -> list[ProgrammePacket]:
        """Return the newest *count* packets, or as many as are held, oldest first."""
        return list(self._packets)[max(0, len(self._packets) - count) :]

    def since(self, capture_ns: int) -> list[ProgrammePacket]:
        """Return the packets captured at *capture_ns* or later, oldest first."""
        newest_first = takewhile(
            lambda packet: packet.capture_ns >= capture_ns, reversed(self._packets)
        )
        return list(newest_first)[::-1]
