"""The studio: puts programmes on the air and takes them off.

It lives on the event loop. Between the opened source and the published change of
the air nothing awaits, so starts and ends come one after the other, whoever asks.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Self

from streamer.air import errors as air
from streamer.air.arbiter import Arbiter
from streamer.air.policy import Limit
from streamer.air.zones import ZoneTree
from streamer.bus.bus import Bus
from streamer.media.source import Source
from streamer.store.identifiers import new_id
from streamer.store.silences import Silence
from streamer.studio.admission import Admission, programme_of, rule_of
from streamer.studio.airing import Airing
from streamer.studio.broadcast import BroadcastRequest, Reason, SourceOpener
from streamer.studio.desk import Desk
from streamer.studio.errors import (
    AlreadyEndedError,
    HeldZonesError,
    StudioClosedError,
    StudioError,
    TooManyProgrammesError,
    UnknownBroadcastError,
)
from streamer.studio.journals import Journal
from streamer.studio.live import Live
from streamer.studio.production import Production
from streamer.studio.replays import follow_ups
from streamer.studio.switchboard import Switchboard

ENDED_KEPT = 200
"Broadcasts that are over and still answered for from memory."

logger = logging.getLogger(__name__)


class Studio:
    """Owns every broadcast on air; use as an async context.

    Args:
        bus: Where packets and changes of the air go.
        opener: Opens sources.
        journal: Is told what happened.
        tree: The zones at the start.
        production: Makes programmes.
        admission: Says what may be on the air.
        silences: Those that held when the last server ended; they hold on.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        opener: SourceOpener,
        journal: Journal,
        tree: ZoneTree,
        production: Production,
        admission: Admission,
        silences: Iterable[Silence] = (),
    ) -> None:
        self._opener = opener
        self._journal = journal
        self._production = production
        self._admission = admission
        silences = tuple(silences)
        self._board = Switchboard(
            Arbiter(tree, silences=[each.zone_id for each in silences]),
            bus=bus,
            journal=journal,
            metrics=production.metrics,
            on_end=self._keep,
        )
        self.desk = Desk(self._board, journal, silences)
        "Silences and the queue."
        self._over: OrderedDict[str, Live] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._accepted = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._production.prepare)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is on the air, as interrupted, and close the recordings."""
        self._closed = True
        for live in self.on_air():
            live.interrupted = True
            self._stop(live)
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._board.close()

    @property
    def tree(self) -> ZoneTree:
        """The zones as they are now."""
        return self.air.tree

    @property
    def air(self) -> Arbiter:
        """What is heard where; read only."""
        return self._board.arbiter

    def on_air(self) -> list[Live]:
        """Return the broadcasts on air, heard or not, the earliest first."""
        return list(self._board.live.values())

    def recently_ended(self) -> list[Live]:
        """Return those that ended lately, the latest first."""
        return list(reversed(self._over.values()))

    def find(self, broadcast_id: str) -> Live | None:
        """Return a broadcast on air or lately ended."""
        return self._board.live.get(broadcast_id) or self._over.get(broadcast_id)

    def programmes_by_class(self) -> Mapping[str, int]:
        """Return how many broadcasts are on air, by class."""
        return Counter(live.request.programme_class for live in self.on_air())

    async def start(self, request: BroadcastRequest) -> Live:
        """Put a broadcast on the air.

        Raises:
            UnknownZoneError: It aims at a zone that is not there, or at none.
            PolicyRefusedError: A zone's policy does not allow it.
            HeldZonesError: It would have to wait, and was not to.
            SourceRefusedError: Its source cannot be opened.
            TooManyProgrammesError: No more are carried at once.
            StudioClosedError: The server is shutting down.
        """
        try:
            return await self._start(request)
        except StudioClosedError:
            raise
        except StudioError as error:
            self._journal.refused(request, rule_of(error), str(error))
            raise

    def stop(
        self,
        broadcast_id: str,
        *,
        by: str | None = None,
        why: Reason = Reason.STOPPED,
        detail: str = "",
    ) -> Live:
        """Ask for the end of a broadcast; wait on its `ended` for it.

        Raises:
            UnknownBroadcastError: It never was, or long ago.
            AlreadyEndedError: It is over.
        """
        if broadcast_id in self._over:
            raise AlreadyEndedError("The broadcast has ended already.")
        live = self._board.live.get(broadcast_id)
        if live is None:
            raise UnknownBroadcastError("No broadcast on air has this id.")
        live.stopped_by, live.stop_detail, live.stopper = why, detail, by
        self._stop(live)
        return live

    def replace_tree(self, tree: ZoneTree) -> None:
        """Go on with another tree; who is heard where changes at once."""
        self._board.apply(self.air.replace_tree(tree, at_ns=time.monotonic_ns()))

    async def _start(self, request: BroadcastRequest) -> Live:
        accepted_ns = time.monotonic_ns()
        self._check(request)
        self._opening += 1
        try:
            source = await self._opener.open(request.source)
        finally:
            self._opening -= 1
        try:
            limit = self._check(request)  # the world may have changed meanwhile
            return self._put_on_air(request, source, accepted_ns, limit)
        except BaseException:
            source.close()
            raise

    def _check(self, request: BroadcastRequest) -> Limit | None:
        """Return how long it may last; raise if it may not be at all."""
        if self._closed:
            raise StudioClosedError("The server is shutting down.")
        present = len(self._board.live) + self._opening
        return self._admission.check(request, self.tree, present=present)

    def _put_on_air(
        self,
        request: BroadcastRequest,
        source: Source,
        accepted_ns: int,
        limit: Limit | None,
    ) -> Live:
        """Decide, announce and let it run; nothing awaits in here."""
        live = Live(
            request.broadcast_id or new_id(secrets.token_bytes),
            request,
            accepted_ns=accepted_ns,
            started_utc=datetime.now(UTC),
        )
        live.airing = airing = Airing(
            live,
            source,
            production=self._production,
            ground=self._board,
            reopen=partial(self._opener.open, request.source),
        )
        # What is read now was captured a while ago, and is heard after the look-ahead.
        lead_ns = source.delay_ns + self._production.lookahead_ns
        self._accepted += 1
        aimed = programme_of(live, self._accepted)
        try:
            self._board.put(live, aimed, at_ns=time.monotonic_ns() - lead_ns)
        except air.ZonesHeldError as error:
            holders = map(self.find, set(error.held.values()))
            titles = {each.id: each.request.title for each in holders if each}
            raise HeldZonesError(error.held, titles) from error
        except air.AirFullError as error:
            raise TooManyProgrammesError("The air is full.") from error
        if limit is not None and live.end is None:
            self._limit(live, limit)
        self._run(live, airing)
        return live

    def _limit(self, live: Live, limit: Limit) -> None:
        """End *live* when it has lasted as long as it may."""
        detail = f"{limit.rule} of zone {limit.zone_id!r}: {limit.limit_s} s."
        stop = partial(self.stop, live.id, why=Reason.LIMITED, detail=detail)
        loop = asyncio.get_running_loop()
        live.limit = loop.call_later(limit.limit_s, stop)

    def _stop(self, live: Live) -> None:
        """Let it end by itself, with its last sound; or at once if nothing runs."""
        assert live.airing is not None, "it is there as long as it is on air"
        if not live.airing.stop():
            why = live.stopped_by or Reason.INTERRUPTED
            self._board.take_off(live, why, live.stop_detail)

    def _run(self, live: Live, airing: Airing) -> None:
        task = asyncio.create_task(self._air(live, airing), name=f"air-{live.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _air(self, live: Live, airing: Airing) -> None:
        try:
            await airing.run()
        except Exception:
            logger.exception("broadcast %s was not closed properly", live.id)
        if airing.recording_failure:
            self._production.metrics.recorder_alarms.labels(
                airing.recording_failure[:40]
            ).inc()
        missed = follow_ups(live, airing, self.tree)
        live.settle()
        self._journal.recorded(live)
        live.closed.set()
        for request in missed:
            await self.replay(request)

    async def replay(self, request: BroadcastRequest) -> None:
        """Put a missed part on the air; it waits for its turn there.

        Never raises: a refusal is in the log, like anybody's.
        """
        outcome = "accepted"
        try:
            await self.start(request)
        except StudioError as error:
            outcome = rule_of(error)
            logger.warning("%s is not replayed: %s", request.source_detail, error)
        except Exception:
            outcome = "failed"
            logger.exception("%s is not replayed", request.source_detail)
        self._production.metrics.replays.labels(outcome).inc()

    def _keep(self, live: Live) -> None:
        self._over[live.id] = live
        while len(self._over) > ENDED_KEPT:
            self._over.popitem(last=False)
