"""Keeps the schedule: starts what is due and records what became of it.

`streamer.air.timetable` decides what is due by the wall clock; this waits, claims
each start in the store before it is made, and writes down how it ended. So each is
made once, also by two servers on one database.

A start that finds the studio full is tried again until its grace is over, and one
that a server died in begins again once. One that a rule forbids, or that cannot be
opened, is not: its outcome says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Self

from streamer.air.schedule import Occurrence, Planned, grace
from streamer.air.timetable import JITTER, Due, OutcomeKind, Timetable
from streamer.store.errors import StoreError
from streamer.store.outcomes import Outcome, Outcomes
from streamer.store.timetable import Timetables
from streamer.studio.cutoff import (
    AGAIN,
    LONGEST_SLOT,
    FindCutOff,
    GoingOn,
    may_begin_again,
)
from streamer.studio.errors import StudioClosedError, TooManyProgrammesError
from streamer.studio.outcomewriter import OutcomeWriter
from streamer.studio.scheduled import (
    ScheduledStart,
    Starter,
    not_made,
    outcome_of,
    start_of,
)

TURN_S = 1.0
"The clock is looked at this often, however far the next start is."
RETRY_S = 5.0
STARTS_AT_ONCE = 8
"Sources opened side by side; a slow one does not hold up the others."
REMEMBERED = timedelta(days=2)
REMEMBERED_OUTCOMES = 5000

logger = logging.getLogger(__name__)


def wall_clock() -> datetime:
    """Return what time it is."""
    return datetime.now(UTC)


class ScheduleKeeper:
    """Starts what is planned while it is entered.

    Args:
        entries: Where the schedule is.
        outcomes: Where it is written what became of each start.
        start: Puts a broadcast on the air.
        on_outcome: Told each outcome once it is certain, for the as-run log; must not
            wait.
        find_cut_off: Tells what the end of the last server cut off; None: nothing.
        clock: The wall clock; may jump.
        wait: Waits for so many seconds of real time.
    """

    def __init__(
        self,
        entries: Timetables,
        outcomes: Outcomes,
        *,
        start: Starter,
        on_outcome: Callable[[Outcome], None] | None = None,
        find_cut_off: FindCutOff | None = None,
        clock: Callable[[], datetime] = wall_clock,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._entries = entries
        self._outcomes = outcomes
        self._start = start
        self._on_outcome = on_outcome
        self._find_cut_off = find_cut_off
        self._clock = clock
        self._wait = wait
        self.timetable = Timetable(clock())
        "What is planned; change it through `streamer.studio.planning` only."
        self._places = asyncio.Semaphore(STARTS_AT_ONCE)
        self._starts: set[asyncio.Task[None]] = set()
        self._again: set[Occurrence] = set()
        "Starts that the last server's end found unfinished, until they are claimed."
        self._writer = OutcomeWriter(outcomes, self._settle)
        self._turning: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Read the schedule and begin to keep it.

        Raises:
            StoreUnavailableError: It cannot be read.
        """
        now_utc = self._clock()
        entries = {each.entry.id: each for each in await self._entries.all()}
        await self._give_up(entries, now_utc)
        recent = await self._outcomes.between(
            now_utc - REMEMBERED, now_utc + REMEMBERED, limit=REMEMBERED_OUTCOMES
        )
        known = [(each.occurrence, each.kind) for each in reversed(recent)]
        self.timetable = Timetable(now_utc, known)
        for planned in entries.values():
            self.timetable.put(planned)
        self._take_up([e for e in recent if e.start_utc > now_utc - LONGEST_SLOT])
        self._turning = asyncio.create_task(self._run(), name="schedule")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Start nothing more; what is being started is given up, for another server."""
        assert self._turning is not None
        for task in (self._turning, *self._starts):
            task.cancel()
        await asyncio.wait([self._turning, *self._starts])
        with suppress(StoreError):
            await self._writer.write()

    def now_utc(self) -> datetime:
        """Return what time it is, by the clock of the schedule."""
        return self._clock()

    async def turn(self) -> bool:
        """Look at the clock and do what is due; return whether there is more to do.

        Raises:
            StoreError: Nothing can be recorded; what is due stays due.
        """
        handed = self.timetable.tick(self._clock())
        for due in handed:
            if not due.is_missed:
                self._begin(due)
        await self._miss([due for due in handed if due.is_missed])
        await self._writer.write()
        next_utc = self.timetable.next_utc()
        return next_utc is not None and next_utc <= self._clock()

    async def settled(self) -> None:
        """Wait until everything that was begun has its outcome."""
        while self._starts:
            await asyncio.wait(self._starts)

    async def _run(self) -> None:
        while True:
            more = False
            try:
                more = await self.turn()
            except StoreError as error:
                logger.warning("the schedule waits for the database: %s", error)
            except Exception:
                logger.exception("a turn of the schedule failed")
            await self._wait(0.0 if more else self._pause_s())

    def _pause_s(self) -> float:
        next_utc = self.timetable.next_utc()
        if next_utc is None:
            return TURN_S
        left_s = (next_utc - self._clock()).total_seconds()
        # What is due and was given back is not asked for without a pause.
        return min(TURN_S, left_s) if left_s > 0 else TURN_S

    async def _give_up(self, entries: dict[str, Planned], now_utc: datetime) -> None:
        """Let what the last server's end found unfinished begin again, or fail."""

        def again(begun: Outcome) -> bool:
            return may_begin_again(begun, entries.get(begun.entry_id), now_utc)

        for outcome in await self._outcomes.abandon(now_utc, may_begin_again=again):
            if outcome.kind is OutcomeKind.MISSED:
                self._again.add(outcome.occurrence)
            else:
                self._tell(outcome)

    def _take_up(self, recent: list[Outcome]) -> None:
        """Let what the last server's end cut off go on."""
        if self._find_cut_off is None:
            return
        going_on = GoingOn(
            finish=self._writer.finish,
            start=self._start_in_turn,
            find=self._find_cut_off,
            tell=self._tell,
            clock=self._clock,
            wait=self._wait,
        )
        taking = going_on.take_up(recent, self.timetable.find)
        task = asyncio.create_task(taking, name="what was cut off")
        self._starts.add(task)
        task.add_done_callback(self._taken_up)

    def _taken_up(self, task: asyncio.Task[None]) -> None:
        self._starts.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("what was cut off does not go on", exc_info=error)

    def _begin(self, due: Due) -> None:
        task = asyncio.create_task(self._make(due), name=f"start {due.occurrence}")
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _make(self, due: Due) -> None:
        """Claim a start and make it, and be sure that its outcome is known."""
        outcome = outcome_of(due, OutcomeKind.STARTING, self._clock())
        if due.occurrence in self._again:
            outcome = replace(outcome, detail=AGAIN)
        try:
            async with self._places:
                known = await self._outcomes.claim(outcome)
        except StoreError as error:
            logger.warning("a start waits for the database: %s", error)
            self.timetable.give_back(due.occurrence)
            return
        self._again.discard(due.occurrence)
        if known is not None:
            self.timetable.settle(due.occurrence, known.kind)
            return
        try:
            found = await self._attempts(due)
        except asyncio.CancelledError:
            await self._release(outcome)
            raise
        if found is None:
            await self._release(outcome)
            return
        self.timetable.settle(found.occurrence, found.kind)
        self._tell(found)
        await self._writer.finish(found)

    async def _attempts(self, due: Due) -> Outcome | None:
        """Try until it is on the air, or cannot be, or is too late.

        Returns:
            The outcome; None when it shall be due again: the clock was set back
            before its start, or the studio is closing.
        """
        planned, occurrence = due.planned, due.occurrence
        deadline_utc = occurrence.start_utc + grace(planned.entry)
        reason = ""
        while (now_utc := self._clock()) <= deadline_utc:
            if now_utc < occurrence.start_utc - JITTER:
                return None
            outcome = outcome_of(due, OutcomeKind.AIRED, now_utc)
            try:
                start = start_of(due, outcome.late_s)
                broadcast_id = await self._start_in_turn(start)
                return replace(outcome, broadcast_id=broadcast_id)
            except TooManyProgrammesError as error:
                reason = str(error)
            except StudioClosedError:
                return None
            except Exception as error:
                return not_made(outcome, error)
            await self._wait(RETRY_S)
        return replace(
            outcome_of(due, OutcomeKind.MISSED, self._clock()), detail=reason
        )

    async def _start_in_turn(self, start: ScheduledStart) -> str:
        async with self._places:
            return await self._start(start)

    async def _release(self, outcome: Outcome) -> None:
        """Let another server, or this one's next start, make it."""
        with suppress(StoreError):
            await self._outcomes.release(outcome)
        self.timetable.give_back(outcome.occurrence)

    async def _miss(self, missed: list[Due]) -> None:
        if not missed:
            return
        now_utc = self._clock()
        outcomes = [outcome_of(each, OutcomeKind.MISSED, now_utc) for each in missed]
        try:
            known = await self._outcomes.miss(outcomes)
        except BaseException:
            for each in missed:
                self.timetable.give_back(each.occurrence)
            raise
        kinds = {each.occurrence: each.kind for each in known}
        for outcome in outcomes:
            kind = kinds.get(outcome.occurrence)
            self.timetable.settle(outcome.occurrence, kind or OutcomeKind.MISSED)
            if kind is None:
                self._tell(outcome)
        await self._settle({each.entry_id for each in outcomes})

    async def _settle(self, entry_ids: set[str]) -> None:
        if entry_ids:
            await self._entries.settle(self.timetable.settled_utc(entry_ids))

    def _tell(self, outcome: Outcome) -> None:
        if outcome.kind is not OutcomeKind.AIRED:
            logger.warning(
                "schedule: %r of %s was %s: %s",
                *(outcome.title, outcome.start_utc, outcome.kind, outcome.detail),
            )
        if self._on_outcome is not None:
            self._on_outcome(outcome)
