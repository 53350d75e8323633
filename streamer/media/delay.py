"""How long to wait for packets: learnt from how late they come (sans-I/O, integers).

For a listener that plays as soon as it can. The *transit* of a packet is its arrival
minus its media position; both clocks may start anywhere, so only differences mean
something. What counts is how much slower than the fastest of the last two seconds a
packet was: of each half second the slowest, in a histogram that forgets. The delay to
keep is the quantile of it that 93 of 100 half seconds stay below.

Units: samples at 48 kHz throughout; weights are fractions of `_ONE`.

Sources: WebRTC's NetEQ (delay_manager.h:33-38, underrun_optimizer.cc:22-64,
histogram.cc, packet_arrival_history.cc:99-112): forgetting 0.983, weight 2 of the
start, the largest of each 500 ms, relative to the fastest of 2 s. Its buckets of 20 ms
round up by 10 on average, which its quantile of 0.95 needs; ours of 5 ms do without,
and 0.93 meets the bars of loss (tests/scenarios/test_low_latency.py).
"""

from __future__ import annotations

from collections import deque

_MS = 48
_ONE = 1 << 30
QUANTILE = _ONE * 93 // 100
FORGET = _ONE * 983 // 1000
START_WEIGHT = 2
INTERVAL_SAMPLES = 500 * _MS
WINDOW_SAMPLES = 2_000 * _MS
BUCKET_SAMPLES = 5 * _MS
BUCKETS = 200
START_TARGET_SAMPLES = 60 * _MS
"Before anything is known."
_MAX_FASTEST = 256  # arrivals remembered: more would need the window to be flooded


class DelayEstimator:
    """Learns from arrivals, in the order in which they happen.

    The first half second only teaches which packets are fast: a server sends what is
    past at once to whoever joins, and that says nothing of the network.

    Args:
        min_samples: Least :attr:`target`.
        max_samples: Largest.

    Raises:
        ValueError: The bounds are not 0 <= min <= max.
    """

    def __init__(self, *, min_samples: int = 0, max_samples: int = 1_000 * _MS) -> None:
        if not 0 <= min_samples <= max_samples:
            raise ValueError(f"need 0 <= {min_samples=} <= {max_samples=}")
        self._bounds = min_samples, max_samples
        self.reset()

    def reset(self) -> None:
        """Forget everything: the path or a clock is another."""
        self._weights = [0] * BUCKETS
        self._intervals = 0  # in the histogram
        self._slowest = 0
        self._interval_end: int | None = None
        self._learning = False  # the first interval is over
        # (arrival, transit), transits rising: the first is the window's fastest.
        self._fastest: deque[tuple[int, int]] = deque(maxlen=_MAX_FASTEST)
        self.target = self._bounded(START_TARGET_SAMPLES)
        "How much slower than the fastest a packet may be."

    @property
    def base(self) -> int | None:
        """Transit of the fastest packet of the last two seconds; None before any."""
        return self._fastest[0][1] if self._fastest else None

    def add(self, transit: int, at: int) -> None:
        """Learn that a packet arrived.

        Args:
            transit: Its arrival minus the position of its first sample.
            at: Its arrival; one before an earlier one counts as simultaneous.
        """
        if self._fastest:
            at = max(at, self._fastest[-1][0])
        while self._fastest and self._fastest[-1][1] >= transit:
            self._fastest.pop()
        self._fastest.append((at, transit))
        while self._fastest[0][0] < at - WINDOW_SAMPLES:
            self._fastest.popleft()
        if self._interval_end is None:
            self._interval_end = at + INTERVAL_SAMPLES
        if at >= self._interval_end:
            self._end_interval(at)
        self._slowest = max(self._slowest, transit - self._fastest[0][1])

    def _end_interval(self, at: int) -> None:
        if self._learning:
            self._learn(self._slowest)
        self._learning = True
        self._slowest = 0
        self._interval_end = at + INTERVAL_SAMPLES

    def _learn(self, slowest: int) -> None:
        """Put the slowest packet of an interval into the histogram."""
        # histogram.cc, Add: early samples weigh more, so that it settles soon.
        start = _ONE - START_WEIGHT * _ONE // (self._intervals + 1)
        forget = max(0, min(FORGET, start))
        self._weights = [weight * forget >> 30 for weight in self._weights]
        bucket = min(slowest // BUCKET_SAMPLES, BUCKETS - 1)
        self._weights[bucket] += _ONE - sum(self._weights)
        self._intervals += 1
        self.target = self._bounded((1 + self._quantile()) * BUCKET_SAMPLES)

    def _quantile(self) -> int:
        below = 0
        for bucket, weight in enumerate(self._weights):
            below += weight
            if below >= QUANTILE:
                return bucket
        return BUCKETS - 1

    def _bounded(self, target: int) -> int:
        least, largest = self._bounds
        return min(max(target, least), largest)
