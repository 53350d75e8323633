"""Entries for tests of the schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from streamer.air.priority import Origin
from streamer.air.recurrence import Recurrence
from streamer.air.schedule import FileItem, Owner, Planned, ScheduleEntry
from streamer.wire.control import ProgrammeClass

OWNER = Owner("t1", "Đài xã", "broadcaster", Origin.COMMUNE)
NOON_UTC = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
"Monday, 12:00 in Hà Nội."


def entry(rule: str | None = None, **members: Any) -> ScheduleEntry:
    """Return an entry that starts on Monday, 2026-01-05, at 05:30 in Hà Nội."""
    settings: dict[str, Any] = {
        "id": "e1",
        "uid": "e1@loacast",
        "title": "Bản tin sáng",
        "zone_ids": ("a",),
        "programme_class": ProgrammeClass.NORMAL,
        "items": (FileItem("f1"),),
        "starts_local": datetime(2026, 1, 5, 5, 30),
        "duration_s": 600,
        "recurrence": Recurrence.parse(rule) if rule else None,
    }
    return ScheduleEntry(**settings | members)


def planned(
    entry: ScheduleEntry, armed_utc: datetime, settled_utc: datetime | None = None
) -> Planned:
    """Return *entry* as it stands in the schedule."""
    return Planned(entry, OWNER, armed_utc, settled_utc or armed_utc)
