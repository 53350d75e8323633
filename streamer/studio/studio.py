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
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, Self

from streamer.air.arbiter import Arbiter
from streamer.air.difference import AirStep
from streamer.air.priority import AirProgramme
from streamer.air.zones import ZoneTree
from streamer.bus.bus import AirChange, Bus, Switch
from streamer.media.frame import ProgrammePacket
from streamer.media.source import Source
from streamer.programme.programme import ProgrammeEnd
from streamer.store.identifiers import new_id
from streamer.studio.airing import Airing
from streamer.studio.broadcast import BroadcastRequest, End, Reason, SourceOpener
from streamer.studio.errors import (
    AlreadyEndedError,
    StudioClosedError,
    TooManyProgrammesError,
    UnknownBroadcastError,
    UnknownZoneError,
)
from streamer.studio.live import Live
from streamer.studio.production import Production
from streamer.wire.control import ProgrammeClass

ENDED_KEPT = 200
"Broadcasts that are over and still answered for from memory."
EMERGENCY_RESERVE = 4
"Emergencies taken beyond `max_programmes`: a warning is not refused for music."

logger = logging.getLogger(__name__)


class Journal(Protocol):
    """Is told what happened on the air, right after; must not wait."""

    def started(self, live: Live) -> None:
        """Take a broadcast that was put on the air."""
        ...

    def stepped(self, step: AirStep) -> None:
        """Take what changed in the zones."""
        ...

    def ended(self, live: Live) -> None:
        """Take a broadcast that is over; its end is set."""
        ...

    def recorded(self, live: Live) -> None:
        """Take a broadcast whose recording is closed."""
        ...


class Studio:
    """Owns every broadcast on air; use as an async context.

    Args:
        bus: Where packets and changes of the air go.
        opener: Opens sources.
        journal: Is told what happened.
        tree: The zones at the start.
        production: Makes programmes.
        max_programmes: On air at once; emergencies may go beyond it a little.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        opener: SourceOpener,
        journal: Journal,
        tree: ZoneTree,
        production: Production,
        max_programmes: int,
    ) -> None:
        self._bus = bus
        self._opener = opener
        self._journal = journal
        self._arbiter = Arbiter(tree)
        self._production = production
        self._max_programmes = max_programmes
        self._live: dict[str, Live] = {}
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
        for live in self._live.values():
            live.interrupted = True
            if live.airing is not None:
                live.airing.stop()
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def tree(self) -> ZoneTree:
        """The zones as they are now."""
        return self._arbiter.tree

    @property
    def air(self) -> Arbiter:
        """What is heard where; read only."""
        return self._arbiter

    def on_air(self) -> list[Live]:
        """Return the broadcasts on air, the earliest first."""
        return list(self._live.values())

    def recently_ended(self) -> list[Live]:
        """Return those that ended lately, the latest first."""
        return list(reversed(self._over.values()))

    def find(self, broadcast_id: str) -> Live | None:
        """Return a broadcast on air or lately ended."""
        return self._live.get(broadcast_id) or self._over.get(broadcast_id)

    def programmes_by_class(self) -> Mapping[str, int]:
        """Return how many broadcasts are on air, by class."""
        return Counter(live.request.programme_class for live in self._live.values())

    async def start(self, request: BroadcastRequest) -> Live:
        """Put a broadcast on the air.

        Raises:
            UnknownZoneError: It aims at a zone that is not there, or at none.
            SourceRefusedError: Its source cannot be opened.
            TooManyProgrammesError: No more are carried at once.
            StudioClosedError: The server is shutting down.
        """
        accepted_ns = time.monotonic_ns()
        self._check(request)
        self._opening += 1
        try:
            source = await self._opener.open(request.source)
        finally:
            self._opening -= 1
        try:
            self._check(request)  # the world may have changed meanwhile
            return self._put_on_air(request, source, accepted_ns)
        except BaseException:
            source.close()
            raise

    def stop(self, broadcast_id: str) -> Live:
        """Ask for the end of a broadcast; wait on its `ended` for it.

        Raises:
            UnknownBroadcastError: It never was, or long ago.
            AlreadyEndedError: It is over.
        """
        if broadcast_id in self._over:
            raise AlreadyEndedError("The broadcast has ended already.")
        live = self._live.get(broadcast_id)
        if live is None or live.airing is None:
            raise UnknownBroadcastError("No broadcast on air has this id.")
        live.airing.stop()
        return live

    def replace_tree(self, tree: ZoneTree) -> None:
        """Go on with another tree; who is heard where changes at once."""
        step = self._arbiter.replace_tree(tree, at_ns=time.monotonic_ns())
        self._bus.publish_air_change(AirChange(switches=self._switches(step)))
        self._journal.stepped(step)

    def _check(self, request: BroadcastRequest) -> None:
        if self._closed:
            raise StudioClosedError("The server is shutting down.")
        unknown = [each for each in request.zone_ids if each not in self.tree]
        if unknown or not request.zone_ids:
            named = ", ".join(map(repr, unknown[:5])) or "nothing"
            raise UnknownZoneError(f"Not in the zone tree: {named}.")
        room = self._max_programmes - len(self._live) - self._opening
        if request.programme_class is ProgrammeClass.EMERGENCY:
            room += EMERGENCY_RESERVE
        if room <= 0:
            raise TooManyProgrammesError(
                f"{self._max_programmes} broadcasts are on air already."
            )

    def _put_on_air(
        self, request: BroadcastRequest, source: Source, accepted_ns: int
    ) -> Live:
        """Announce the programme and let it run; nothing awaits in here."""
        live = Live(
            new_id(secrets.token_bytes),
            request,
            ssrc=self._new_ssrc(),
            accepted_ns=accepted_ns,
            started_utc=datetime.now(UTC),
        )
        airing, announcement = self._production.produce(
            live, source, on_packet=self._publish, on_end=partial(self._end, live)
        )
        live.airing = airing
        step = self._arbiter.add(self._aim(live), at_ns=announcement.origin_ns)
        self._live[live.id] = live
        self._bus.publish_air_change(
            AirChange(started=(announcement,), switches=self._switches(step))
        )
        self._run(live, airing)
        self._journal.started(live)
        self._journal.stepped(step)
        return live

    def _aim(self, live: Live) -> AirProgramme:
        self._accepted += 1
        return AirProgramme(
            id=live.id,
            programme_class=live.request.programme_class,
            origin=live.request.origin,
            zone_ids=live.request.zone_ids,
            accepted_order=self._accepted,
        )

    def _new_ssrc(self) -> int:
        """Return a random one (RFC 3550, section 8.1) that nobody uses."""
        used = {live.ssrc for live in self._live.values()}
        while (ssrc := secrets.randbits(32)) in used:
            pass
        return ssrc

    def _switches(self, step: AirStep) -> tuple[Switch, ...]:
        return tuple(
            Switch(
                switch.zone_ids,
                None
                if switch.programme_id is None
                else self._live[switch.programme_id].ssrc,
                step.at_ns,
            )
            for switch in step.switches
        )

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
        live.settle()
        self._journal.recorded(live)
        live.closed.set()

    def _publish(self, packet: ProgrammePacket) -> None:
        self._production.metrics.frames_encoded.inc()
        self._bus.publish_packet(packet)

    def _end(self, live: Live, end: ProgrammeEnd) -> None:
        """Take the programme off the air; called once, after its last packet."""
        step = self._arbiter.remove(live.id, at_ns=end.end_ns)
        switches = self._switches(step)
        del self._live[live.id]
        self._bus.publish_air_change(AirChange(switches=switches, ended=(live.ssrc,)))
        reason, detail = Reason(end.reason), end.detail
        if live.interrupted and reason is not Reason.FAILED:
            reason, detail = Reason.INTERRUPTED, "The server was shut down."
        live.end = End(datetime.now(UTC), reason, detail)
        live.ended.set()
        self._over[live.id] = live
        while len(self._over) > ENDED_KEPT:
            self._over.popitem(last=False)
        self._journal.stepped(step)
        self._journal.ended(live)
