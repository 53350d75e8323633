"""The machine that keeps the schedule: wall time in, starts and misses out (pure).

Source: issue C, rule 7. The wall clock is not to be trusted: it is set forward and
back while the server runs and while it does not. So nothing here waits for a time:
each tick looks at what lies between what has been swept and now.

- *swept* goes with the clock. Set forward, all that lies between is found: started
  if it is within its grace, else missed. Set back, it is swept again, and what has an
  outcome is passed over, so nothing is aired twice.
- An outcome is for good, but for one: what was missed because the clock ran ahead
  is started after all when its time really comes.
- What was found stays due until its outcome is settled, even if the store is away.
- A long absence is worked off in portions, and present starts never wait for it.

                   now within grace                    recorded
    (found) ─► due ───────────────► handed out, start ──────────► settled
                │  now past it                        │ given back ─► due
                └─────────────────► handed out, miss  ┘
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from streamer.air.schedule import Occurrence, Planned, grace, occurrences

MAX_DUE = 2000
"Found and not settled; beyond it no more of a long absence is looked for."
PORTION = 25
"""Entries that one tick sweeps, and starts of a long absence that it finds.

Each costs about 0.3 ms, and audio moves on the same loop.
"""
MAX_REMEMBERED = 20_000
"Outcomes known without asking the store; it is asked before each start anyway."
JITTER = timedelta(seconds=2)
"A clock that goes back by less is being slewed, not set."
LOOK_AHEAD = timedelta(days=9 * 366)
"29 February may be eight years away."

_TICK = timedelta(microseconds=1)


class OutcomeKind(StrEnum):
    """What became of an occurrence."""

    STARTING = "starting"
    "Somebody is about to; the outcome follows."
    AIRED = "aired"
    MISSED = "missed"
    "Nobody was there, or it could not be, until its grace was over."
    REFUSED = "refused"
    "A rule forbade it: a policy, a zone that is gone, a zone that is held."
    FAILED = "failed"
    "It could not be opened, or servers died while it was being started."


@dataclass(frozen=True, slots=True)
class Due:
    """An occurrence that something must be done about, now."""

    occurrence: Occurrence
    planned: Planned
    "The entry as it was when this was found."
    is_missed: bool
    "Record it as missed; else start it."


@dataclass(slots=True)
class _Track:
    """How far an entry has been followed."""

    planned: Planned
    swept_utc: datetime
    "Every start up to here has been found, but for those of the absence."
    absence: tuple[datetime, datetime] | None = None
    "After the first and up to the second nothing has been looked at yet."
    next_utc: datetime | None = None


class Timetable:
    """What is planned, and what is due of it.

    The caller ticks at least once a second, and when `next_utc` says so; carries out
    what it is handed, and then calls `settle` or `give_back` for each.

    Args:
        now_utc: The wall clock.
        outcomes: What is known to have been done, the earliest first.
    """

    def __init__(
        self,
        now_utc: datetime,
        outcomes: Iterable[tuple[Occurrence, OutcomeKind]] = (),
    ) -> None:
        self._now_utc = self._latest_utc = now_utc
        self._tracks: dict[str, _Track] = {}
        self._queue: list[tuple[datetime, str]] = []
        self._absent: set[str] = set()
        self._due: dict[Occurrence, Planned] = {}
        self._handed: set[Occurrence] = set()
        self._outcomes: OrderedDict[Occurrence, OutcomeKind] = OrderedDict()
        for each in outcomes:
            self._remember(*each)

    @property
    def planned(self) -> list[Planned]:
        """What is planned, in order of the ids."""
        return [self._tracks[each].planned for each in sorted(self._tracks)]

    def find(self, entry_id: str) -> Planned | None:
        """Return what is planned by this id."""
        track = self._tracks.get(entry_id)
        return track.planned if track else None

    def put(self, planned: Planned) -> None:
        """Follow an entry, from what the store says is settled.

        One of the same id is replaced; what is due of it stays due as it was.
        """
        known_utc = min(planned.settled_utc, self._now_utc - grace(planned.entry))
        swept_utc = max(planned.armed_utc, known_utc) - _TICK
        self._tracks[planned.entry.id] = track = _Track(planned, swept_utc)
        self._absent.discard(planned.entry.id)
        self._look_ahead(track)

    def amend(self, planned: Planned) -> None:
        """Go on with an entry of which only exceptions changed.

        What is due and now excepted is forgotten, unless it is being carried out.
        """
        track = self._tracks[planned.entry.id]
        track.planned = planned
        for occurrence in [o for o in self._due if o.entry_id == planned.entry.id]:
            at_utc = occurrence.start_utc
            is_left = any(occurrences(planned.entry, at_utc, at_utc))
            if not is_left and occurrence not in self._handed:
                del self._due[occurrence]
        self._look_ahead(track)

    def remove(self, entry_id: str) -> None:
        """Follow an entry no longer; what of it is being carried out goes on."""
        self._tracks.pop(entry_id, None)
        self._absent.discard(entry_id)
        for occurrence in [o for o in self._due if o.entry_id == entry_id]:
            if occurrence not in self._handed:
                del self._due[occurrence]

    def is_behind(self, entry_id: str) -> bool:
        """Return whether starts of an entry are to be found or to be handed out."""
        waiting = self._due.keys() - self._handed
        return entry_id in self._absent or any(e.entry_id == entry_id for e in waiting)

    def tick(self, now_utc: datetime) -> list[Due]:
        """Return what is to be done now; each once, until it is given back."""
        self._now_utc = now_utc
        if now_utc < self._latest_utc - JITTER:
            self._step_back()
            self._latest_utc = now_utc
        self._latest_utc = max(self._latest_utc, now_utc)
        self._sweep_all()
        self._catch_up()
        handed = list(self._hand_out())
        self._handed.update(each.occurrence for each in handed)
        return handed

    def settle(self, occurrence: Occurrence, kind: OutcomeKind) -> None:
        """Take note of the outcome that the store has now."""
        self._due.pop(occurrence, None)
        self._handed.discard(occurrence)
        self._remember(occurrence, kind)

    def give_back(self, occurrence: Occurrence) -> None:
        """Take back what could not be done: it is due again."""
        self._handed.discard(occurrence)
        if occurrence.entry_id not in self._tracks:
            self._due.pop(occurrence, None)

    def next_utc(self) -> datetime | None:
        """Return when something is due next if the clock just runs; None: never."""
        if self._absent or self._due.keys() - self._handed:
            return self._now_utc
        return self._queue[0][0] if self._queue else None

    def settled_utc(self, entry_ids: Iterable[str]) -> dict[str, datetime]:
        """Return up to when all starts have their outcomes, by entry."""
        found: dict[str, datetime] = {}
        for entry_id in set(entry_ids) & self._tracks.keys():
            track = self._tracks[entry_id]
            absence = track.absence
            found[entry_id] = absence[0] if absence else track.swept_utc
        for occurrence in self._due:
            if occurrence.entry_id in found:
                before_utc = occurrence.start_utc - _TICK
                found[occurrence.entry_id] = min(found[occurrence.entry_id], before_utc)
        return found

    def _sweep_all(self) -> None:
        """Sweep the entries that have come to a start: the earliest first."""
        for _ in range(PORTION):
            if not self._queue or self._queue[0][0] > self._now_utc:
                return
            next_utc, entry_id = heapq.heappop(self._queue)
            track = self._tracks.get(entry_id)
            if track is not None and track.next_utc == next_utc:
                self._sweep(track)

    def _sweep(self, track: _Track) -> None:
        """Find what has begun since the last sweep: the present first."""
        present_utc = self._now_utc - grace(track.planned.entry) - _TICK
        if track.swept_utc < present_utc:
            begin = track.absence[0] if track.absence else track.swept_utc
            track.absence = begin, present_utc
            self._absent.add(track.planned.entry.id)
        begin_utc = max(track.swept_utc, present_utc) + _TICK
        for each in occurrences(track.planned.entry, begin_utc, self._now_utc):
            self._find(each, track.planned)
        track.swept_utc = self._now_utc
        self._look_ahead(track)

    def _catch_up(self) -> None:
        """Find a portion of what began in long absences."""
        room = min(PORTION, MAX_DUE - len(self._due))
        for entry_id in sorted(self._absent):
            if room <= 0:
                return
            room -= max(1, self._catch_up_with(self._tracks[entry_id], room))

    def _catch_up_with(self, track: _Track, room: int) -> int:
        """Find at most *room* starts of an entry's absence; return how many."""
        assert track.absence is not None
        begin, end = track.absence
        starts = occurrences(track.planned.entry, begin + _TICK, end)
        found = list(islice(starts, room))
        for each in found:
            self._find(each, track.planned)
        if len(found) == room:
            track.absence = found[-1].start_utc, end
        else:
            track.absence = None
            self._absent.discard(track.planned.entry.id)
        return len(found)

    def _find(self, occurrence: Occurrence, planned: Planned) -> None:
        known = self._outcomes.get(occurrence)
        if known is None or (
            known is OutcomeKind.MISSED and not self._is_over(occurrence, planned)
        ):
            self._due.setdefault(occurrence, planned)

    def _hand_out(self) -> Iterator[Due]:
        for occurrence, planned in sorted(self._due.items(), key=lambda item: item[0]):
            if occurrence in self._handed or occurrence.start_utc > self._now_utc:
                continue
            is_over = self._is_over(occurrence, planned)
            if is_over and self._outcomes.get(occurrence) is OutcomeKind.MISSED:
                del self._due[occurrence]  # its time came again, and went again
                continue
            yield Due(occurrence, planned, is_over)

    def _is_over(self, occurrence: Occurrence, planned: Planned) -> bool:
        return self._now_utc - occurrence.start_utc > grace(planned.entry)

    def _step_back(self) -> None:
        """Sweep again from now on, and forget what lies ahead once more."""
        for occurrence in [o for o in self._due if o.start_utc > self._now_utc]:
            if occurrence not in self._handed:
                del self._due[occurrence]
        self._queue.clear()
        for track in self._tracks.values():
            present_utc = self._now_utc - grace(track.planned.entry) - _TICK
            earliest_utc = track.planned.armed_utc - _TICK
            again_utc = max(earliest_utc, present_utc)
            track.swept_utc = min(track.swept_utc, again_utc)
            if track.absence is not None:
                begin, end = track.absence
                track.absence = (begin, min(end, again_utc))
                if begin >= again_utc:
                    track.absence = None
                    self._absent.discard(track.planned.entry.id)
            self._look_ahead(track)

    def _look_ahead(self, track: _Track) -> None:
        from_utc = track.swept_utc + _TICK
        starts = occurrences(track.planned.entry, from_utc, from_utc + LOOK_AHEAD)
        first = next(starts, None)
        track.next_utc = first.start_utc if first else None
        if first is not None:
            heapq.heappush(self._queue, (first.start_utc, first.entry_id))

    def _remember(self, occurrence: Occurrence, kind: OutcomeKind) -> None:
        self._outcomes[occurrence] = kind
        self._outcomes.move_to_end(occurrence)
        while len(self._outcomes) > MAX_REMEMBERED:
            self._outcomes.popitem(last=False)
