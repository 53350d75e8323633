"""What is there to be played: the manifest, and its files as they come in.

Fetching is slow on purpose and begins at a random instant, so that ten thousand
speakers that hear of tonight's bulletin do not ask for it at once, nor take the air's
share of a thin link.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clients.speaker import durable
from clients.speaker.cache import DEFAULT_BYTES, Cache, CacheFullError
from clients.speaker.fetch import FetchError, Store, get_file, get_manifest
from clients.speaker.trust import Trust
from streamer.wire.documents import (
    Item,
    Manifest,
    Order,
    UntrustedError,
    parse_manifest,
    parse_order,
)
from streamer.wire.errors import RemoteWireError

DEFAULT_BYTES_PER_S = 32_000
SPREAD_S = 30.0
"Of asking for the manifest."
STORED_SPREAD_S = 300.0
"Of fetching a stored message, which may be needed at any time."
MARGIN = 3
"A file is fetched so many times earlier than it takes, at the latest."
RETRY_S = 60.0
ASK_AGAIN_S = 5.0
"After the manifest could not be had."
LOOK_S = 1800.0
"A manifest that nobody speaks of is asked for so often."
TURN_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Diet:
    """How much is kept, and how fast it is fetched."""

    cache_bytes: int = DEFAULT_BYTES
    bytes_per_s: float = DEFAULT_BYTES_PER_S
    spread: float = 1.0
    "1: as advised; 0: at once, for tests and for a single speaker."


class Pantry:
    """Keeps manifest and files in a directory.

    Args:
        directory: Of the state.
        trust: Whose documents are believed.
        diet: See there.
        uniform: Randomness of when to fetch.
    """

    def __init__(
        self,
        directory: Path,
        trust: Trust,
        diet: Diet,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._manifest_path = directory / "manifest"
        self._cache = Cache(directory / "cache", diet.cache_bytes)
        self._diet = diet
        self._uniform = uniform
        self.trust = trust
        self.manifest: Manifest | None = None
        self.failures = 0
        "Of the disk."
        self._etag = ""
        self._orders: list[Order] = []
        self._ask_at_s: float | None = None
        self._news, self._answered = 1, 0
        self._fetch_at_s: dict[str, float] = {}
        self._there: frozenset[str] = frozenset()
        self._store: Store | None = None
        self._stopping = False

    def load(self) -> None:
        """Read what was kept; blocks."""
        try:
            data = durable.read(self._manifest_path)
            if data is not None:
                self._take(data)
        except OSError as error:
            _log.error("the manifest cannot be read: %s", error)
        self._look()

    def items(self) -> list[Item]:
        """Return what is planned and there; only opening tells whether it is whole."""
        manifest = self.manifest
        if manifest is None or manifest.silenced:
            return []
        return [each for each in manifest.items if each.sha256 in self._there]

    def open(self, item: Item) -> BinaryIO | None:
        """Return an item's file, whole and genuine; blocks. None: it is fetched."""
        file = self._cache.open(item.sha256)
        if file is None:
            self._there -= {item.sha256}
            self._fetch_at_s.pop(item.sha256, None)
        return file

    def message(self, order: Order) -> Item | None:
        """Return what *order* means if it is there."""
        for item in self.manifest.items if self.manifest else ():
            if item.sha256 == order.sha256 and item.sha256 in self._there:
                return item
        return None

    def read_order(self, signed: bytes) -> Order | None:
        """Return a genuine order; None, and why is said, otherwise."""
        try:
            return parse_order(signed, self.trust.verify)
        except RemoteWireError as error:
            _log.error("an order is refused: %s", error)
            return None

    def take_orders(self) -> list[Order]:
        """Return, once, what came with the manifest."""
        orders, self._orders = self._orders, []
        return orders

    # -- fetching -------------------------------------------------------------------

    def on_server(self, store: Store | None, *, hurry: bool) -> None:
        """There is a server; ask it for the manifest, some time or at once.

        Args:
            store: Where it is; None: it has none.
            hurry: Something is played from the disk, which it may call off.
        """
        self._store, self._news = store, self._news + 1
        self.ask_again(hurry=hurry or self.manifest is None)

    @property
    def is_fresh(self) -> bool:
        """Whether a server was asked since `on_server` and `distrust`, and answered."""
        return self._answered == self._news

    def distrust(self) -> None:
        """Believe the manifest only when it was asked for once more."""
        self._news += 1
        self.ask_again()

    def on_server_lost(self) -> None:
        """There is nobody to ask."""
        self._store = None

    def ask_again(self, *, hurry: bool = False) -> None:
        """Ask for the manifest."""
        spread_s = 1.0 if hurry else SPREAD_S
        at_s = time.monotonic() + self._uniform(0, spread_s * self._diet.spread)
        self._ask_at_s = min(at_s, self._ask_at_s or at_s)

    async def run(self) -> None:
        """Fetch what is missing, until cancelled."""
        self._stopping = False
        try:
            while True:
                try:
                    await self._turn()
                except FetchError as error:
                    _log.info("%s", error)
                except OSError as error:
                    self.failures += 1
                    _log.error("nothing can be kept: %s", error)
                except RemoteWireError as error:
                    _log.error("the manifest is refused: %s", error)
                await asyncio.sleep(TURN_S)
        finally:
            self._stopping = True  # a thread may be fetching

    async def _turn(self) -> None:
        store, now_s = self._store, time.monotonic()
        if store is None:
            return
        if self._ask_at_s is not None and self._ask_at_s <= now_s:
            self._ask_at_s = now_s + self._uniform(ASK_AGAIN_S, 2 * ASK_AGAIN_S)
            await self._ask(store)
            self._ask_at_s = now_s + self._uniform(LOOK_S / 2, LOOK_S)
        item = self._next(now_s)
        if item is not None:
            self._fetch_at_s[item.sha256] = now_s + RETRY_S
            await asyncio.to_thread(self._fetch, store, item)
            self._look()

    async def _ask(self, store: Store) -> None:
        news = self._news  # what comes meanwhile is not in the answer
        found = await asyncio.to_thread(get_manifest, store, self._etag)
        if found is not None:
            data, etag = found
            self._take(data)
            self._etag = etag
            await asyncio.to_thread(self._keep, data)
        if store is self._store:
            self._answered = news

    def _take(self, data: bytes) -> None:
        """Go by a manifest, if it is genuine and no older one.

        Raises:
            RemoteWireError: It is neither.
        """
        manifest = parse_manifest(data, self.trust.verify)
        former = self.manifest
        if former is not None and manifest.version < former.version:
            raise UntrustedError("the manifest is older than the one that is known")
        self.manifest = manifest
        for signed in manifest.orders:
            if (order := self.read_order(signed.encode())) is not None:
                self._orders.append(order)
        _log.info("the manifest has %d items", len(manifest.items))

    def _keep(self, data: bytes) -> None:
        try:
            durable.write(self._manifest_path, data)
        finally:
            self._look()

    def _look(self) -> None:
        """See which files are there; blocks for a moment."""
        items = self.manifest.items if self.manifest else ()
        wanted = {each.sha256 for each in items}
        self._there = frozenset(each for each in wanted if self._cache.has(each))

    def _next(self, now_s: float) -> Item | None:
        """Return what is to be fetched now."""
        if self.manifest is None:
            return None
        wanted = [e for e in self.manifest.items if e.sha256 not in self._there]
        for item in wanted:
            self._fetch_at_s.setdefault(item.sha256, self._when(item, now_s))
        due = [e for e in wanted if self._fetch_at_s[e.sha256] <= now_s]
        return min(due, key=lambda one: one.start_utc_us or 0, default=None)

    def _when(self, item: Item, now_s: float) -> float:
        """Return when to begin to fetch: at random, with time to spare."""
        window_s = STORED_SPREAD_S
        if item.start_utc_us is not None:
            takes_s = item.size_bytes / self._diet.bytes_per_s
            left_s = item.start_utc_us / 1e6 - time.time()
            window_s = max(0.0, left_s - MARGIN * takes_s - RETRY_S)
        return now_s + self._uniform(0, window_s * self._diet.spread)

    def _fetch(self, store: Store, item: Item) -> None:
        """Fetch a file; blocks for as long as it takes, but heeds the end."""
        assert self.manifest is not None
        needed = {each.sha256 for each in self.manifest.items} | {item.sha256}
        missing = item.size_bytes - self._cache.partial_bytes(item.sha256)
        try:
            self._cache.make_room(max(0, missing), needed)
        except CacheFullError as error:
            _log.error("%r is not kept: %s", item.title, error)
            return
        begun_s = time.monotonic()
        if get_file(
            store,
            item,
            self._cache,
            bytes_per_s=self._diet.bytes_per_s,
            stop=lambda: self._stopping or self._store is not store,
        ):
            took_s = time.monotonic() - begun_s
            _log.info("%r is on the disk, after %.1f s", item.title, took_s)
