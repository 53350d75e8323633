"""What time it is, asked of the server, the wall clock and what was known of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from clients.speaker.diskplay import Host
from clients.speaker.notebook import Notes
from clients.speaker.presence import Presence
from clients.speaker.walltime import WallTime

OTHER_AXIS_US = 1_000_000

_log = logging.getLogger(__name__)


class Timekeeper:
    """Reads the clocks; see `WallTime` for what is made of them.

    Args:
        host: The speaker.
        server: Tells the time while it is there.
        wall_us: The wall clock, microseconds since 1970.
    """

    def __init__(
        self, host: Host, server: Presence, wall_us: Callable[[], int]
    ) -> None:
        self._host = host
        self._server = server
        self._wall_us = wall_us
        self._time = WallTime()
        self._axis_us: int | None = None
        self._told_doubt: str | None = None

    @property
    def doubt(self) -> str | None:
        """Why it is not known what time it is; None when it is."""
        return self._time.doubt

    def begin(self, notes: Notes, *, forgotten: bool) -> None:
        """Go on from what was known when the process ended."""
        if forgotten:
            notes.blank_since_utc_us = self._wall_us()
        self._time = WallTime(notes.offset_us, notes.latest_utc_us)

    def look(self) -> int | None:
        """Return UTC, microseconds since 1970; None, and why is said: who knows."""
        local_ns, wall_us = time.monotonic_ns(), self._wall_us()
        clock_utc_us = self._server.clock_utc_us
        knows = self._server.clock_known and self._host.knows_the_server
        if knows and clock_utc_us is not None:
            utc_us = clock_utc_us + self._host.media_us()
            self._time.tell(local_ns, utc_us, wall_us)
        utc_us_now = self._time.look(local_ns, wall_us)
        self._say(self._time.doubt)
        return utc_us_now

    def note(self, notes: Notes, utc_us: int | None) -> None:
        """Write down what is known of the clock."""
        notes.offset_us = self._time.offset_us
        notes.latest_utc_us = max(notes.latest_utc_us, utc_us or 0)

    def moved_us(self, media_us: int) -> int:
        """Return how much later the media clock is than was believed; mostly 0."""
        axis_us = media_us - time.monotonic_ns() // 1000
        former, self._axis_us = self._axis_us, axis_us
        if former is None or abs(axis_us - former) < OTHER_AXIS_US:
            return 0
        return axis_us - former

    def _say(self, doubt: str | None) -> None:
        if doubt != self._told_doubt:
            self._told_doubt = doubt
            if doubt is not None:
                _log.error("nothing is played from the disk: %s", doubt)
