"""What time it is, on a box that may not know (pure).

While the process has been told by the server, time is the server's, carried on by the
machine's monotonic clock: nobody can set that. Before, it is the wall clock (a battery
keeps it, or NTP sets it), mended by what was last known of its error. A wall clock that
is before what is known to be past, or has just jumped, is no clock: `utc_us` is None,
and `doubt` says why.
"""

from __future__ import annotations

RELEASED_UTC_US = 1_793_491_200_000_000
"1 November 2026: this program did not run before."
JUMP_US = 2_000_000
"Wall and monotonic clock differ by more: it was set."
SETTLED_NS = 10_000_000_000
"After it was set it must run so long before it is believed."


class WallTime:
    """Keeps UTC in microseconds since 1970.

    Args:
        offset_us: To be added to the wall clock, as it was last known.
        latest_utc_us: An instant that is known to be past.
    """

    def __init__(self, offset_us: int = 0, latest_utc_us: int = 0) -> None:
        self._offset_us = offset_us
        self._past_us = max(RELEASED_UTC_US, latest_utc_us)
        self._told: tuple[int, int] | None = None  # local ns, UTC us
        self._before: tuple[int, int] | None = None  # local ns, wall us
        self._jumped_ns: int | None = None
        self.doubt: str | None = "the clock was not looked at yet"
        "Why it is not known what time it is; None when it is."

    @property
    def offset_us(self) -> int:
        """To be added to the wall clock."""
        return self._offset_us

    def tell(self, local_ns: int, utc_us: int, wall_us: int) -> None:
        """Take the server's word for what time it is at *local_ns*."""
        if utc_us < self._past_us:
            return  # a server that has lost its clock is no witness
        self._told = local_ns, utc_us
        self._offset_us = utc_us - wall_us

    def look(self, local_ns: int, wall_us: int) -> int | None:
        """Return UTC; None while it is not known. Call it at least each second."""
        if self._told is not None:
            self.doubt = None
            told_ns, utc_us = self._told
            return self._passed(utc_us + (local_ns - told_ns) // 1000)
        self._watch(local_ns, wall_us)
        utc_us = wall_us + self._offset_us
        if utc_us < self._past_us:
            self.doubt = "the clock is before the past: it was lost"
            return None
        if self._jumped_ns is not None:
            if local_ns - self._jumped_ns < SETTLED_NS:
                self.doubt = "the clock has just been set"
                return None
            self._jumped_ns = None
        self.doubt = None
        return self._passed(utc_us)

    def _passed(self, utc_us: int) -> int:
        self._past_us = max(self._past_us, utc_us - JUMP_US)
        return utc_us

    def _watch(self, local_ns: int, wall_us: int) -> None:
        before, self._before = self._before, (local_ns, wall_us)
        if before is None:
            return
        by_us = wall_us - before[1] - (local_ns - before[0]) // 1000
        if abs(by_us) > JUMP_US:
            self._jumped_ns = local_ns
            # Whoever set it knew better than what was known of its error.
            self._offset_us = 0
