"""A token bucket (sans-I/O)."""

from __future__ import annotations


class TokenBucket:
    """Allows bursts of *burst* and *per_second* on average.

    Args:
        burst: What may be spent at once; full at first.
        per_second: What comes back in a second.
        now_ns: Instant of its making, on the caller's monotonic clock.
    """

    __slots__ = ("_burst_ns", "_cost_ns", "_paid_until_ns")

    def __init__(self, burst: int, per_second: int, *, now_ns: int) -> None:
        self._cost_ns = 1_000_000_000 // per_second
        self._burst_ns = burst * self._cost_ns
        self._paid_until_ns = now_ns

    def spend(self, tokens: int, *, now_ns: int) -> bool:
        """Take *tokens*; return whether they were there. Debt is remembered."""
        start_ns = max(self._paid_until_ns, now_ns)
        self._paid_until_ns = start_ns + tokens * self._cost_ns
        return self._paid_until_ns - now_ns <= self._burst_ns
