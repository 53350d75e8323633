"""Who listens where, counted on the event loop for those who ask off it or often."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from streamer.air.zones import ZoneTree
from streamer.fanout.hub import Hub
from streamer.fanout.webrtc.listeners import WebRtcListeners
from streamer.studio.audience import Audience
from streamer.studio.studio import Studio

KEPT_S = 0.5
"Counts serve every page that asks within this time, if nobody came or went."


class Census:
    """Counts listeners and programmes; call :meth:`take` on the event loop.

    What the metrics ask for is what was taken last: they are rendered on a thread,
    which may not look into the hub.
    """

    def __init__(
        self,
        hub: Hub,
        studio: Studio,
        *,
        webrtc: WebRtcListeners | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._webrtc = webrtc
        self._studio = studio
        self._monotonic_s = monotonic_s
        self._listeners: Mapping[str, int] = {}
        self._people: Mapping[str, int] = {}
        self._programmes: Mapping[str, int] = {}
        self._audience: Audience | None = None
        self._taken_s = float("-inf")
        self._size = -1

    def take(self) -> Audience:
        """Return who listens, counted anew unless that was done a moment ago."""
        now_s = self._monotonic_s()
        self._programmes = self._studio.programmes_by_class()
        size = len(self._hub) + (len(self._webrtc) if self._webrtc else 0)
        is_old = now_s - self._taken_s >= KEPT_S or self._size != size
        if self._audience is None or is_old or self._audience.tree is not self._tree:
            self._listeners = dict(self._hub.listeners_by_zone())
            self._people = self._webrtc.people_by_zone() if self._webrtc else {}
            self._audience = Audience(self._tree, self._speakers(), self._people)
            self._taken_s, self._size = now_s, size
        return self._audience

    def _speakers(self) -> Mapping[str, int]:
        """Count speakers; one that has both connections counts once."""
        if self._webrtc is None:
            return self._listeners
        speakers = Counter(self._listeners)
        for speaker_id, zone_id in self._webrtc.speakers():
            if not self._hub.has_speaker(speaker_id):
                speakers[zone_id] += 1
        return speakers

    def listeners_by_zone(self) -> Mapping[str, int]:
        """Return what was taken last of WebSocket listeners; from any thread."""
        return self._listeners

    def programmes_by_class(self) -> Mapping[str, int]:
        """Return what was taken last; from any thread."""
        return self._programmes

    @property
    def _tree(self) -> ZoneTree:
        return self._studio.tree
