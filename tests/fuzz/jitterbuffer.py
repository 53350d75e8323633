"""A million inserts that no sender would make: nothing raises, no law breaks.

``python -m tests.fuzz.jitterbuffer --inserts 1000000 --seed 1``. The gate runs a
shorter one (`test_jitterbuffer.py`). Whoever inserts is a liar with a good memory: he
repeats, overlaps, jumps by hours, wraps, restarts, floods; whoever reads moves by any
step, skips and starts anew.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from streamer.media.delay import DelayEstimator
from streamer.media.frame import MediaPacket
from streamer.media.jitterbuffer import Decision, JitterBuffer, Play, Verdict
from streamer.media.pace import Lengthen, Pace, Shorten, Step

DURATIONS = (120, 240, 480, 960, 1_920, 2_880, 5_760)
HORIZON = 100 * 960
WRAP = 1 << 32


class Liar:
    """Makes packets around where the reader is; everything follows from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._next = 0
        self._said: list[MediaPacket] = [MediaPacket(0, 960, b"")]

    def packet(self, cursor: int) -> MediaPacket:
        """Return the next one; most are plausible, or nothing would be played."""
        dice, kind = self._dice, self._dice.random()
        duration = dice.choice(DURATIONS)
        if kind < 0.5:
            if not cursor <= self._next < cursor + HORIZON // 2:
                self._next = cursor
            at = self._next + dice.choice((0, 0, 0, duration))
            self._next = at + duration
        elif kind < 0.7:
            at = cursor + dice.randrange(-9_600, HORIZON + 9_600)
        elif kind < 0.85:
            return dice.choice(self._said)
        else:
            jump = dice.choice((1, 48_000 * 3_600, WRAP // 2, WRAP, 2**62))
            at = cursor + dice.choice((-1, 1)) * jump + dice.randrange(-960, 960)
        packet = MediaPacket(at, duration, dice.randbytes(dice.randrange(3)))
        self._said[dice.randrange(len(self._said)) :] = [packet, *self._said[-20:]]
        return packet


class Reader:
    """Pulls, skips and restarts, and holds the buffer to its laws."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.buffer = JitterBuffer(horizon_samples=HORIZON)
        self.pace = Pace(DelayEstimator(max_samples=48_000), delay=9_600)
        self.decisions: Counter[str] = Counter()

    def move(self) -> None:
        """Read on, mostly; check what was decided."""
        dice, buffer = self._dice, self.buffer
        if dice.random() < 0.002:
            buffer.start(dice.choice((0, buffer.cursor + dice.randrange(-WRAP, WRAP))))
        elif dice.random() < 0.02:
            buffer.skip(buffer.cursor + dice.randrange(-5_000, 50_000))
        before = buffer.cursor
        until = before + dice.choice((0, 1, 480, 960, 961, 2_880, 20_000))
        decisions = buffer.pull(until)
        self._check(decisions, before, until)
        self._keep_pace()

    def _check(self, decisions: list[Decision], before: int, until: int) -> None:
        buffer, at = self.buffer, before
        for decision in decisions:
            assert decision.samples > 0, decision
            if isinstance(decision, Play):
                assert decision.packet.timestamp == at, "a packet off its place"
            at += decision.samples
            self.decisions[type(decision).__name__] += 1
        assert at == buffer.cursor, "samples out are not samples asked for"
        assert at == before or until <= at < until + max(DURATIONS)
        assert len(buffer) <= HORIZON // min(DURATIONS), "memory grows"
        first = buffer.next_timestamp
        assert first is None or first >= buffer.cursor, "what is past is held"

    def _keep_pace(self) -> None:
        pace, dice = self.pace, self._dice
        before = pace.delay
        counters = pace.counters
        moved = counters.inserted_samples_for_deceleration
        moved -= counters.removed_samples_for_acceleration
        decision = pace.pull(480, reach=480, speech=True, quiet=dice.random() < 0.2)
        assert pace.delay == before, "deciding alone moves nothing"
        match decision:
            case Shorten(most):
                pace.stretched(-dice.randint(0, most))
            case Lengthen(most):
                pace.stretched(dice.randint(0, most))
            case Step(delay):
                pace.stepped(delay)
                return
        after = counters.inserted_samples_for_deceleration
        after -= counters.removed_samples_for_acceleration
        assert pace.delay - before == after - moved, "samples appear or vanish"


def fuzz(inserts: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Insert so often; return how often each verdict and each decision came.

    Raises:
        AssertionError: A law is broken; the message names it.
    """
    dice = random.Random(seed)
    liar, reader = Liar(dice), Reader(dice)
    verdicts: Counter[str] = Counter()
    for index in range(inserts):
        packet = liar.packet(reader.buffer.cursor)
        verdict = reader.buffer.insert(packet)
        verdicts[verdict.value] += 1
        if verdict is not Verdict.DUPLICATE:
            reader.pace.arrived(packet.timestamp, packet.duration_samples, index * 480)
        if dice.random() < 0.4:
            reader.move()
    counters = reader.buffer.counters
    assert counters.packets_received == inserts
    assert counters.concealed_samples <= counters.total_samples_received
    assert counters.silent_concealed_samples <= counters.concealed_samples
    return verdicts, reader.decisions


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inserts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began_s = time.monotonic()
    verdicts, decisions = fuzz(arguments.inserts, arguments.seed)
    took_s = time.monotonic() - began_s
    print(
        f"{arguments.inserts} inserts, seed {arguments.seed}: {took_s:.1f} s, no fault"
    )
    print("verdicts", dict(verdicts))
    print("decisions", dict(decisions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
