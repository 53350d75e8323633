"""Writes a programme to disk as Ogg Opus, from the very packets that were sent.

Audio never waits for the disk: packets go through a bounded queue to a writer
thread, and when that falls half a minute behind, or the disk fails, the recording
stops with an alarm in the log while the broadcast goes on.

The file bears its name from the start and each second of it is handed to the
system within a fifth of a second, so after a crash it is found, and plays, up to the
last second or so. Only a complete file ends with the page that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Self

from streamer.media.frame import ProgrammePacket
from streamer.media.opus import libopus_version
from streamer.programme.ogg import OggOpusStream, crc32
from streamer.wire.rtp import HEADER_BYTES

_log = logging.getLogger(__name__)

BATCH_PACKETS = 10
"Handed to the writer at once: to wake a thread for each would cost more than they do."
QUEUE_BATCHES = 150
"Thirty seconds; when it is full the disk has failed."
CLOSE_TIMEOUT_S = 5.0


class Recorder:
    """Records inside its context; :meth:`write` what is sent, :meth:`finish` it.

    Args:
        path: Must not exist; its folder must.
        pre_skip_samples: The programme's `lookahead_samples`.
        tags: Title, date and so on, as in RFC 7845, section 5.2.2.
    """

    def __init__(
        self, path: Path, *, pre_skip_samples: int, tags: Mapping[str, str]
    ) -> None:
        self._path = path
        self._pre_skip = pre_skip_samples
        self._tags = dict(tags)
        self._batch: list[ProgrammePacket] = []
        self._queue: queue.Queue[list[ProgrammePacket] | None] = queue.Queue(
            QUEUE_BATCHES
        )
        self._samples: int | None = None
        self._failure = ""
        self._complete = False
        self._bytes_written = 0
        self._thread = threading.Thread(
            target=self._run, name=f"recorder-{path.name}", daemon=True
        )
        self._loop: asyncio.AbstractEventLoop
        self._left = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether the whole programme is in the file; known after the context."""
        return self._complete

    @property
    def failure(self) -> str:
        """Why the recording stopped early; empty when it did not."""
        return self._failure

    @property
    def bytes_written(self) -> int:
        """Size of the file so far."""
        return self._bytes_written

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hand_over()
        with contextlib.suppress(queue.Full):  # then the writer sees the failure
            self._queue.put_nowait(None)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._left.wait()
        except TimeoutError:
            self._fail("the disk hangs")
            return
        self._thread.join()  # it has nothing left to do

    def write(self, packet: ProgrammePacket) -> None:
        """Record *packet*; call in order. Never waits, never raises."""
        if self._failure:
            return
        self._batch.append(packet)
        if len(self._batch) == BATCH_PACKETS:
            self._hand_over()

    def finish(self, samples: int) -> None:
        """Say how long the audio was, after the last packet.

        Args:
            samples: As in `ProgrammeEnd`; padding after it is trimmed off.
        """
        self._samples = samples

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, []
        try:
            self._queue.put_nowait(batch)
        except queue.Full:
            self._fail("the disk is too slow")

    def _fail(self, reason: str) -> None:
        if not self._failure:
            self._failure = reason
            _log.error("recording %s stopped: %s", self._path, reason)

    # -- on the writer thread ---------------------------------------------------

    def _run(self) -> None:
        try:
            with self._path.open("xb") as file:
                self._record(file)
                os.fsync(file.fileno())
            self._complete = not self._failure
        except OSError as error:
            self._fail(error.strerror or str(error))
        except Exception as error:
            _log.exception("a recorder broke")
            self._fail(f"{type(error).__name__}: {error}")
        try:
            self._loop.call_soon_threadsafe(self._left.set)
        except RuntimeError:
            _log.warning("the event loop ended before recording %s", self._path)

    def _record(self, file: BinaryIO) -> None:
        stream = OggOpusStream(crc32(self._path.name.encode()), self._pre_skip)
        self._write(file, stream.headers(libopus_version(), self._tags))
        while (batch := self._queue.get()) is not None and not self._failure:
            for packet in batch:
                page = stream.add(packet.index, packet.rtp[HEADER_BYTES:])
                if page:
                    self._write(file, page)
        if not self._failure:
            self._write(file, stream.finish(self._samples))

    def _write(self, file: BinaryIO, page: bytes) -> None:
        file.write(page)
        file.flush()  # to the system: a killed process loses nothing of it
        self._bytes_written += len(page)
