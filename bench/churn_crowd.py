"""Listeners that come and go while others stay (the generator's side of churn)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import Iterator
from time import monotonic_ns

from bench.findings import Answer
from bench.http1 import HttpFailed
from bench.report import percentiles_ms
from bench.webrtc_crowd import JoinFailed, WebRtcCrowd
from bench.webrtc_signalling import WhepRefused

WAYS = (
    {"deleted": True, "told": False},
    {"deleted": False, "told": True},
    {"deleted": False, "told": False},
)
"How they leave, in turn: properly, by DTLS' goodbye alone, or without a word."
MAX_IN_FLIGHT = 64
"Joins; when a server is slower than the rate, the rate falls: see `churned`."


class Churn:
    """Lets places of *crowd* leave and join again at a rate."""

    def __init__(self, crowd: WebRtcCrowd) -> None:
        self.places: frozenset[int] = frozenset()
        "Those that do not stay."
        self._crowd = crowd
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns_of: dict[int, asyncio.Lock] = {}
        "Of each place: who joins there must have joined before it leaves again."
        self._joins = 0
        self._failed: list[str] = []
        self._join_ns: list[int] = []

    def start(self, stayers: int, rate: float) -> None:
        """Begin; eager listeners stay first, then others, evenly spread."""
        eager = self._crowd.eager_places
        everyone = [connection.place for connection in self._crowd.connections]
        everyone.sort(key=lambda place: (place not in eager, place))
        self.places = frozenset(everyone[stayers:])
        self._turns_of = {place: asyncio.Lock() for place in self.places}
        self._task = asyncio.create_task(self._run(rate))

    async def stop(self) -> Answer:
        """End; return what :meth:`counts` does."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*self._tasks)
        return self.counts()

    def counts(self) -> Answer:
        """Return how many joined anew, how many failed, and how long a join took."""
        took = {f"join_{k}": v for k, v in percentiles_ms(self._join_ns).items()}
        return {
            "rejoined": self._joins,
            "failed": len(self._failed),
            "failures": self._failed[:5],
            **took,
        }

    async def _run(self, rate: float) -> None:
        loop, start = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        turns = self._turns()
        for number in itertools.count():
            await asyncio.sleep(start + number / rate - loop.time())
            while len(self._tasks) >= MAX_IN_FLIGHT:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._replace(*next(turns)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if number % max(1, int(rate)) == 0:
                gc.collect(1)  # the whole heap is frozen or lives long

    def _turns(self) -> Iterator[tuple[int, dict[str, bool]]]:
        return zip(itertools.cycle(sorted(self.places)), itertools.cycle(WAYS))

    async def _replace(self, place: int, way: dict[str, bool]) -> None:
        async with self._turns_of[place]:
            await self._rejoin(place, way)

    async def _rejoin(self, place: int, way: dict[str, bool]) -> None:
        start_ns = monotonic_ns()
        try:
            if self._crowd.is_there(place):
                await self._crowd.leave(place, **way)
            await self._crowd.join_one(place)
        except (JoinFailed, WhepRefused, HttpFailed, EOFError, OSError) as error:
            self._failed.append(repr(error))
        else:
            self._joins += 1
            self._join_ns.append(monotonic_ns() - start_ns)
