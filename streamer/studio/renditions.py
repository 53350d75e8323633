"""What is broadcast from a disk, made beforehand as speakers keep it: Ogg Opus files.

A rendition is to the sample what its live airing sends: the same source, chime,
conditioning and encoder, only not paced by a clock. So a speaker may leave one for the
other anywhere. It is made once for what it holds (`key`), however often it is aired,
and is known by its SHA-256.

In the directory: ``<sha256>.opus``, and ``<key>.json`` that says which one it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

from streamer.media.frame import Pcm
from streamer.media.opus import libopus_version
from streamer.media.source import Source
from streamer.programme.ogg import OggOpusStream
from streamer.programme.programme import EndReason, Programme, ProgrammeSettings
from streamer.studio.errors import SourceRefusedError
from streamer.wire.rtp import HEADER_BYTES

MAX_SAMPLES = 4 * 3600 * 48_000
"Nobody plans four hours of speech; a filler without an end would fill the disk."
KEPT_S = 2 * 86_400
"A file that nothing needs is kept so long, for speakers that are fetching it."
_BREATHE_FRAMES = 10
_BREATHE_S = 0.002
"Between so many frames: live programmes are encoded on the same cores."
_SERIAL = 0x10AC

Open: TypeAlias = Callable[[], Awaitable[Source]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rendition:
    """A file that is there."""

    sha256: str
    size_bytes: int
    samples: int
    "Of chime and source, at 48 kHz."


class Renditions:
    """Makes renditions, one at a time, and remembers them.

    Args:
        directory: Made when it is not there.
        settings: How programmes are encoded.
    """

    def __init__(self, directory: Path, settings: ProgrammeSettings) -> None:
        self._directory = directory
        self._settings = settings
        self._making = asyncio.Lock()

    def key(self, content: object) -> str:
        """Return the name of what *content*, which is JSON, sounds like."""
        encoder = (self._settings.bitrate_bps, self._settings.complexity)
        text = json.dumps([content, encoder], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def path(self, sha256: str) -> Path:
        """Return where a rendition is, or would be."""
        return self._directory / f"{sha256}.opus"

    async def find(self, key: str) -> Rendition | None:
        """Return the one of this key if it was made."""
        return await asyncio.to_thread(self._find, key)

    async def make(self, key: str, open_: Open, opening: Pcm) -> Rendition:
        """Return the one of this key; make it if need be.

        Args:
            key: What it holds: see :meth:`key`.
            open_: Opens the source; whatever it raises is raised.
            opening: Chime or attention signal; it may be nothing.

        Raises:
            SourceRefusedError: The source cannot be opened, or not read to its end.
            OSError: The disk is full or gone.
        """
        async with self._making:
            found = await self.find(key)
            if found is not None:
                return found
            source = await open_()
            return await asyncio.to_thread(self._make, key, source, opening)

    async def prune(self, needed: Collection[str]) -> None:
        """Delete what has not been needed for long.

        Args:
            needed: SHA-256 of what is.
        """
        await asyncio.to_thread(self._prune, set(needed))

    def _find(self, key: str) -> Rendition | None:
        try:
            text = (self._directory / f"{key}.json").read_text()
            found = Rendition(**json.loads(text))
            size_bytes = self.path(found.sha256).stat().st_size
        except (OSError, ValueError, TypeError):
            return None
        return found if size_bytes == found.size_bytes else None

    def _make(self, key: str, source: Source, opening: Pcm) -> Rendition:
        self._directory.mkdir(parents=True, exist_ok=True)
        part = self._directory / f"{key}.part"
        began_s = time.monotonic()
        try:
            with part.open("wb") as file:
                samples, digest = self._write(file, source, opening)
                file.flush()
                os.fsync(file.fileno())
            found = Rendition(digest, part.stat().st_size, samples)
            part.rename(self.path(digest))
            facts = self._directory / f"{key}.json"
            facts.with_suffix(".new").write_text(json.dumps(asdict(found)))
            facts.with_suffix(".new").rename(facts)
        finally:
            part.unlink(missing_ok=True)
            source.close()
        seconds = time.monotonic() - began_s
        logger.info("made %s: %d s in %.1f s", digest, samples // 48_000, seconds)
        return found

    def _write(self, file: BinaryIO, source: Source, opening: Pcm) -> tuple[int, str]:
        """Write all that *source* gives; return its samples and the file's SHA-256."""
        programme = Programme(
            source,
            replace(self._settings, chime=opening),
            ssrc=0,
            first_timestamp=0,
            first_sequence=0,
            start_ns=0,
        )
        digest = hashlib.sha256()

        def write(page: bytes) -> None:
            digest.update(page)
            file.write(page)

        try:
            stream = OggOpusStream(_SERIAL, programme.lookahead_samples)
            write(stream.headers(libopus_version(), {}))
            while (packet := programme.step(programme.next_due_ns)) is not None:
                write(stream.add(packet.index, packet.rtp[HEADER_BYTES:]))
                if packet.index % _BREATHE_FRAMES == 0:
                    time.sleep(_BREATHE_S)
                if programme.frames * 960 > MAX_SAMPLES:
                    programme.fail("it is longer than four hours")
        finally:
            programme.close()
        end = programme.end
        assert end is not None  # the steps have ended
        if end.reason is not EndReason.COMPLETED:
            raise SourceRefusedError("unreadable-source", end.detail or "It broke off.")
        write(stream.finish(end.samples))
        return end.samples, digest.hexdigest()

    def _prune(self, needed: set[str]) -> None:
        oldest_s = time.time() - KEPT_S
        for path in self._directory.glob("*.opus"):
            with suppress(OSError):
                if path.stem in needed:
                    os.utime(path)
                elif path.stat().st_mtime < oldest_s:
                    path.unlink()
        for path in self._directory.glob("*.json"):
            with suppress(OSError, ValueError, KeyError):
                if not self.path(json.loads(path.read_text())["sha256"]).exists():
                    path.unlink()
