"""A bad link, packet by packet (sans I/O, seeded; integers of nanoseconds).

The profiles are those of NUMBERS.md. A link has two directions, each a `Line`: what is
sent goes through a queue of the bottleneck's rate, waits while the link is in a gap, is
lost or not, and takes its time. In an outage everything is lost, and after it the
listener comes from another address of its NAT.

Which packets are lost, and how long each takes, follows from the seed and the packet's
number alone; two receivers of the same stream meet the same link.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import Generic, Literal, TypeAlias, TypeVar

MS = 1_000_000
SECOND = 1_000_000_000
QUEUE_NS = 500 * MS
"What the bottleneck's queue holds, at its rate; what does not fit is dropped."
MAX_IN_FLIGHT = 20_000
PARETO_SHAPE = 3.0
"As of the table of `tc netem … distribution pareto`."
LONGEST_TAIL = 8
"""In means: netem's table ends there, too (at four standard deviations).

Without an end, one packet in half a million takes four seconds, and so do those behind.
"""

Direction: TypeAlias = Literal["down", "up"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Normal:
    """A delay of *mean* ± *deviation*, never below zero."""

    mean_ns: int
    deviation_ns: int

    def draw(self, dice: random.Random) -> int:
        """Return a delay."""
        return max(0, round(dice.normalvariate(self.mean_ns, self.deviation_ns)))


@dataclass(frozen=True, slots=True)
class Pareto:
    """A delay of *least* and a long tail (Lomax) that adds *mean_tail* on average."""

    least_ns: int
    mean_tail_ns: int

    def draw(self, dice: random.Random) -> int:
        """Return a delay."""
        scale_ns = self.mean_tail_ns * (PARETO_SHAPE - 1)
        tail_ns = round(scale_ns * (dice.paretovariate(PARETO_SHAPE) - 1))
        return self.least_ns + min(tail_ns, LONGEST_TAIL * self.mean_tail_ns)


@dataclass(frozen=True, slots=True)
class Loss:
    """A share of packets, in bursts of *mean_burst* on average; None: independent.

    Bursts are Gilbert's: in the bad state everything is lost, in the good one nothing.
    """

    ratio: float
    mean_burst: float | None = None


@dataclass(frozen=True, slots=True)
class Every:
    """Something that lasts, once in each period."""

    lasts_ns: int
    period_ns: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of link."""

    delay: Normal | Pareto
    loss: Loss
    reorders: bool = False
    "Whether a packet that takes less time overtakes; else it waits for those before."
    gap: Every | None = None
    "Nothing moves; what was sent waits."
    outage: Every | None = None
    "All is lost; then the NAT has another address."
    rate_bps: int | None = None


PROFILES = {
    "clean": Profile(Normal(0, 0), Loss(0.0)),
    "good": Profile(Normal(40 * MS, 5 * MS), Loss(0.001)),
    "fair": Profile(
        Normal(60 * MS, 20 * MS), Loss(0.005, 2), gap=Every(150 * MS, 60 * SECOND)
    ),
    "s1": Profile(Normal(60 * MS, 30 * MS), Loss(0.05), reorders=True),
    "poor": Profile(
        Pareto(70 * MS, 25 * MS),
        Loss(0.02, 3),
        gap=Every(300 * MS, 30 * SECOND),
        rate_bps=256_000,
    ),
    "terrible": Profile(
        Normal(120 * MS, 60 * MS),
        Loss(0.08, 5),
        gap=Every(1_500 * MS, 60 * SECOND),
        outage=Every(20 * SECOND, 600 * SECOND),
        rate_bps=96_000,
    ),
    "narrow": Profile(Normal(40 * MS, 0), Loss(0.0), rate_bps=512_000),
}
"One way, by name (NUMBERS.md). *clean* and *narrow* are ours: to compare, to freeze."


class Weather:
    """What holds for both directions of a link at an instant.

    Args:
        profile: Of the link.
        seed: Says where in their periods gap and outage begin.
        outage_at_ns: When the first outage begins instead, to see one in a short run.
    """

    def __init__(
        self, profile: Profile, seed: str, *, outage_at_ns: int | None = None
    ) -> None:
        dice = random.Random(f"{seed}/weather")
        self._gap, self._outage = profile.gap, profile.outage
        self._gap_at_ns = _phase(profile.gap, dice)
        self._outage_at_ns = _phase(profile.outage, dice)
        if outage_at_ns is not None:
            self._outage_at_ns = outage_at_ns
        self._frozen_until_ns = 0

    def freeze(self, until_ns: int) -> None:
        """Have a gap from now on that is not of the profile."""
        self._frozen_until_ns = until_ns

    def clear_from(self, now_ns: int) -> int:
        """Return the first instant from *now_ns* on that is in no gap."""
        now_ns = max(now_ns, self._frozen_until_ns)
        if self._gap is None:
            return now_ns
        since_ns = now_ns - self._gap_at_ns
        if since_ns < 0:
            return now_ns
        into_ns = since_ns % self._gap.period_ns
        return now_ns + max(0, self._gap.lasts_ns - into_ns)

    def is_out(self, now_ns: int) -> bool:
        """Whether there is an outage."""
        if self._outage is None or now_ns < self._outage_at_ns:
            return False
        into_ns = (now_ns - self._outage_at_ns) % self._outage.period_ns
        return into_ns < self._outage.lasts_ns

    def address(self, now_ns: int) -> int:
        """Return the number of the NAT's address: of outages that have begun."""
        if self._outage is None or now_ns < self._outage_at_ns:
            return 0
        return 1 + (now_ns - self._outage_at_ns) // self._outage.period_ns


class Line(Generic[Item]):
    """One direction of a link: takes packets, gives them back when they arrive.

    Time is counted from the link's beginning; it must not go back.
    """

    def __init__(
        self, profile: Profile, weather: Weather, seed: str, direction: Direction
    ) -> None:
        self._profile = profile
        self._weather = weather
        self._losing = _Losing(profile.loss, f"{seed}/{direction}/loss")
        self._delays = random.Random(f"{seed}/{direction}/delay")
        self._bottleneck = _Bottleneck(profile.rate_bps)
        self._last_arrival_ns = 0
        self._numbers = count()
        self._flying: list[tuple[int, int, Item]] = []  # a heap, by arrival
        self.sent = 0
        self.lost = 0
        "On the way: at random, or in an outage."
        self.dropped = 0
        "By a full queue."

    def send(self, now_ns: int, item: Item, size_bytes: int) -> None:
        """Put *item* on the line, as an IP packet of that size."""
        self.sent += 1
        lost = self._losing.next()
        taken_ns = self._profile.delay.draw(self._delays)
        leaves_ns = self._bottleneck.pass_through(now_ns, size_bytes, self._weather)
        if leaves_ns is None or len(self._flying) >= MAX_IN_FLIGHT:
            self.dropped += 1
        elif lost or self._weather.is_out(now_ns):
            self.lost += 1
        else:
            self._fly(leaves_ns + taken_ns, item)

    def due(self, now_ns: int) -> list[Item]:
        """Take off what has arrived, in the order of arrival."""
        arrived = []
        while self._flying and self._flying[0][0] <= now_ns:
            arrived.append(heapq.heappop(self._flying)[2])
        return arrived

    @property
    def next_ns(self) -> int | None:
        """When the next packet arrives; None: there is none."""
        return self._flying[0][0] if self._flying else None

    def _fly(self, arrives_ns: int, item: Item) -> None:
        if not self._profile.reorders:
            arrives_ns = max(arrives_ns, self._last_arrival_ns)
        self._last_arrival_ns = arrives_ns
        heapq.heappush(self._flying, (arrives_ns, next(self._numbers), item))


class Link(Generic[Item]):
    """Both directions under one weather."""

    def __init__(
        self, profile: Profile, seed: str, *, outage_at_ns: int | None = None
    ) -> None:
        self.weather = Weather(profile, seed, outage_at_ns=outage_at_ns)
        self.down: Line[Item] = Line(profile, self.weather, seed, "down")
        self.up: Line[Item] = Line(profile, self.weather, seed, "up")

    @property
    def next_ns(self) -> int | None:
        """When the next packet arrives, whichever way it goes."""
        return min(
            (at for at in (self.down.next_ns, self.up.next_ns) if at is not None),
            default=None,
        )


class _Losing:
    """Which packets are lost: one draw for each, so the n-th's fate is the seed's."""

    def __init__(self, loss: Loss, seed: str) -> None:
        self._dice = random.Random(seed)
        if loss.mean_burst is None:
            self._to_bad = self._stay_bad = loss.ratio
        else:
            self._stay_bad = 1 - 1 / loss.mean_burst
            # The share of time in the bad state is to_bad / (to_bad + 1 / burst).
            self._to_bad = loss.ratio / (loss.mean_burst * (1 - loss.ratio))
        self._bad = False

    def next(self) -> bool:
        chance = self._stay_bad if self._bad else self._to_bad
        self._bad = self._dice.random() < chance
        return self._bad


class _Bottleneck:
    """A queue with a rate, which stands still in a gap."""

    def __init__(self, rate_bps: int | None) -> None:
        self._rate_bps = rate_bps
        self._free_ns = 0
        self._waiting: deque[tuple[int, int]] = deque()  # leaves at, bytes
        self._waiting_bytes = 0

    def pass_through(
        self, now_ns: int, size_bytes: int, weather: Weather
    ) -> int | None:
        """Return when a packet has left the queue; None: it did not fit."""
        if self._rate_bps is None:
            return weather.clear_from(now_ns)
        while self._waiting and self._waiting[0][0] <= now_ns:
            self._waiting_bytes -= self._waiting.popleft()[1]
        bound_bytes = self._rate_bps * QUEUE_NS // (8 * SECOND)
        if self._waiting and self._waiting_bytes + size_bytes > bound_bytes:
            return None
        begins_ns = weather.clear_from(max(now_ns, self._free_ns))
        self._free_ns = begins_ns + size_bytes * 8 * SECOND // self._rate_bps
        self._waiting.append((self._free_ns, size_bytes))
        self._waiting_bytes += size_bytes
        return self._free_ns


def _phase(event: Every | None, dice: random.Random) -> int:
    return 0 if event is None else dice.randrange(event.period_ns - event.lasts_ns)
