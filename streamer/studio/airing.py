"""One broadcast on the air: its thread, its recording, its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from streamer.media.frame import ProgrammePacket
from streamer.media.level import Level
from streamer.media.source import Source
from streamer.programme.programme import Programme, ProgrammeEnd, ProgrammeState
from streamer.programme.recorder import Recorder
from streamer.programme.thread import ProgrammeThread
from streamer.studio.broadcast import RecordingStatus


class Airing:
    """Runs a programme and records it; :meth:`run` is its whole life.

    Args:
        programme: Made of *source*; nobody else touches the two.
        source: What the programme reads.
        recorder: None when nothing shall be kept.
        on_packet: Called on the loop with each packet.
        on_end: Called on the loop once, after the last packet.
        observe_step: See `ProgrammeThread`.
    """

    def __init__(
        self,
        programme: Programme,
        source: Source,
        *,
        recorder: Recorder | None,
        on_packet: Callable[[ProgrammePacket], None],
        on_end: Callable[[ProgrammeEnd], None],
        observe_step: Callable[[float], None],
    ) -> None:
        self._recorder = recorder
        self._on_packet = on_packet
        self._on_end = on_end
        self._closed = False
        self._thread = ProgrammeThread(
            programme,
            source,
            on_packet=self._take,
            on_end=self._finish,
            observe_step=observe_step,
        )

    @property
    def level(self) -> Level:
        """How loud what is sent is now."""
        return self._thread.level

    @property
    def is_opening(self) -> bool:
        """Whether the chime sounds."""
        return self._thread.state is ProgrammeState.OPENING

    @property
    def frames(self) -> int:
        """Packets made so far."""
        return self._thread.frames

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

    def stop(self) -> None:
        """Ask for the end; what was captured so far is still sent."""
        self._thread.stop()

    async def run(self) -> None:
        """Air it to its end and close everything."""
        async with AsyncExitStack() as stack:
            if self._recorder is not None:
                await stack.enter_async_context(self._recorder)
            await stack.enter_async_context(self._thread)
            await self._thread.wait()
        self._closed = True

    def _take(self, packet: ProgrammePacket) -> None:
        self._on_packet(packet)
        if self._recorder is not None:
            self._recorder.write(packet)

    def _finish(self, end: ProgrammeEnd) -> None:
        if self._recorder is not None:
            self._recorder.finish(end.samples)
        self._on_end(end)
