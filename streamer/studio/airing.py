"""A broadcast's source on the air: in takes, each a programme of its own.

A source that stands still and goes on is aired in several takes. Each has its own
encoder, thread and SSRC, so for bus, fan-outs and listeners it is a programme like any
other. All takes go into one recording.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeAlias

from streamer.bus.bus import OnAir
from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.media.level import Level
from streamer.media.source import Source
from streamer.programme.programme import EndReason, ProgrammeEnd, ProgrammeState
from streamer.programme.thread import ProgrammeThread
from streamer.studio.awaited import AwaitedSource
from streamer.studio.broadcast import RecordingStatus
from streamer.studio.closing import close_off_loop
from streamer.studio.ground import Ground
from streamer.studio.live import Live
from streamer.studio.production import Made, Production
from streamer.studio.reel import Reel
from streamer.studio.tape import Tape

Reopen: TypeAlias = Callable[[], Awaitable[Source]]

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Take:
    ssrc: int
    made: Made
    position: int
    "Of its first sample among those of opening and source."
    is_cut: bool = False

    @property
    def thread(self) -> ProgrammeThread:
        return self.made.thread


class Airing:
    """Runs a broadcast's takes and records them; :meth:`run` is its whole life.

    Args:
        live: Whose it is.
        source: Nobody else touches it.
        production: Makes the takes.
        ground: Is told what happens.
        reopen: Opens the source anew; needed where it can stand still.
        clock_ns: The media clock.
    """

    def __init__(
        self,
        live: Live,
        source: Source,
        *,
        production: Production,
        ground: Ground,
        reopen: Reopen,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._live = live
        self._production = production
        self._ground = ground
        self._reopen = reopen
        self._clock_ns = clock_ns
        self._opening = production.opening(live.request)
        self._source = source
        self._tape = Tape(source) if live.request.can_hold else None
        self._recorder = production.recorder(live)
        self.reel = Reel(self._recorder, production.lookahead_samples)
        self._take: _Take | None = None
        self._takes: set[_Take] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reopening: asyncio.Task[Source] | None = None
        self._position = 0
        self._frames = 0
        self._begun = asyncio.Event()
        self._over = asyncio.Event()
        self._stopping = False
        self._closed = False
        self.first_origin_ns: int | None = None
        "Of its first take."

    @property
    def level(self) -> Level | None:
        """How loud what is sent is now; None while nothing is."""
        return None if (take := self._take) is None else take.thread.level

    @property
    def is_opening(self) -> bool:
        """Whether the chime or the attention signal sounds."""
        take = self._take
        return take is not None and take.thread.state is ProgrammeState.OPENING

    @property
    def frames(self) -> int:
        """Packets made so far."""
        return self._frames + sum(each.thread.frames for each in tuple(self._takes))

    @property
    def recording(self) -> RecordingStatus | None:
        """What is kept so far."""
        if self._recorder is None:
            return None
        return RecordingStatus(
            available=self._closed and self._recorder.bytes_written > 0,
            complete=self._recorder.complete,
            bytes=self._recorder.bytes_written,
        )

    @property
    def recording_failure(self) -> str:
        """Why the recording stopped early; empty when it did not."""
        return self._recorder.failure if self._recorder is not None else ""

    @property
    def delay_ns(self) -> int:
        """How long before it is read its sound was captured."""
        return self._source.delay_ns

    def go(self, *, ssrc: int, at_ns: int, restart: bool) -> OnAir:
        """Begin a take, of which no sample is before the media instant *at_ns*.

        Returns:
            How it is announced; publish that before the next iteration of the loop.
        """
        position = 0 if restart else self._position
        source = self._from(max(0, position - len(self._opening)))
        made = self._production.make(
            source,
            self._opening[position:],
            ssrc=ssrc,
            start_ns=self._start_ns(at_ns + source.delay_ns),
            on_packet=self._packet,
            on_end=lambda end: self._ended(take, end),
        )
        take = _Take(ssrc, made, position)
        self._announce(take)
        return OnAir(
            ssrc=ssrc,
            broadcast_id=self._live.id,
            programme_class=self._live.request.programme_class,
            title=self._live.request.title,
            first_timestamp=made.first_timestamp,
            origin_ns=made.programme.origin_ns,
            accepted_ns=None if self._begun.is_set() else self._live.accepted_ns,
        )

    def begin(self) -> None:
        """Let the take run that :meth:`go` made, once it is announced."""
        if self._take is None:
            return
        self._begun.set()
        task = asyncio.create_task(self._run(self._take), name=f"air-{self._live.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._stopping:
            self._take.thread.stop()

    def hold(self, at_ns: int, *, restarts: bool) -> None:
        """End the take; the next goes on with the first sample from *at_ns* on.

        Args:
            at_ns: A media instant, not long ago.
            restarts: The next take shall begin anew, so it is prepared for.
        """
        if (take := self._cut(at_ns)) is None:
            return
        self._position = take.position + take.made.programme.samples_before(at_ns)
        if restarts and self._tape is not None and not self._tape.holds(0):
            self._opening_again()

    def stop(self) -> bool:
        """Ask for the end; what was captured so far is still sent.

        Returns:
            Whether the end follows; else nothing runs that could end.
        """
        self._stopping = True
        if self._take is None:
            return False
        self._take.thread.stop()
        return True

    def drop(self, at_ns: int) -> None:
        """End for good: whatever runs ends at *at_ns*, and nothing follows."""
        self._cut(at_ns)
        self._over.set()
        self._begun.set()

    async def run(self) -> None:
        """Air it to its end and close everything."""
        await self._begun.wait()
        async with AsyncExitStack() as stack:
            if self._recorder is not None and self.first_origin_ns is not None:
                await stack.enter_async_context(self._recorder)
            await self._over.wait()
            while self._tasks:
                await asyncio.wait(self._tasks)
        await self._let_go()
        self._closed = True

    def _announce(self, take: _Take) -> None:
        programme = take.made.programme
        self._take = take
        self._takes.add(take)
        self.reel.begin(take.ssrc, programme.origin_ns)
        if self.first_origin_ns is None:
            self.first_origin_ns = programme.origin_ns

    def _start_ns(self, read_ns: int) -> int:
        """Return when the first packet is due, so that a sample is read at *read_ns*.

        That may be a little while ago, and is caught up with; what is further in the
        past begins now.
        """
        start_ns, now_ns = read_ns + self._production.lookahead_ns, self._clock_ns()
        return start_ns if now_ns - start_ns < FRAME_NS else now_ns

    def _from(self, sample: int) -> Source:
        """Return the source from one of its samples on."""
        if self._tape is None:
            return self._source
        if sample == 0 and not self._tape.holds(0):
            self._discard(self._tape)
            self._tape = Tape(AwaitedSource(self._opening_again()))
            self._reopening = None
        return self._tape.head(sample)

    def _opening_again(self) -> asyncio.Task[Source]:
        if self._reopening is None:
            self._reopening = asyncio.create_task(_opened(self._reopen))
        return self._reopening

    def _cut(self, at_ns: int) -> _Take | None:
        take, self._take = self._take, None
        if take is not None:
            take.is_cut = True
            take.thread.cut(at_ns)
        return take

    def _packet(self, packet: ProgrammePacket) -> None:
        self._ground.packet(packet)
        self.reel.write(packet)

    def _ended(self, take: _Take, end: ProgrammeEnd) -> None:
        self.reel.end(take.ssrc, end.samples)
        self._frames += take.thread.frames
        self._takes.discard(take)
        is_last = self._take in (None, take) and not self._over.is_set()
        if is_last and end.reason is not EndReason.CUT:
            self._take = None
            self._ground.ended(self._live, take.ssrc, end)
        else:
            self._ground.take_ended(take.ssrc)

    async def _run(self, take: _Take) -> None:
        try:
            async with take.thread as thread:
                await thread.wait()
        except Exception:
            logger.exception("a take of %s was not closed properly", self._live.id)

    def _discard(self, tape: Tape) -> None:
        """Close a tape that is not needed any more, when nobody reads it."""
        task = asyncio.create_task(self._close_after(tape, set(self._tasks)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close_after(self, tape: Tape, readers: set[asyncio.Task[None]]) -> None:
        if readers:
            await asyncio.wait(readers)
        await close_off_loop(tape)

    async def _let_go(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.wait([self._reopening])
            await close_off_loop(AwaitedSource(self._reopening))
        if self._tape is not None:
            await close_off_loop(self._tape)
        elif self.first_origin_ns is None:  # else its thread has closed it
            await close_off_loop(self._source)


async def _opened(reopen: Reopen) -> Source:
    return await reopen()
