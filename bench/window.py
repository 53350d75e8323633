"""What the processes used between two marks."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.contender import Contender
from bench.load import Load
from bench.processes import cpu_seconds

SETTLE_S = 0.5
"After a window, until the generator has read its lazy listeners too."


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant and the CPU times at it."""

    at_ns: int
    server_cpu_s: float
    generator_cpu_s: float

    @classmethod
    def now(cls, contender: Contender, load: Load) -> Mark:
        """Read every counter."""
        cpu_s = cpu_seconds(contender.pid)
        return cls(time.monotonic_ns(), cpu_s, load.cpu_seconds())


@dataclass(frozen=True, slots=True)
class Window:
    """Two marks."""

    start: Mark
    end: Mark
    encodes_per_second: float | None
    "Frames encoded, where the contender counts them."

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.end.at_ns - self.start.at_ns) / 1e9

    @property
    def server_cpu_s(self) -> float:
        """CPU time of all server processes."""
        return self.end.server_cpu_s - self.start.server_cpu_s

    @property
    def server_share(self) -> float:
        """Of one core."""
        return self.server_cpu_s / self.seconds

    @property
    def generator_share(self) -> float:
        """Of one core."""
        return (self.end.generator_cpu_s - self.start.generator_cpu_s) / self.seconds

    @property
    def bounds(self) -> dict[str, int]:
        """Arguments of the generator's `collect`."""
        return {"from_ns": self.start.at_ns, "to_ns": self.end.at_ns}


def observe(contender: Contender, load: Load, seconds: float) -> Window:
    """Let both run for *seconds*, from a clean sheet; return the window, settled.

    The encodes are asked for outside of the window: the answer costs the server.
    """
    load.ask("forget")
    encodes_before = _encodes(contender)
    start = Mark.now(contender, load)
    time.sleep(seconds)
    end = Mark.now(contender, load)
    encodes_after = _encodes(contender)
    time.sleep(SETTLE_S)
    return Window(start, end, _rate(encodes_before, encodes_after))


def _encodes(contender: Contender) -> tuple[int | None, int]:
    return contender.encodes(), time.monotonic_ns()


def _rate(
    before: tuple[int | None, int], after: tuple[int | None, int]
) -> float | None:
    if before[0] is None or after[0] is None:
        return None
    return (after[0] - before[0]) * 1e9 / (after[1] - before[1])
