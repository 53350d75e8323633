"""What is known of each speaker from its connections; kept when they end."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.wire.control import Report
from streamer.wire.health import Health


@dataclass(slots=True)
class Attendance:
    """One speaker's."""

    connections: int = 0
    heard_ns: int = 0
    "Local monotonic instant of the last sign of life."
    report: Report | None = None
    "The last one."
    report_ns: int = 0
    health: Health | None = None
    "The last one."
    health_ns: int = 0


class Presence:
    """Attendance by speaker; as large as the number of enrolled speakers."""

    def __init__(self) -> None:
        self._speakers: dict[str, Attendance] = {}

    def of(self, speaker_id: str) -> Attendance | None:
        """Return what is known of a speaker, or None when it never came."""
        return self._speakers.get(speaker_id)

    def forget(self, speaker_id: str) -> None:
        """Drop a speaker that was removed."""
        self._speakers.pop(speaker_id, None)

    def came(self, speaker_id: str, *, now_ns: int) -> Attendance:
        """Note a connection; whoever holds the result notes its life and end."""
        attendance = self._speakers.setdefault(speaker_id, Attendance())
        attendance.connections += 1
        attendance.heard_ns = max(attendance.heard_ns, now_ns)
        return attendance
