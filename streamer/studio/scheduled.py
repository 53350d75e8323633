"""What the schedule asks for, and what it writes down (values)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from streamer.air.schedule import (
    Fill,
    Item,
    Owner,
    ScheduleEntry,
    joined_late,
)
from streamer.air.timetable import Due, OutcomeKind
from streamer.store.outcomes import Outcome
from streamer.studio.errors import SourceRefusedError, StudioError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScheduledStart:
    """A broadcast that shall start now."""

    entry: ScheduleEntry
    owner: Owner
    start_utc: datetime
    "When it was planned."
    late_s: int
    items: tuple[Item, ...]
    "What is left to play: relays are shorter by what is over already."
    slot_s: int | None
    "How long, from now, until the slot ends; None: each item plays to its end."
    goes_on: str | None = None
    "The broadcast that a server's end cut off, if this goes on with it."
    first_late_s: int = 0
    "Then: how late the first broadcast was; *items* are what was left to play of it."
    played_s: int = 0
    "Then: what was played of *items* already. What is lost since, relays lose."


Starter: TypeAlias = Callable[[ScheduledStart], Awaitable[str]]
"""Puts it on the air and returns the broadcast's id.

It raises `TooManyProgrammesError` when it may be tried again, `SourceRefusedError`
when it cannot be opened, and another `StudioError` when a rule forbids it. When it is
cancelled nothing may be on the air.
"""


def outcome_of(due: Due, kind: OutcomeKind, now_utc: datetime) -> Outcome:
    """Return that *due* has become *kind* at *now_utc*."""
    entry, start_utc = due.planned.entry, due.occurrence.start_utc
    return Outcome(
        entry_id=entry.id,
        start_utc=start_utc,
        kind=kind,
        title=entry.title,
        zone_ids=entry.zone_ids,
        late_s=max(0, (now_utc - start_utc) // timedelta(seconds=1)),
        decided_utc=now_utc,
    )


def start_of(due: Due, late_s: int) -> ScheduledStart:
    """Return what is left to broadcast of *due*, so late."""
    entry = due.planned.entry
    return ScheduledStart(
        entry=entry,
        owner=due.planned.owner,
        start_utc=due.occurrence.start_utc,
        late_s=late_s,
        items=joined_late(entry.items, late_s),
        slot_s=None if entry.fill is Fill.NONE else entry.duration_s - late_s,
    )


def not_made(outcome: Outcome, error: Exception) -> Outcome:
    """Return that a start came to nothing for good."""
    kind = OutcomeKind.FAILED
    if not isinstance(error, StudioError):
        logger.error("%s could not be started", outcome.occurrence, exc_info=error)
    elif not isinstance(error, SourceRefusedError):
        kind = OutcomeKind.REFUSED
    return replace(outcome, kind=kind, detail=str(error) or type(error).__name__)
