"""What the listeners of one server should hear: which packet when, with what in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from time import monotonic_ns

from bench.account import Mapping, lookahead_ns
from bench.rtp_account import ONE_STREAM, Head, RtpAccount
from streamer.media.frame import (
    FRAME_NS,
    FRAME_SAMPLES,
    ns_to_samples,
    samples_to_ns,
)

KEPT_PAYLOADS = 3000
"A minute: no listener's packet is read later than that."


class Truth:
    """Counts payloads that are not what they should be."""

    def __init__(self) -> None:
        self.mappings: dict[int, Mapping] = {}
        "The grid, once it is known, under `ONE_STREAM`."
        self.compared = 0
        self.wrong = 0
        "Of those: other bytes, or not authentic."

    def _count(self, right: bool) -> None:
        self.compared += 1
        self.wrong += not right


class ClockLedger(Truth):
    """Our server's: RTP timestamps are its media clock, which is this host's clock.

    Payloads are compared among listeners: the first one to have a packet sets it.
    """

    aligns_by_payload = False

    def __init__(self, now_ns: Callable[[], int] = monotonic_ns) -> None:
        super().__init__()
        self._now_ns = now_ns
        self._payloads: dict[int, bytes] = {}

    def align(self, account: RtpAccount, head: Head, payload: bytes | None) -> None:
        """Count packets from a minute before the first one that any listener hears."""
        if (mapping := self.mappings.get(ONE_STREAM)) is None:
            first = (head.timestamp - KEPT_PAYLOADS * FRAME_SAMPLES) % 2**32
            due_ns = _captured_ns(first, self._now_ns()) + lookahead_ns()
            mapping = self.mappings[ONE_STREAM] = Mapping(first, due_ns)
        account.align(head, mapping.index(head.timestamp), mapping)

    def compare(self, timestamp: int, payload: bytes | None) -> None:
        """Hold *payload* against what the others have under *timestamp*."""
        if payload is None:
            self._count(False)
            return
        self._count(self._payloads.setdefault(timestamp, payload) == payload)
        while len(self._payloads) > KEPT_PAYLOADS:
            del self._payloads[next(iter(self._payloads))]


class LoopLedger(Truth):
    """A peer's: it sends known packets in a loop, on a grid that it tells.

    Args:
        loop: The payloads.
        now_ns: CLOCK_MONOTONIC.
    """

    aligns_by_payload = True

    def __init__(
        self, loop: Sequence[bytes], now_ns: Callable[[], int] = monotonic_ns
    ) -> None:
        super().__init__()
        self._loop = loop
        self._now_ns = now_ns
        self._numbers: dict[bytes | None, list[int]] = defaultdict(list)
        for number, payload in enumerate(loop):
            self._numbers[payload].append(number)

    def start(self, first_due_ns: int) -> None:
        """Learn when packet 0 is due."""
        self.mappings[ONE_STREAM] = Mapping(0, first_due_ns)

    def align(self, account: RtpAccount, head: Head, payload: bytes | None) -> None:
        """Find the packet by its payload and, the loop being repeated, the time."""
        mapping = self.mappings.get(ONE_STREAM)
        if mapping is not None and payload in self._numbers:
            now = (self._now_ns() - mapping.first_due_ns) // FRAME_NS
            indices = [self._latest(n, now) for n in self._numbers[payload]]
            index = min(indices, key=lambda index: abs(now - index))
            account.align(head, index, mapping)

    def compare(self, timestamp: int, payload: bytes | None) -> None:
        """Hold *payload* against the loop's."""
        mapping = self.mappings.get(ONE_STREAM)
        if mapping is not None:
            number = mapping.index(timestamp) % len(self._loop)
            self._count(payload == self._loop[number])

    def _latest(self, number: int, now: int) -> int:
        """Return which index near *now* the loop's packet *number* has."""
        rounds = round((now - number) / len(self._loop))
        return max(number, number + rounds * len(self._loop))


def _captured_ns(timestamp: int, now_ns: int) -> int:
    """Return the instant near *now_ns* that a 32-bit media clock calls *timestamp*."""
    now_samples = ns_to_samples(now_ns)
    ahead = (timestamp - now_samples + 2**31) % 2**32 - 2**31
    return samples_to_ns(now_samples + ahead)
