"""The manifests: for each zone what its speakers shall hold, signed and numbered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from streamer.air.arbiter import Arbiter
from streamer.air.silence import is_silent
from streamer.air.zones import DEFAULT_PLAYOUT_DELAY_MS, ZoneTree
from streamer.store.columns import us_of_utc
from streamer.store.promises import Promise
from streamer.studio.holdings import Offer
from streamer.wire.documents import MAX_ITEMS, MAX_ORDERS, Manifest, Sign, serialize

MAX_CACHED = 2_000
"Kept as they are sent; the oldest is signed again when it is asked for."


@dataclass(frozen=True, slots=True)
class Served:
    """A manifest as it is sent."""

    data: bytes
    etag: str
    "Of what it says, not of when: a new server gives the same."
    files: frozenset[str]
    "SHA-256 of what it names."


class Manifests:
    """Says what each zone's speakers shall hold.

    Args:
        sign: With the server's key.
        air: The zones and the silences, as they are now.
        clock: The wall clock.
    """

    def __init__(
        self,
        sign: Sign,
        air: Callable[[], Arbiter],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sign = sign
        self.air = air
        self.clock = clock
        self._version = 0
        self._cache: dict[str, tuple[Manifest, Served]] = {}
        self.ready = False
        "The schedule was looked at; before, an empty manifest would call all off."
        self.offers: Sequence[Offer] = ()
        "What is offered, what comes first first."
        self.orders: Sequence[Promise] = ()
        "Those that hold, the latest last."

    def new_version(self) -> int:
        """Return a number above all before, those of former servers included."""
        self._version = max(self._version + 1, us_of_utc(self.clock()))
        return self._version

    def of_zone(self, zone_id: str) -> Served:
        """Return the manifest of a zone; the same until it says something else."""
        content = self._content(zone_id)
        cached = self._cache.pop(zone_id, None)
        if cached is None or cached[0] != content:
            cached = content, self._serve(content)
        self._cache[zone_id] = cached
        if len(self._cache) > MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        return cached[1]

    def _content(self, zone_id: str) -> Manifest:
        """Return the manifest of a zone, without version and time."""
        air = self.air()
        path = path_of(zone_id, air.tree)
        silenced = is_silent(path, air.silences)
        items = [each.item for each in self.offers if _meet(each.zone_ids, path)]
        orders = [each.signed for each in self.orders if _meet(each.zone_ids, path)]
        delay_ms, floor = DEFAULT_PLAYOUT_DELAY_MS, None
        if zone_id in air.tree:
            delay_ms = air.tree.effective_playout_delay_ms(zone_id)
            floor = air.tree.effective_emergency_volume_percent(zone_id)
        return Manifest(
            zone=zone_id,
            version=0,
            issued_utc_us=0,
            playout_delay_ms=delay_ms,
            emergency_volume_percent=floor,
            silenced=silenced,
            zone_ids=tuple(path),
            items=() if silenced else tuple(items[:MAX_ITEMS]),
            orders=() if silenced else tuple(orders[-MAX_ORDERS:]),
        )

    def _serve(self, content: Manifest) -> Served:
        """Sign *content*, as the latest version there is."""
        bare = serialize(content, lambda _: b"")
        now_us = us_of_utc(self.clock())
        dated = replace(content, version=self.new_version(), issued_utc_us=now_us)
        return Served(
            data=serialize(dated, self._sign),
            etag=f'"{hashlib.sha256(bare).hexdigest()[:32]}"',
            files=frozenset(each.sha256 for each in content.items),
        )


def path_of(zone_id: str, tree: ZoneTree) -> list[str]:
    """Return a zone and all above it."""
    return [zone_id, *(tree.ancestors(zone_id) if zone_id in tree else ())]


def _meet(zone_ids: Iterable[str], path: Sequence[str]) -> bool:
    return not set(path).isdisjoint(zone_ids)
