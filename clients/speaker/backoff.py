"""When to try again (pure; randomness is an argument).

Full jitter spreads speakers that lost their server in the same instant evenly over
the whole interval; a fixed part would let them return as the herd they were.
"""

from __future__ import annotations

from collections.abc import Callable

BASE_S = 2.0
CAP_S = 60.0
REFUSED_S = 60.0
"A refused credential will not be accepted a second later."
MAX_HINT_S = 600.0


class Backoff:
    """Delays between attempts to connect.

    Args:
        uniform: Returns a number between its two arguments, as `random.uniform`.
        base_s: The first delay is at most this; each further one may be twice as long.
        cap_s: None is longer, but for hints and refusals.
    """

    def __init__(
        self,
        uniform: Callable[[float, float], float],
        *,
        base_s: float = BASE_S,
        cap_s: float = CAP_S,
    ) -> None:
        self._uniform = uniform
        self._base_s = base_s
        self._cap_s = cap_s
        self._failures = 0

    def succeeded(self) -> None:
        """A connection came about: begin again with short delays."""
        self._failures = 0

    def delay_s(self, *, hint_s: float = 0.0, refused: bool = False) -> float:
        """Return how long to wait now.

        Args:
            hint_s: What the server asked for; the jitter is added to it.
            refused: Whether trying again soon is pointless.
        """
        at_least_s = min(max(hint_s, 0.0), MAX_HINT_S)
        if refused:
            return max(at_least_s, REFUSED_S) + self._uniform(0.0, CAP_S)
        # The exponent is bounded: 2.0**1024 overflows.
        spread_s = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return at_least_s + self._uniform(0.0, spread_s)
