"""What anybody may know: the public zones, and what is on air there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from pydantic import TypeAdapter

from streamer.air.assignment import Assignment
from streamer.api.answers import OnAirInfo, PublicZone
from streamer.studio.live import Live
from streamer.studio.studio import Studio

KEPT_S = 1.0
"However many ask, it is made once in this time."

_ZONES = TypeAdapter(list[PublicZone])


class PublicZones:
    """The list as JSON, made on a thread when it is too old."""

    def __init__(
        self, studio: Studio, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._studio = studio
        self._monotonic_s = monotonic_s
        self._json = b""
        self._made_s = float("-inf")
        self._making = asyncio.Lock()

    async def json(self) -> bytes:
        """Return the list, at most a second old."""
        async with self._making:
            if self._monotonic_s() - self._made_s >= KEPT_S:
                self._made_s = self._monotonic_s()
                on_air = {live.id: live for live in self._studio.on_air()}
                air = self._studio.air.assignment
                self._json = await asyncio.to_thread(_render, air, on_air)
        return self._json


def _render(air: Assignment, on_air: dict[str, Live]) -> bytes:
    return _ZONES.dump_json(list(_public(air, on_air)), by_alias=True)


def _public(air: Assignment, on_air: dict[str, Live]) -> Iterator[PublicZone]:
    winners, public = air.winners(), set[str | None]()
    for zone in air.tree:  # parents first
        if not (zone.public or zone.parent_id in public):
            continue
        public.add(zone.id)
        live = on_air.get(winners.get(zone.id, ""))
        yield PublicZone(
            id=zone.id,
            name=zone.name,
            parent_id=zone.parent_id if zone.parent_id in public else None,
            level=zone.level.value,
            on_air=_describe(live) if live else None,
        )


def _describe(live: Live) -> OnAirInfo:
    return OnAirInfo(
        title=live.request.title, programme_class=live.request.programme_class
    )
