"""What the studio does, written to the store after it was done.

Each thing is written twice: to the tables that answers are made of, and to the as-run
log, which can only grow (`streamer.store.asrun`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from streamer.air.conduct import OrderKind
from streamer.air.difference import AirStep
from streamer.air.priority import Comeback
from streamer.air.schedule import Planned
from streamer.store.asrunevents import AsRunEvent
from streamer.store.errors import StoreError, StoreUnavailableError
from streamer.store.outcomes import Outcome
from streamer.store.records import Broadcast, EndReason, SourceKind
from streamer.store.silences import Silence
from streamer.store.store import Store
from streamer.studio import asrun_journal as asrun
from streamer.studio.broadcast import BroadcastRequest
from streamer.studio.live import Live
from streamer.studio.production import recording_name
from streamer.studio.records import RecordWriter, Write
from streamer.studio.takeover import take_over

logger = logging.getLogger(__name__)


class StoreJournal:
    """A `Journal` that writes to the store; use as an async context.

    On entry it ends what a server that died left on the air; while it is entered it
    writes heartbeats, which tell the next one when that was.

    Args:
        store: Where everything is written.
        recordings_directory: Where the recordings are; None when none are made.
        heartbeat_s: Between two heartbeats.
    """

    def __init__(
        self,
        store: Store,
        *,
        recordings_directory: Path | None,
        heartbeat_s: float,
    ) -> None:
        self._store = store
        self._records = store.broadcasts
        self._directory = recordings_directory
        self._heartbeat_s = heartbeat_s
        self._writer = RecordWriter(unavailable=StoreUnavailableError)
        self._beating: asyncio.Task[None] | None = None
        self._waiting: set[str] = set()
        "Broadcasts of which nothing was heard or made so far."

    async def __aenter__(self) -> Self:
        await take_over(self._store, self._directory)
        await self._records.beat(datetime.now(UTC))
        await self._writer.__aenter__()
        self._beating = asyncio.create_task(self._beat(), name="heartbeat")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._beating is not None
        self._beating.cancel()
        await asyncio.wait([self._beating])
        await self._writer.__aexit__()

    async def written(self) -> None:
        """Wait until everything told so far is in the store."""
        await self._writer.written()

    def started(self, live: Live) -> None:
        """Write that a broadcast was accepted."""
        request = live.request
        if live.ssrc is None:
            self._waiting.add(live.id)
        broadcast = Broadcast(
            id=live.id,
            title=request.title,
            programme_class=request.programme_class,
            origin=request.origin,
            source_kind=SourceKind(request.source_kind),
            source_detail=request.source_detail,
            zone_ids=request.zone_ids,
            started_by=request.token_id,
            accepted_utc=live.started_utc,
            started_utc=None if live.ssrc is None else live.started_utc,
        )
        self._put("start", live, partial(self._records.create, broadcast))
        more = {"comeback": request.comeback.value, **request.more}
        if request.comeback is Comeback.REPLAY:  # what is owed, after a restart too
            share = {"replay_permille": round(request.replay_share * 1000)}
            more |= share | {"role": request.role}
        self._log(
            asrun.accepted(
                live.id,
                _airing(request),
                at_utc=live.started_utc,
                cause=request.cause,
                more=more | {"exact": True} if request.exact else more,
            )
        )

    def refused(self, request: BroadcastRequest, rule: str, detail: str) -> None:
        """Write that a broadcast was not accepted.

        Refusals never push out what was on the air: where too much waits to be
        written already, they are left out.
        """
        if not self._writer.is_half_full:
            more = {"reason": detail, **request.more}
            now_utc = datetime.now(UTC)
            event = asrun.refused(
                _airing(request), at_utc=now_utc, rule=rule, more=more
            )
            self._log(event)

    def missed(self, outcome: Outcome, planned: Planned | None) -> None:
        """Write that the schedule could not start a broadcast.

        Args:
            outcome: What became of the start.
            planned: The entry; None if it is gone.
        """
        owner = planned.owner if planned else None
        airing = asrun.Airing(
            title=outcome.title,
            programme_class=planned.entry.programme_class.value if planned else "",
            origin=owner.origin.value if owner else "",
            source_kind=SourceKind.PLAYLIST.value,
            source_detail=outcome.entry_id,
            zone_ids=outcome.zone_ids,
            actor=owner.token_id if owner else "schedule",
            actor_name=owner.name if owner else "",
        )
        more = {
            "reason": outcome.detail,
            "entry_id": outcome.entry_id,
            "planned_utc": outcome.start_utc.isoformat(),
        }
        cause = outcome.kind.value
        self._log(
            asrun.missed(airing, at_utc=outcome.decided_utc, cause=cause, more=more)
        )

    def not_replayed(self, request: BroadcastRequest, reason: str) -> None:
        """Write that zones do not get what they missed, and why."""
        more = {"reason": reason, **request.more}
        now_utc = datetime.now(UTC)
        self._log(
            asrun.missed(_airing(request), at_utc=now_utc, cause="too_late", more=more)
        )

    def stepped(self, step: AirStep) -> None:
        """Write who hears what from now on."""
        at_utc = utc_of(step.at_ns)
        if step.events:
            write = partial(self._records.record, step.events, at_utc)
            self._writer.put("a step of the air", write)
        for order in step.orders:
            if order.kind is OrderKind.GO and order.programme_id in self._waiting:
                self._waiting.discard(order.programme_id)
                begin = partial(self._records.start, order.programme_id, at_utc)
                self._writer.put("the first sound of a broadcast", begin)
        self._log(*asrun.stepped(step, at_utc=at_utc))

    def ended(self, live: Live) -> None:
        """Write how a broadcast ended."""
        if live.end is None or live.airing is None:
            raise ValueError(f"broadcast {live.id} has not just ended")
        self._waiting.discard(live.id)
        write = partial(
            self._records.end,
            live.id,
            ended_utc=live.end.ended_utc,
            reason=EndReason(live.end.reason.value),
            detail=live.end.detail,
            frames=live.airing.frames,
        )
        self._put("end", live, write)
        self._log(
            asrun.ended(
                live.id,
                at_utc=live.end.ended_utc,
                reason=live.end.reason.value,
                detail=live.end.detail,
                actor=live.stopper,
            )
        )

    def silenced(
        self, zone_ids: Sequence[str], *, by: str, reason: str, at_ns: int
    ) -> None:
        """Store silences, so that they hold across restarts."""
        at_utc = utc_of(at_ns)
        new = [
            Silence(zone_id=each, since_utc=at_utc, by=by, reason=reason)
            for each in zone_ids
        ]
        self._writer.put("a silence", partial(self._store.silences.add, new))
        self._log(asrun.silenced(zone_ids, at_utc=at_utc, actor=by, reason=reason))

    def lifted(self, zone_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        """Forget silences."""
        lift = partial(self._store.silences.lift, tuple(zone_ids))
        self._writer.put("the end of a silence", lift)
        self._log(asrun.lifted(zone_ids, at_utc=utc_of(at_ns), actor=by))

    def reordered(self, broadcast_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        """Write who was put in which order."""
        self._log(asrun.reordered(broadcast_ids, at_utc=utc_of(at_ns), actor=by))

    def recorded(self, live: Live) -> None:
        """Write what was kept of a broadcast."""
        if live.recording is None or not live.recording.available:
            return
        write = partial(
            self._records.set_recording,
            live.id,
            path=recording_name(live.id),
            size_bytes=live.recording.bytes,
            complete=live.recording.complete,
        )
        self._put("recording", live, write)

    def _put(self, what: str, live: Live, write: Write) -> None:
        self._writer.put(f"the {what} of broadcast {live.id}", write)

    def note(self, event: AsRunEvent) -> None:
        """Write something that the studio did not do."""
        self._log(event)

    def _log(self, *events: AsRunEvent) -> None:
        # A write of its own: what is tried again must not be done twice.
        if events:
            append = partial(self._store.asrun.append, events)
            self._writer.put("an event of the as-run log", append)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            try:
                await self._records.beat(datetime.now(UTC))
            except StoreError as error:
                logger.warning("no heartbeat: %s", error)


def utc_of(instant_ns: int) -> datetime:
    """Return the wall time of a media instant that is not long ago."""
    ago_us = (time.monotonic_ns() - instant_ns) // 1000
    return datetime.now(UTC) - timedelta(microseconds=ago_us)


def _airing(request: BroadcastRequest) -> asrun.Airing:
    return asrun.Airing(
        title=request.title,
        programme_class=request.programme_class.value,
        origin=request.origin.value,
        source_kind=request.source_kind,
        source_detail=request.source_detail,
        zone_ids=request.zone_ids,
        actor=request.token_id,
        actor_name=request.started_by,
    )
