"""Changes of the schedule: checked, stored, then followed.

Before an entry is changed or deleted, what is due of it as it was gets its outcome:
a change is no way to lose a start.
"""

from __future__ import annotations

import asyncio
import heapq
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice

from streamer.air.entrycheck import ScheduleError, check_entry, normal
from streamer.air.schedule import (
    Occurrence,
    Owner,
    Planned,
    ScheduleEntry,
    occurrences,
)
from streamer.air.walltime import local_time, time_zone
from streamer.store.errors import NotFoundError
from streamer.store.identifiers import new_id
from streamer.store.outcomes import Outcome, Outcomes
from streamer.store.timetable import Timetables
from streamer.studio.errors import StudioError
from streamer.studio.timetable import ScheduleKeeper

MAX_ENTRIES = 2000
_TURNS = 1000
"To catch up with an absence before a change; each finds a portion of it."


class ScheduleFullError(StudioError):
    """The schedule has as many entries as one server keeps."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A start that was or will be, and what became of it if that is known."""

    occurrence: Occurrence
    entry: ScheduleEntry
    outcome: Outcome | None


class Planning:
    """What people do with the schedule.

    Every method may raise `StoreUnavailableError`; then nothing was changed.

    Args:
        keeper: Follows the entries.
        entries: Where they are stored.
        outcomes: What became of their starts.
    """

    def __init__(
        self, keeper: ScheduleKeeper, entries: Timetables, outcomes: Outcomes
    ) -> None:
        self._keeper = keeper
        self._entries = entries
        self.outcomes = outcomes
        "What became of each start; read only."
        self._changing = asyncio.Lock()

    def now_utc(self) -> datetime:
        """Return what time it is, by the clock of the schedule."""
        return self._keeper.now_utc()

    def all(self) -> list[Planned]:
        """Return all entries, in order of their ids."""
        return self._keeper.timetable.planned

    def get(self, entry_id: str) -> Planned:
        """Return one entry, or raise `NotFoundError`."""
        planned = self._keeper.timetable.find(entry_id)
        if planned is None:
            raise NotFoundError("entry", entry_id)
        return planned

    async def create(self, entry: ScheduleEntry, owner: Owner) -> Planned:
        """Add an entry; it starts from now on.

        Raises:
            ScheduleError: It cannot be carried out.
            ScheduleFullError: There are too many.
            ConflictError: Its UID is taken.
        """
        entry = await checked(entry)
        async with self._changing:
            self._require_room(1)
            planned = _from(self._keeper.now_utc(), entry, owner)
            await self._entries.create(planned)
            self._keeper.timetable.put(planned)
        return planned

    async def replace(self, entry: ScheduleEntry, owner: Owner) -> Planned:
        """Put another entry in the place of the one with the same id.

        Raises:
            NotFoundError: It is not there.
            ScheduleError: It cannot be carried out.
        """
        entry = await checked(entry)
        async with self._changing:
            await self._catch_up(entry.id)
            planned = _from(self._keeper.now_utc(), entry, owner)
            await self._entries.update(entry.id, lambda _: planned)
            self._keeper.timetable.put(planned)
        return planned

    async def delete(self, entry_id: str) -> None:
        """Delete an entry; what is on the air stays there.

        Raises:
            NotFoundError: It is not there.
        """
        async with self._changing:
            await self._catch_up(entry_id)
            await self._entries.delete(entry_id)
            self._keeper.timetable.remove(entry_id)

    async def cancel_day(self, entry_id: str, day: date) -> Planned:
        """Leave out all starts of one day, as it is called where the entry is.

        Raises:
            NotFoundError: There is no such entry.
            ScheduleError: It does not start on that day, or has too many such days.
        """
        planned = self.get(entry_id)
        if day in planned.entry.except_dates:
            return planned
        if not _starts_on(planned.entry, day):
            raise ScheduleError("day", f"it does not start on {day}")
        return await self._except(entry_id, lambda dates: dates | {day})

    async def restore_day(self, entry_id: str, day: date) -> Planned:
        """Take `cancel_day` back.

        A start that was due meanwhile is made within its grace, or is missed.

        Raises:
            NotFoundError: There is no such entry.
        """
        self.get(entry_id)
        return await self._except(entry_id, lambda dates: dates - {day})

    async def take(
        self, entries: Sequence[ScheduleEntry], owner: Owner
    ) -> list[Planned]:
        """Add entries, or replace those of the same id; all or none.

        Args:
            entries: Checked, and normal, as `streamer.air.calendar.read` gives them.
            owner: Of all of them.

        Raises:
            ScheduleFullError: There would be too many.
            ConflictError: A UID is taken.
        """
        async with self._changing:
            known = {planned.entry.id for planned in self.all()}
            self._require_room(len({each.id for each in entries} - known))
            for entry in entries:
                if entry.id in known:
                    await self._catch_up(entry.id)
            now_utc = self._keeper.now_utc()
            planned = [_from(now_utc, each, owner) for each in entries]
            await self._entries.put_many(planned)
            for each in planned:
                self._keeper.timetable.put(each)
                await asyncio.sleep(0)  # hundreds take a while; audio has its turn
        return planned

    async def coming(
        self, from_utc: datetime, to_utc: datetime, *, limit: int
    ) -> list[Coming]:
        """Return the starts in [from_utc, to_utc] by the present schedule, upwards.

        What was planned otherwise at the time is in `outcomes` only.
        """
        entries = {planned.entry.id: planned.entry for planned in self.all()}
        # A long schedule takes a while to look through: not on the loop.
        starts = await asyncio.to_thread(
            _merged, entries.values(), from_utc, to_utc, limit
        )
        found = await self.outcomes.between(from_utc, to_utc, limit=10 * limit)
        known = {each.occurrence: each for each in found}
        return [
            Coming(each, entries[each.entry_id], known.get(each)) for each in starts
        ]

    async def _except(
        self, entry_id: str, change: Callable[[set[date]], set[date]]
    ) -> Planned:
        def changed(old: Planned) -> Planned:
            dates = change(set(old.entry.except_dates))
            entry = replace(old.entry, except_dates=tuple(sorted(dates)))
            return replace(old, entry=entry)

        async with self._changing:
            planned = await self._entries.update(entry_id, changed)
            self._keeper.timetable.amend(planned)
        return planned

    async def _catch_up(self, entry_id: str) -> None:
        """Settle what is due of an entry as it is."""
        self.get(entry_id)
        for _ in range(_TURNS):
            await self._keeper.turn()
            if not self._keeper.timetable.is_behind(entry_id):
                return

    def _require_room(self, new: int) -> None:
        if len(self.all()) + new > MAX_ENTRIES:
            raise ScheduleFullError(f"The schedule has {MAX_ENTRIES} entries at most.")


def fresh_id() -> str:
    """Return an id for a new entry."""
    return new_id(secrets.token_bytes)


def _from(at_utc: datetime, entry: ScheduleEntry, owner: Owner) -> Planned:
    """Return *entry* as it stands in the schedule from *at_utc* on."""
    return Planned(entry, owner, armed_utc=at_utc, settled_utc=at_utc)


async def checked(entry: ScheduleEntry) -> ScheduleEntry:
    """Return *entry* as it is kept; looks at its starts on a thread.

    Raises:
        ScheduleError: It cannot be carried out.
    """

    def check() -> ScheduleEntry:
        found = normal(entry)
        check_entry(found)
        return found

    return await asyncio.to_thread(check)  # ten thousand starts may be counted


def _starts_on(entry: ScheduleEntry, day: date) -> bool:
    zone = time_zone(entry.time_zone)
    low, high = (
        datetime.combine(day, datetime.min.time(), zone),
        datetime.combine(day, datetime.max.time(), zone),
    )
    found = occurrences(replace(entry, enabled=True), low, high)
    return any(local_time(each.start_utc, zone).date() == day for each in found)


def _merged(
    entries: Iterable[ScheduleEntry], from_utc: datetime, to_utc: datetime, limit: int
) -> list[Occurrence]:
    each_ones = (occurrences(entry, from_utc, to_utc) for entry in entries)
    return list(islice(heapq.merge(*each_ones), limit))
