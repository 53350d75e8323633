"""A server's clock as seen from here: offset, drift and trust (sans-I/O).

A listener asks the server for its clock and hands the four timestamps of each
exchange to :meth:`ClockSync.add`; :meth:`ClockSync.to_server_ns` translates from then
on. Both clocks are monotonic, start anywhere and drift against each other.

How: an exchange with a short round trip is off by little, as its error is at most
half of it; so exchanges of the last minutes are weighted by how much their round
trip exceeds the best, and a line is fitted through them (offset and drift). Where round
trips vary even at their best (a radio link, not a queue that is mostly empty), a short
one may have been fast one way and slow the other; there the better half count alike,
for a mean of many is worth more than the luckiest. What is reported moves to that line
slowly, so that a listener never hears it.

Sources: RFC 5905, section 8 (the four timestamps, offset and delay); the choice of
short round trips is NTP's clock filter (section 10) as a weight.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

WINDOW_NS = 600_000_000_000
STEP_NS = 50_000_000
"An error above this is stepped over: working it off would take minutes."
SLEW_PPM = 250
"How fast a smaller error is worked off."
BURST_SAMPLES = 5
"Exchanges needed before the clock is trusted."
_MAX_SAMPLES = 256
_FLOOR_NS = 200_000  # scheduling noise of the best exchange
_KEEP_NS = 30_000_000  # beyond the best round trip: a queue, one way most likely
_SPREAD_PARTS = 4  # measured on s1 of the bench and on exponential jitter
_PRIOR_DRIFT = 100e-6  # crystals: research/speaker.md says 20-100 ppm
_MAX_INSTANT_NS = 1 << 62  # a century; what is beyond is not a clock


@dataclass(frozen=True, slots=True)
class _Exchange:
    local_ns: int
    "Middle of the exchange on our clock."
    offset_ns: int
    round_trip_ns: int


class _Line(NamedTuple):
    """What to add to our clock; replaced as a whole, so any thread may read it."""

    since_ns: int
    offset_ns: float
    drift: float
    error_ns: float
    "How far what is reported was from the line at `since_ns`; it is worked off."

    def fitted(self, local_ns: int) -> float:
        return self.offset_ns + self.drift * (local_ns - self.since_ns)

    def reported(self, local_ns: int) -> float:
        slewed = SLEW_PPM * 1e-6 * max(0, local_ns - self.since_ns)
        left = max(0.0, abs(self.error_ns) - slewed)
        return self.fitted(local_ns) + (left if self.error_ns > 0 else -left)


class ClockSync:
    """Estimates a server's monotonic clock from timestamp exchanges.

    One thread adds; any thread may translate.
    """

    def __init__(self) -> None:
        self._exchanges: deque[_Exchange] = deque(maxlen=_MAX_SAMPLES)
        self._line: _Line | None = None
        self._latest_ns = 0
        self.steps = 0
        "How often the clock jumped: what was placed on the old one is worthless."
        self.round_trip_ns = 0
        "Of the last exchange."

    @property
    def synchronised(self) -> bool:
        """Whether enough exchanges were seen to trust the translation."""
        return len(self._exchanges) >= BURST_SAMPLES

    @property
    def offset_ns(self) -> int:
        """Server's clock minus ours, at the last exchange."""
        return self.to_server_ns(self._latest_ns) - self._latest_ns

    @property
    def drift_ppm(self) -> float:
        """How much faster than ours the server's clock runs."""
        return 0.0 if self._line is None else self._line.drift * 1e6

    @property
    def uncertainty_ns(self) -> int:
        """Largest error that a path slower one way than the other can cause."""
        return min((e.round_trip_ns for e in self._exchanges), default=0) // 2

    @property
    def jitter_ns(self) -> int:
        """How much an exchange commonly errs: half its wait beyond the least."""
        if not self._exchanges:
            return 0
        round_trips = sorted(e.round_trip_ns for e in self._exchanges)
        return (round_trips[len(round_trips) // 2] - round_trips[0]) // 2

    def to_server_ns(self, local_ns: int) -> int:
        """Return the server's instant at our *local_ns*; ours while unknown."""
        line = self._line
        return local_ns if line is None else local_ns + round(line.reported(local_ns))

    def add(
        self, sent_ns: int, received_ns: int, transmitted_ns: int, returned_ns: int
    ) -> None:
        """Learn from one exchange; one that cannot be true is ignored.

        A server whose clock jumped (it was restarted elsewhere) is noticed: what was
        known is dropped, and :attr:`steps` grows.

        Args:
            sent_ns: Our clock when the question left (T1).
            received_ns: The server's clock when it came (T2).
            transmitted_ns: The server's clock when the answer left (T3).
            returned_ns: Our clock when the answer was here (T4).
        """
        round_trip_ns = (returned_ns - sent_ns) - (transmitted_ns - received_ns)
        instants = (sent_ns, received_ns, transmitted_ns, returned_ns)
        if round_trip_ns < 0 or max(map(abs, instants)) > _MAX_INSTANT_NS:
            return
        # RFC 5905, section 8: theta = 1/2 * [(T2-T1) + (T3-T4)].
        offset_ns = ((received_ns - sent_ns) + (transmitted_ns - returned_ns)) // 2
        local_ns = (sent_ns + returned_ns) // 2
        exchange = _Exchange(local_ns, offset_ns, round_trip_ns)
        if self._contradicts(exchange):
            self.reset()
        self.round_trip_ns = round_trip_ns
        self._latest_ns = max(self._latest_ns, returned_ns)
        self._exchanges.append(exchange)
        self._refit()

    def reset(self) -> None:
        """Forget everything: the server is another one."""
        self._exchanges.clear()
        self._line = None
        self._latest_ns = 0
        self.steps += 1

    def _contradicts(self, exchange: _Exchange) -> bool:
        """Say whether no delay of the network can explain *exchange*."""
        if self._line is None:
            return False
        surprise = abs(exchange.offset_ns - self._line.fitted(exchange.local_ns))
        explained = exchange.round_trip_ns // 2 + self.uncertainty_ns
        return surprise > explained + STEP_NS

    def _refit(self) -> None:
        now_ns, before = self._latest_ns, self._line
        while self._exchanges[0].local_ns < now_ns - WINDOW_NS:
            self._exchanges.popleft()
        offset_ns, drift = _fit(self._exchanges, now_ns)
        error_ns = 0.0
        if before is not None and self.synchronised:
            error_ns = before.reported(now_ns) - offset_ns
        if abs(error_ns) > STEP_NS:
            error_ns = 0.0
            self.steps += 1
        self._line = _Line(now_ns, offset_ns, drift, error_ns)


def _fit(exchanges: deque[_Exchange], at_ns: int) -> tuple[float, float]:
    """Return offset at *at_ns* and drift of the weighted line through *exchanges*.

    The drift is held near zero by what is known of crystals, which decides as long as
    the exchanges are too close in time to tell (ridge regression).
    """
    trips_ns = sorted(e.round_trip_ns for e in exchanges)
    best_ns = trips_ns[0]
    spread_ns = trips_ns[len(trips_ns) // 2] - best_ns
    floor_ns = _FLOOR_NS + spread_ns / _SPREAD_PARTS
    keep_ns = max(_KEEP_NS, 2 * spread_ns)
    origin_ns = exchanges[-1].offset_ns  # keeps the floats small
    weight = mean_t = mean_o = 0.0
    points = []
    for e in exchanges:
        excess_ns = e.round_trip_ns - best_ns
        if excess_ns > keep_ns:
            continue
        w = (floor_ns + excess_ns / 2) ** -2.0
        t, o = float(e.local_ns - at_ns), float(e.offset_ns - origin_ns)
        points.append((w, t, o))
        weight, mean_t, mean_o = weight + w, mean_t + w * t, mean_o + w * o
    mean_t, mean_o = mean_t / weight, mean_o / weight
    covariance = sum(w * (t - mean_t) * (o - mean_o) for w, t, o in points)
    variance = sum(w * (t - mean_t) ** 2 for w, t, _ in points)
    drift = covariance / (variance + _PRIOR_DRIFT**-2)
    return origin_ns + mean_o - drift * mean_t, drift
