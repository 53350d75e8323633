"""Keeps what speakers hold up to date, so that they can do without the server.

Each turn looks at the schedule, the stored messages, the zones, the silences and what
starts would be refused for (`foresight`). What can be played from a disk is made into a
file (`renditions`), promised in the store, and only then named in the manifests of its
zones. Whoever reads a manifest may therefore fetch all that is in it, and who plays it
can account for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Self, TypeAlias

from streamer.air.schedule import Occurrence
from streamer.air.silence import silent_zones
from streamer.air.timetable import OutcomeKind
from streamer.store.columns import us_of_utc
from streamer.store.errors import StoreError
from streamer.store.promises import Promise, StoredMessage
from streamer.store.store import Store
from streamer.studio.errors import StudioError
from streamer.studio.foresight import Foresight
from streamer.studio.holdings import (
    MAX_STARTS,
    Holding,
    Offer,
    Opening,
    can_be_held,
    of_message,
    of_start,
    offer_of,
    promise_of,
    starts,
)
from streamer.studio.manifests import Manifests
from streamer.studio.planning import Planning
from streamer.studio.renditions import MAX_SAMPLES, Rendition, Renditions

TURN_S = 1.0
"Speakers are told of changes no more often."
LOOK_S = 30.0
"What nobody changed is looked at so often: time brings further starts within reach."
RETRY_S = 60.0
"A file that could not be made is tried again: the disk was full, say."
LONGEST = timedelta(seconds=MAX_SAMPLES // 48_000)
_IDLE_S = 0.2

Changed: TypeAlias = Callable[[Collection[str], int], None]
"Tells the speakers of zones that their manifest is another one, and its version."

logger = logging.getLogger(__name__)


class Provision:
    """Keeps the manifests while it is entered.

    Args:
        planning: The schedule.
        store: Where promises and messages are.
        renditions: Makes the files.
        manifests: Is told what to offer; knows the air and the time.
        opening: Opens sources.
        foresight: Knows what would be refused.
        changed: See there.
        ahead: How far it looks.
    """

    def __init__(  # noqa: PLR0913 - one for each thing it looks at
        self,
        planning: Planning,
        store: Store,
        renditions: Renditions,
        manifests: Manifests,
        *,
        opening: Opening,
        foresight: Foresight,
        changed: Changed,
        ahead: timedelta = timedelta(days=1),
    ) -> None:
        self._planning = planning
        self._store = store
        self._manifests = manifests
        self._opening = opening
        self._foresight = foresight
        self._changed = changed
        self._ahead = ahead
        self.renditions = renditions
        "Where the files are."
        self._made: dict[str, Rendition] = {}
        self._missing: list[Holding] = []
        self._retry_s: dict[str, float] = {}
        self._offers: dict[str, Offer] = {}
        self._promised: dict[str, Promise] = {}
        self._silences: frozenset[str] = frozenset()
        self._seen: tuple[object, ...] = ()
        self._looked_s = -LOOK_S
        self._news = True
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        loops = (self._run(self._turn, TURN_S), self._run(self._make_next, _IDLE_S))
        self._tasks = [asyncio.create_task(each, name="provision") for each in loops]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def look_again(self) -> None:
        """Look at everything in the next turn: messages or orders are other ones."""
        self._news = True

    def file_of(self, message: StoredMessage) -> Rendition | None:
        """Return the file of a stored message; None: it is not made yet."""
        return self._made.get(self._key(of_message(message, self._opening)))

    async def _run(self, turn: Callable[[], Awaitable[None]], pause_s: float) -> None:
        while True:
            try:
                await turn()
            except StoreError as error:
                logger.warning("what speakers hold waits for the database: %s", error)
            except Exception:
                logger.exception("what speakers hold is not up to date")
            await asyncio.sleep(pause_s)

    async def _turn(self) -> None:
        """Look whether anything changed; if so, bring the manifests up to date."""
        air, now_s = self._manifests.air(), asyncio.get_running_loop().time()
        facts = self._foresight.facts()
        seen = (*self._planning.all(), air.tree, air.silences, *facts)
        # What is the very same is not looked into, so this is quick.
        if seen == self._seen and not self._news and now_s - self._looked_s < LOOK_S:
            return
        self._seen, self._looked_s, self._news = seen, now_s, False
        try:
            await self._look()
        except BaseException:
            self._news = True
            raise

    async def _look(self) -> None:
        now_utc = self._manifests.clock()
        holdings = await self._holdings(now_utc)
        orders = await self._store.promises.orders(now_utc)
        missing: list[Holding] = []
        offers: dict[str, Offer] = {}
        promises: dict[str, Promise] = {}
        for each in holdings:
            file = await self._known(self._key(each))
            if file is None:
                missing.append(each)
                continue
            offer = offer_of(each, file)
            end_us = offer.item.end_utc_us
            if end_us is not None and end_us <= us_of_utc(now_utc):
                continue
            offers[offer.item.id] = offer
            if (promise := promise_of(each, offer)) is not None:
                promises[promise.id] = promise
        await self._promise(promises)
        self._missing, self._manifests.orders = missing, orders
        await self.renditions.prune({each.item.sha256 for each in offers.values()})
        self._offer(offers)

    async def _promise(self, promises: dict[str, Promise]) -> None:
        known = self._promised
        new = [each for each in promises.values() if known.get(each.id) != each]
        if new:
            await self._store.promises.give(new)
        self._promised = promises

    def _offer(self, offers: dict[str, Offer]) -> None:
        """Take over what is offered, and tell the zones where it is something else."""
        former, self._offers = self._offers, offers
        self._manifests.offers = list(offers.values())
        self._manifests.ready = True
        air = self._manifests.air()
        differing = set(former.items()) ^ set(offers.items())
        named = {zone_id for _, offer in differing for zone_id in offer.zone_ids}
        named |= self._silences ^ air.silences
        self._silences = air.silences
        self._tell(named)

    def _tell(self, zone_ids: Iterable[str]) -> None:
        tree = self._manifests.air().tree
        if there := tree.names(silent_zones(tree, frozenset(zone_ids))):
            self._changed(there, self._manifests.new_version())

    def _key(self, holding: Holding) -> str:
        return self.renditions.key(holding.content)

    async def _known(self, key: str) -> Rendition | None:
        found = self._made.get(key) or await self.renditions.find(key)
        if found is not None:
            self._made[key] = found
        return found

    async def _holdings(self, now_utc: datetime) -> list[Holding]:
        """Return what speakers shall hold: messages, then what comes first."""
        planned = {each.entry.id: each for each in self._planning.all()}
        entries = [each.entry for each in planned.values() if can_be_held(each.entry)]
        until_utc = now_utc + self._ahead
        found = await asyncio.to_thread(starts, entries, now_utc - LONGEST, until_utc)
        messages = await self._store.messages.all()
        refused = await self._refused(now_utc)
        holdings = [of_message(each, self._opening) for each in messages]
        for start in found:
            what = planned[start.entry_id]
            if start.start_utc < what.armed_utc or start in refused:
                continue
            try:
                limit_s = await self._foresight.limit_s(what, start.start_utc)
            except StudioError as error:
                logger.debug("speakers do not hold %s: %s", start, error)
                continue
            holdings.append(of_start(start, what, limit_s, self._opening))
            await asyncio.sleep(0)  # thousands take a while; audio has its turn
        return holdings

    async def _refused(self, now_utc: datetime) -> set[Occurrence]:
        """Return the starts that are not over yet and were refused for good."""
        found = await self._planning.outcomes.between(
            now_utc - LONGEST, now_utc, limit=MAX_STARTS
        )
        return {each.occurrence for each in found if each.kind is OutcomeKind.REFUSED}

    async def _make_next(self) -> None:
        """Make the first file that is missing, unless it failed a moment ago."""
        now_s = asyncio.get_running_loop().time()
        for each in self._missing:
            key = self._key(each)
            if key in self._made or self._retry_s.get(key, 0.0) > now_s:
                continue
            self._retry_s[key] = now_s + RETRY_S
            try:
                made = await self.renditions.make(key, each.open, each.before)
            except (StudioError, OSError) as error:
                logger.warning("speakers cannot hold %r: %s", each.title, error)
                continue
            self._made[key] = made
            self._retry_s.pop(key, None)
            self._news = True
            return
