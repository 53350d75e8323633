"""What a change of the air costs: 10,000 zones, 100 programmes (issue C).

The arbiter is pure, so it is called directly, in this process, on one core. On the
air are programmes of every class, aimed at the province, at communes and at scattered
single zones, with every comeback; some zones are silenced. Then one change after the
other is timed: a programme ends and another comes in its place, an emergency comes
and goes, a zone is silenced and lifted, waiting programmes are reordered, and one
that takes over cuts in. Each change keeps the air at about 100 programmes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from bench.report import Row, Sample, percentiles_ms, summarise
from streamer.air.arbiter import Arbiter
from streamer.air.difference import AirStep
from streamer.air.priority import (
    CLASS_ORDER,
    ORIGIN_ORDER,
    AirProgramme,
    Comeback,
    Conflict,
)
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.wire.control import ProgrammeClass

COMMUNES = 99
MUST_P99_MS = 10.0
"Issue C, numbers."
SILENCED = 50
"Zones that are silenced throughout."
SEED = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """One row's question."""

    zones: int = 10_000
    programmes: int = 100
    changes: int = 1000
    "Timed in a round."
    rounds: int = 5
    "Counted ones; one more is run first and dropped."


def run(plan: Plan, told: Callable[[str], None]) -> list[Row]:
    """Return the one row."""
    samples: list[Sample] = []
    for number in range(plan.rounds + 1):
        sample = measure(plan, random.Random(SEED + number))
        told(f"round {number}: p50 {sample['p50_ms']:.3f}, p99 {sample['p99_ms']:.3f}")
        samples.append(sample)
    return [row(plan, samples[1:])]


def row(plan: Plan, samples: list[Sample]) -> Row:
    """Return what *samples* come to; failed if a round was slower than allowed."""
    slow = any((sample["p99_ms"] or 0) > MUST_P99_MS for sample in samples)
    return {
        "server": "loacast",
        "zones": plan.zones,
        "programmes": plan.programmes,
        "changes": plan.changes,
        "status": "failed" if slow else "ok",
        **summarise(samples),
    }


def measure(plan: Plan, rng: random.Random) -> Sample:
    """Return one round's numbers; collections of garbage fall where they fall."""
    air = Air(Arbiter(ZoneTree(forest(plan.zones))), rng)
    air.fill(plan.programmes)
    spent_ns: list[float] = []
    for change in air.changes(plan.changes):
        start_ns = time.perf_counter_ns()
        change()
        spent_ns.append(time.perf_counter_ns() - start_ns)
    return percentiles_ms(spent_ns)


def forest(zones: int) -> Iterator[Zone]:
    """Yield a province of so many zones: communes, and villages below them in turn."""
    yield Zone("province", None, "province", ZoneLevel.PROVINCE)
    for number in range(COMMUNES):
        name = f"commune-{number:02}"
        yield Zone(name, "province", name, ZoneLevel.COMMUNE)
    for number in range(zones - COMMUNES - 1):
        name = f"village-{number:05}"
        above = f"commune-{number % COMMUNES:02}"
        yield Zone(name, above, name, ZoneLevel.VILLAGE)


@dataclass
class Air:
    """A busy air and all the kinds of changes to it."""

    arbiter: Arbiter
    rng: random.Random
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def fill(self, programmes: int) -> None:
        """Put the programmes on the air, and silence some zones."""
        for _ in range(programmes):
            self.arbiter.add(self.programme(), at_ns=next(self.serial))
        silenced = self.rng.sample(self._names(), SILENCED)
        self.arbiter.silence(silenced, at_ns=next(self.serial))

    def changes(self, number: int) -> Iterator[Callable[[], AirStep]]:
        """Yield that many changes, each to be made before the next is asked for."""
        kinds = (self._replaced, self._emergency, self._silence, self._others)
        made = 0
        while True:
            for change in self.rng.choice(kinds)():
                if made == number:
                    return
                made += 1
                yield change

    def programme(self) -> AirProgramme:
        """Return any programme but one that ends or is refused by itself."""
        order = next(self.serial)
        return AirProgramme(
            id=f"b{order}",
            programme_class=self.rng.choice(CLASS_ORDER),
            origin=self.rng.choice(ORIGIN_ORDER),
            zone_ids=self._aims(),
            accepted_order=order,
            conflict=self.rng.choice((Conflict.WAIT, Conflict.TAKE_OVER)),
            comeback=self.rng.choice([e for e in Comeback if e is not Comeback.DROP]),
            can_hold=self.rng.choice((False, True)),
            skip_after_ns=10**12,
        )

    def _aims(self) -> tuple[str, ...]:
        """Return the province, 30 communes, or 100 scattered zones."""
        communes = [f"commune-{number:02}" for number in range(COMMUNES)]
        return self.rng.choice(
            [
                ("province",),
                tuple(self.rng.sample(communes, 30)),
                tuple(self.rng.sample(self._names(), 100)),
            ]
        )

    def _names(self) -> list[str]:
        return [zone.id for zone in self.arbiter.tree]

    def _replaced(self) -> Iterator[Callable[[], AirStep]]:
        name = self.rng.choice(list(self.arbiter.programmes))
        yield lambda: self.arbiter.remove(name, at_ns=next(self.serial))
        newcomer = self.programme()
        yield lambda: self.arbiter.add(newcomer, at_ns=next(self.serial))

    def _emergency(self) -> Iterator[Callable[[], AirStep]]:
        """Over all the province: what was decided for every zone is undone."""
        order = next(self.serial)
        kind = ProgrammeClass.EMERGENCY
        storm = AirProgramme(f"b{order}", kind, ORIGIN_ORDER[-1], ("province",), order)
        yield lambda: self.arbiter.add(storm, at_ns=next(self.serial))
        yield lambda: self.arbiter.remove(storm.id, at_ns=next(self.serial))

    def _silence(self) -> Iterator[Callable[[], AirStep]]:
        names = self._names()
        zone_ids = self.rng.choice([["province"], self.rng.sample(names, 3)])
        yield lambda: self.arbiter.silence(zone_ids, at_ns=next(self.serial))
        yield lambda: self.arbiter.lift(zone_ids, at_ns=next(self.serial))

    def _others(self) -> Iterator[Callable[[], AirStep]]:
        waiting = [
            each.id
            for each in self.arbiter.programmes.values()
            if each.programme_class is ProgrammeClass.PRIORITY
        ]
        self.rng.shuffle(waiting)
        yield lambda: self.arbiter.reorder(waiting, at_ns=next(self.serial))
        yield lambda: self.arbiter.expire(next(self.serial))
