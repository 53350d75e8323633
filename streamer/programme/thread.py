"""Runs a programme on a thread of its own and hands its packets to the event loop.

The thread reads the source, conditions and encodes, all of which release the GIL;
the loop never does. It sleeps to an absolute grid, so lateness never adds up.

What may go wrong and what happens then: a source that raises ends the programme; a
source whose `read` does not return is seen by a watch on the loop, the programme
ends as failed, and the thread is left to itself (Python cannot stop it) to clean up
if `read` ever returns; a loop that hangs is handed no more than five seconds of
packets, later ones are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Self

from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.media.level import Level
from streamer.media.source import Source
from streamer.programme.programme import Programme, ProgrammeEnd, ProgrammeState

_log = logging.getLogger(__name__)

LOOP_QUEUE_PACKETS = 5_000_000_000 // FRAME_NS
WATCH_INTERVAL_S = 0.2
HUNG_AFTER_LOOKS = 8
"Looks at the same unfinished step, 1.6 s: counted, so a stopped process is no hang."
DRAIN_TIMEOUT_S = 2.5
"At exit; longer than the watch needs to end a programme whose source hangs."
LEAVE_TIMEOUT_S = 0.5
"From the programme's end to its thread's; then the thread is given up."


class ProgrammeThread:
    """Paces *programme*; inside the context it runs, at exit it is stopped.

        async with ProgrammeThread(programme, source, on_packet=..., on_end=...) as t:
            await t.wait()

    The source and the programme are closed by the thread, as its last act.

    Args:
        programme: Nobody else steps or closes it.
        source: What the programme reads.
        on_packet: Called on the loop with each packet, in order.
        on_end: Called on the loop exactly once, after the last packet.
        observe_step: Called on the thread with the seconds that one packet took
            (read, condition, encode); must be thread-safe and quick.
    """

    def __init__(
        self,
        programme: Programme,
        source: Source,
        *,
        on_packet: Callable[[ProgrammePacket], None],
        on_end: Callable[[ProgrammeEnd], None],
        observe_step: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._programme = programme
        self._source = source
        self._on_packet = on_packet
        self._on_end = on_end
        self._observe_step = observe_step
        self._thread = threading.Thread(
            target=self._run, name=f"programme-{id(self):x}", daemon=True
        )
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Future[ProgrammeEnd]
        self._left = asyncio.Event()
        self._watch: asyncio.Task[None]
        # Each counter has one writer, so plain integers do without a lock.
        self._handed = 0  # by the thread
        self._taken = 0  # by the loop
        self._dropped = 0
        self._calls: deque[Callable[[], object]] = deque()
        self._draining = False
        self._steps_begun = 0
        self._steps_done = 0

    @property
    def level(self) -> Level:
        """How loud what is sent is now."""
        return self._programme.level

    @property
    def state(self) -> ProgrammeState:
        """Opening, on air or ended."""
        return self._programme.state

    @property
    def frames(self) -> int:
        """Packets made so far."""
        return self._programme.frames

    @property
    def dropped_packets(self) -> int:
        """Packets that the loop was too busy to take."""
        return self._dropped

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._watch = self._loop.create_task(self._look_for_a_hang())
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        try:
            await self._drain()
        finally:
            self._watch.cancel()
        await asyncio.wait((self._watch,))
        await self._leave_thread()

    def stop(self) -> None:
        """Ask for a graceful end; `on_end` follows when the tail has been sent."""
        self._programme.stop()

    def cut(self, at_ns: int) -> None:
        """End it at a media instant; `on_end` follows within two frames."""
        self._programme.cut(at_ns)

    async def wait(self) -> ProgrammeEnd:
        """Return how it ended, after `on_end` was called."""
        return await asyncio.shield(self._ended)

    # -- on the loop ------------------------------------------------------------

    def _drain_calls(self) -> None:
        """Do one of the thread's calls in each iteration of the loop.

        A late loop would otherwise send its whole backlog before it reads a socket:
        with many listeners, no request would be answered for seconds.
        """
        if self._calls:
            self._calls.popleft()()
        # Cleared before the queue is looked at again, so that no call is forgotten.
        self._draining = False
        if self._calls:
            self._draining = True
            self._loop.call_soon(self._drain_calls)

    def _take(self, packet: ProgrammePacket) -> None:
        self._taken += 1
        if not self._ended.done():
            self._on_packet(packet)

    def _report(self, end: ProgrammeEnd) -> None:
        if self._ended.done():
            return
        self._ended.set_result(end)
        self._on_end(end)

    async def _look_for_a_hang(self) -> None:
        seen, looks = -1, 0
        while not self._ended.done():
            begun = self._steps_begun
            hanging = begun != self._steps_done and begun == seen
            looks = looks + 1 if hanging else 0
            seen = begun
            if looks >= HUNG_AFTER_LOOKS:
                self._report(self._programme.fail("the source hangs"))
            await asyncio.sleep(WATCH_INTERVAL_S)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self.wait()
        except TimeoutError:
            self._report(self._programme.fail("the source does not finish"))

    async def _leave_thread(self) -> None:
        """Join the thread, unless its source keeps it."""
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._left.wait()
        except TimeoutError:
            _log.error("thread %s is given up: its source hangs", self._thread.name)
            return
        self._thread.join()  # it has nothing left to do

    # -- on the thread ----------------------------------------------------------

    def _run(self) -> None:
        try:
            self._pace()
        except Exception as error:
            _log.exception("a programme broke")
            self._programme.fail(f"{type(error).__name__}: {error}")
        if self._programme.end is not None:
            self._call_on_loop(self._report, self._programme.end)
        try:
            self._programme.close()
            self._source.close()
        except Exception:
            _log.exception("a source did not close")
        self._call_on_loop(self._left.set)

    def _pace(self) -> None:
        while self._programme.end is None:
            wait_ns = self._programme.next_due_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(min(wait_ns, FRAME_NS) / 1e9)
            self._step()

    def _step(self) -> None:
        now_ns = time.monotonic_ns()
        self._steps_begun += 1
        packet = self._programme.step(now_ns)
        self._steps_done += 1
        if packet is not None:
            self._observe_step((time.monotonic_ns() - now_ns) / 1e9)
            self._hand_over(packet)

    def _hand_over(self, packet: ProgrammePacket) -> None:
        if self._handed - self._taken >= LOOP_QUEUE_PACKETS:
            if self._dropped == 0:
                _log.error("the event loop hangs: packets are dropped")
            self._dropped += 1
            return
        self._handed += 1
        self._call_on_loop(self._take, packet)

    def _call_on_loop(self, call: Callable[..., object], *arguments: object) -> None:
        self._calls.append(partial(call, *arguments))
        if self._draining:
            return
        self._draining = True
        try:
            self._loop.call_soon_threadsafe(self._drain_calls)
        except RuntimeError:
            self._programme.fail("the event loop is closed")
