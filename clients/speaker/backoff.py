"""When to try again (pure; randomness is an argument).

Waiting protects the server from all who lost it in the same instant; nobody else
gains by it. So how long depends on what the server said of its crowd in its welcome
(the spread: what it needs to take them all back) and on what the failures look like.

- Each has a place in the row: the first wait is anything up to the spread, each
  further one a spread or little more, so nobody meets those whose turn is first.
  However long the server is away, it gets back no more each second than it can take.
- Behind a path that is dead for us the server feels nothing of our attempts, so
  there the row does not count: one comes right after another.
- A wait is never much above a tenth of what was waited before, unless the row is as
  long: it lengthens the silence by little, and years of outage cost few attempts.

A server that said nothing is met with full jitter, doubling; a fixed part would let
speakers return as the herd they were.
"""

from __future__ import annotations

from collections.abc import Callable

BASE_S = 2.0
CAP_S = 60.0
REFUSED_S = 60.0
"A refused credential will not be accepted a second later."
MAX_HINT_S = 600.0
LEAST_SPREAD_S = 1.0
"Of a server that welcomes and dies at once, one wants no more than this."
SHARE = 0.1
"Of what was waited already: how much longer a silence may get by the next wait."
_LOOSE = 1.1  # a clump that some accident made dissolves; nobody is early


class Backoff:
    """Delays between attempts to connect.

    Args:
        uniform: Returns a number between its two arguments, as `random.uniform`.
        base_s: The first delay is at most this; each further one may be twice as long.
        cap_s: None is longer, but for hints, refusals and a longer row.
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
        self._spread_s: float | None = None
        self._failures = 0
        self._waited_s = 0.0
        self._placed = False  # in the row of those who come back

    def succeeded(self) -> None:
        """A connection came about: begin again with short delays."""
        self._failures, self._waited_s, self._placed = 0, 0.0, False

    def told(self, spread_ms: int | None) -> None:
        """Know over which time the server wants its crowd to return, if it said."""
        self._spread_s = None
        if spread_ms is not None:
            self._spread_s = min(max(spread_ms / 1000, LEAST_SPREAD_S), MAX_HINT_S)

    def delay_s(
        self, *, hint_s: float = 0.0, refused: bool = False, path: bool = False
    ) -> float:
        """Return how long to wait now.

        Args:
            hint_s: What the server asked for; the jitter is added to it.
            refused: Whether trying again soon is pointless.
            path: Whether it looks as if the server did not even hear of the attempt.
        """
        at_least_s = min(max(hint_s, 0.0), MAX_HINT_S)
        if refused:
            return max(at_least_s, REFUSED_S) + self._uniform(0.0, CAP_S)
        if self._spread_s is None:
            wait_s = self._doubling_s()
        elif at_least_s and not self._failures:
            wait_s = self._uniform(0.0, self._base_s)  # the hint is our place
            self._placed = True
        else:
            wait_s = self._row_s(LEAST_SPREAD_S if path else self._spread_s, path=path)
        self._failures += 1
        self._waited_s += at_least_s + wait_s
        return at_least_s + wait_s

    def _doubling_s(self) -> float:
        # The exponent is bounded: 2.0**1024 overflows.
        bound_s = self._base_s * 2.0 ** min(self._failures, 16)
        return self._uniform(0.0, min(self._cap_s, bound_s))

    def _row_s(self, spread_s: float, *, path: bool) -> float:
        placed, self._placed = self._placed, not path
        if not (placed or (path and self._failures)):
            # Also when a path comes alive that was dead for all in the same instant.
            return self._uniform(0.0, spread_s)
        least_s = max(spread_s, min(self._cap_s, SHARE * self._waited_s))
        return self._uniform(least_s, _LOOSE * least_s)
