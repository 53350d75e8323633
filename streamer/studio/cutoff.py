"""Starts of the schedule that a server's end cut off: what is left of them is aired.

A slot does not end because a server did. The next one, if the slot still lasts, goes
on with what is left: another station is joined live, a play list goes on where its
source stood. The outcome of the start then names the broadcast that goes on; what can
not go on is told as missed, with the reason.

A start that the server's end found before it was on the air begins again, once, while
its grace lasts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from streamer.air.schedule import Fill, Planned, grace, joined_late, occurrences
from streamer.air.timetable import OutcomeKind
from streamer.store.errors import StoreUnavailableError
from streamer.store.outcomes import Outcome
from streamer.studio.errors import StudioClosedError, TooManyProgrammesError
from streamer.studio.scheduled import ScheduledStart, Starter

RETRY_S = 5.0
LONGEST_SLOT = timedelta(days=1)
NOT_AIRED = "The server ended, and the rest was not aired"
"How the detail of such an outcome begins; nothing more is done about it then."
AGAIN = "It begins again: a server ended while it was being started."
"The detail of a start until it has its outcome; a second end is one too many."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CutOff:
    """How far a broadcast had come when its server ended."""

    ended_utc: datetime
    first_late_s: int
    "How much too late the first of its broadcasts was started."
    played_s: int
    "What its source had given, in all of them: whole seconds, rather too few."


FindCutOff: TypeAlias = Callable[[str], Awaitable[CutOff | None]]
"Tells of a broadcast's id whether its server's end cut it off; may raise `StoreError`."


class GoingOn:
    """Lets what was cut off go on.

    Args:
        finish: Writes it down, by and by; never raises.
        start: Puts it on the air.
        find: Tells what was cut off.
        tell: Is told what can not go on.
        clock: The wall clock.
        wait: Waits for so many seconds.
    """

    def __init__(
        self,
        *,
        finish: Callable[[Outcome], Awaitable[None]],
        start: Starter,
        find: FindCutOff,
        tell: Callable[[Outcome], None],
        clock: Callable[[], datetime],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._finish = finish
        self._start = start
        self._find = find
        self._tell = tell
        self._clock = clock
        self._wait = wait

    async def take_up(
        self,
        outcomes: Iterable[Outcome],
        find_planned: Callable[[str], Planned | None],
    ) -> None:
        """Let each of *outcomes* go on that was cut off, and wait until they are."""
        async with asyncio.TaskGroup() as group:
            for each in outcomes:
                if each.kind is OutcomeKind.AIRED and (cut := await self._cut(each)):
                    group.create_task(self._go_on(each, find_planned, cut))

    async def _cut(self, outcome: Outcome) -> CutOff | None:
        """Ask until the database answers what was cut off, while any slot may last."""
        name, is_settled = outcome.broadcast_id, outcome.detail.startswith(NOT_AIRED)
        if name is None or is_settled:
            return None
        while self._clock() - outcome.start_utc < LONGEST_SLOT:
            try:
                return await self._find(name)
            except StoreUnavailableError as error:
                logger.warning("what was cut off waits for the database: %s", error)
                await self._wait(RETRY_S)
            except Exception:  # of this one; the others shall go on
                logger.exception("how far %s had come cannot be told", name)
                break
        return None

    async def _go_on(
        self,
        outcome: Outcome,
        find_planned: Callable[[str], Planned | None],
        cut: CutOff,
    ) -> None:
        """Try until it is on the air, or cannot be, or its slot is over."""
        while True:
            planned = find_planned(outcome.entry_id)
            start, why = _rest_or_why(outcome, planned, cut, self._clock())
            if start is None:
                break
            try:
                broadcast_id = await self._start(start)
            except TooManyProgrammesError:
                await self._wait(RETRY_S)
                continue
            except StudioClosedError:
                return  # the next server tries
            except Exception as error:
                why = str(error) or type(error).__name__
                break
            await self._finish(
                replace(
                    outcome,
                    broadcast_id=broadcast_id,
                    detail=f"The server ended at {cut.ended_utc:%H:%M:%SZ}; it went"
                    f" on {start.late_s} s after its planned start.",
                )
            )
            return
        lost = replace(outcome, detail=f"{NOT_AIRED}: {why}.")
        self._tell(replace(lost, kind=OutcomeKind.MISSED))
        await self._finish(lost)


def may_begin_again(
    outcome: Outcome, planned: Planned | None, now_utc: datetime
) -> bool:
    """Tell whether a start that a server's end found unfinished has another try.

    Args:
        outcome: As it was claimed.
        planned: Its entry as it is now; None if it is gone.
        now_utc: The wall clock.
    """
    if planned is None or _obstacle(outcome, planned) or outcome.detail == AGAIN:
        return False
    # What is found to be over a moment later would be told to nobody.
    in_a_moment_utc = now_utc + timedelta(seconds=RETRY_S)
    return (
        planned.armed_utc <= outcome.start_utc
        and in_a_moment_utc <= outcome.start_utc + grace(planned.entry)
    )


def rest_of(
    planned: Planned, outcome: Outcome, cut: CutOff, now_utc: datetime
) -> ScheduledStart | None:
    """Return what is left to broadcast now of a start that was cut off, if anything."""
    entry = planned.entry
    late_s = max(0, (now_utc - outcome.start_utc) // timedelta(seconds=1))
    if late_s >= entry.duration_s:
        return None
    return ScheduledStart(
        entry=entry,
        owner=planned.owner,
        start_utc=outcome.start_utc,
        late_s=late_s,
        items=joined_late(entry.items, cut.first_late_s),
        slot_s=None if entry.fill is Fill.NONE else entry.duration_s - late_s,
        goes_on=outcome.broadcast_id,
        first_late_s=cut.first_late_s,
        played_s=cut.played_s,
    )


def _rest_or_why(
    outcome: Outcome, planned: Planned | None, cut: CutOff, now_utc: datetime
) -> tuple[ScheduledStart | None, str]:
    """Return what is left to broadcast now, or why nothing may be."""
    if planned is None:
        return None, "its entry was deleted"
    if why := _obstacle(outcome, planned):
        return None, why
    return rest_of(planned, outcome, cut, now_utc), "its slot is over"


def _obstacle(outcome: Outcome, planned: Planned) -> str:
    """Return why it may not go on, by the schedule as it is now; empty if it may."""
    if planned.armed_utc > outcome.decided_utc:
        return "its entry was changed"
    at_utc = outcome.start_utc
    if not any(occurrences(planned.entry, at_utc, at_utc)):
        return "it was cancelled"
    return ""
