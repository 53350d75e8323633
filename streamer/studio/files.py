"""The uploaded audio files: one file and one sheet of facts each, in one directory.

The directory is the only truth, so that files outlive a lost database: an upload is
received into ``<id>.part``, looked at, and only then renamed to ``<id>.audio`` beside
``<id>.json``. What a crash leaves half done is removed at the next start.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json
import logging
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from streamer.studio.errors import FileRefusedError

WRITE_BYTES = 1024 * 1024
"Received bytes are handed to the disk in blocks of about this size."
MAX_UPLOADS = 4
"Uploads received at the same time; further ones are refused, not queued."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What a look into an audio file tells."""

    duration_s: float
    codec: str
    sample_rate_hz: int
    channels: int


class Probe(Protocol):
    """Looks into a file; called in a thread of its own."""

    def __call__(self, path: Path) -> AudioFacts:
        """Return the facts.

        Raises:
            FileRefusedError: It is no audio, or not whole.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How much is taken."""

    max_bytes: int
    max_duration_s: int
    max_files: int


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An uploaded file."""

    id: str
    name: str
    added_by: str
    "Identifier of the token that uploaded it."
    duration_s: float
    codec: str
    sample_rate_hz: int
    channels: int


class FileLibrary:
    """Holds the files of *directory*: facts in memory, audio on disk.

    An ``async with`` reads what is there; nothing is open outside of calls.
    """

    def __init__(self, directory: Path, *, probe: Probe, limits: FileLimits) -> None:
        self._directory = directory
        self._probe = probe
        self._limits = limits
        self._files: dict[str, AudioFile] = {}
        self._uploads = 0

    async def __aenter__(self) -> Self:
        self._files = await asyncio.to_thread(_load, self._directory)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def all(self) -> list[AudioFile]:
        """Return every file, by name."""
        return sorted(self._files.values(), key=lambda file: (file.name, file.id))

    def get(self, file_id: str) -> AudioFile | None:
        """Return the facts of a file."""
        return self._files.get(file_id)

    def path(self, file_id: str) -> Path:
        """Return where the audio of a known file lies."""
        return self._directory / f"{file_id}.audio"

    async def add(
        self, name: str, chunks: AsyncIterator[bytes], *, added_by: str
    ) -> AudioFile:
        """Take an upload.

        Raises:
            FileRefusedError: It is too large, too long, no audio, or there is no
                room for it; nothing of it is kept.
        """
        if self._uploads >= MAX_UPLOADS:
            raise FileRefusedError("too-many-uploads", "Other uploads are under way.")
        if len(self._files) + self._uploads >= self._limits.max_files:
            raise FileRefusedError(
                "too-many-files", f"{self._limits.max_files} files are kept already."
            )
        self._uploads += 1
        try:
            return await self._take(name, chunks, added_by)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise FileRefusedError("disk-full", "The server's disk is full.") from error
        finally:
            self._uploads -= 1

    async def delete(self, file_id: str) -> None:
        """Forget a known file; a broadcast that plays it plays on."""
        del self._files[file_id]
        await asyncio.to_thread(_remove, self._directory, file_id)

    async def _take(
        self, name: str, chunks: AsyncIterator[bytes], added_by: str
    ) -> AudioFile:
        file_id = secrets.token_hex(8)
        part = self._directory / f"{file_id}.part"
        try:
            await self._receive(part, chunks)
            facts = await asyncio.to_thread(self._probe, part)
            self._check_duration(facts)
            file = AudioFile(file_id, name, added_by, **dataclasses.asdict(facts))
            await asyncio.to_thread(_keep, self._directory, file)
        finally:
            await asyncio.shield(asyncio.to_thread(part.unlink, missing_ok=True))
        self._files[file_id] = file
        return file

    async def _receive(self, part: Path, chunks: AsyncIterator[bytes]) -> None:
        """Write *chunks* to *part*, in blocks, never on the event loop."""
        received = 0
        block = bytearray()
        output = await asyncio.to_thread(part.open, "xb")
        try:
            async for chunk in chunks:
                received += len(chunk)
                self._check_size(received)
                block += chunk
                if len(block) >= WRITE_BYTES:
                    await asyncio.to_thread(output.write, block)
                    block = bytearray()
            await asyncio.to_thread(_finish, output, block)
        finally:
            output.close()

    def _check_size(self, received: int) -> None:
        if received > self._limits.max_bytes:
            raise FileRefusedError(
                "file-too-large", f"Files may have {self._limits.max_bytes} bytes."
            )

    def _check_duration(self, facts: AudioFacts) -> None:
        if facts.duration_s > self._limits.max_duration_s:
            raise FileRefusedError(
                "file-too-long",
                f"It lasts {facts.duration_s:.0f} s;"
                f" {self._limits.max_duration_s} s are allowed.",
            )


def _finish(output: BinaryIO, rest: bytes | bytearray) -> None:
    """Write *rest* and wait until the disk has everything."""
    output.write(rest)
    output.flush()
    os.fsync(output.fileno())


def _keep(directory: Path, file: AudioFile) -> None:
    """Make the received ``.part`` and its sheet last."""
    sheet = directory / f"{file.id}.json"
    try:
        with sheet.open("xb") as output:
            _finish(output, json.dumps(dataclasses.asdict(file)).encode())
        (directory / f"{file.id}.part").rename(directory / f"{file.id}.audio")
    except BaseException:
        sheet.unlink(missing_ok=True)
        raise


def _remove(directory: Path, file_id: str) -> None:
    (directory / f"{file_id}.json").unlink(missing_ok=True)
    (directory / f"{file_id}.audio").unlink(missing_ok=True)


def _load(directory: Path) -> dict[str, AudioFile]:
    """Read every sheet; remove what an earlier process left half done."""
    directory.mkdir(parents=True, exist_ok=True)
    for part in directory.glob("*.part"):
        part.unlink(missing_ok=True)
    files: dict[str, AudioFile] = {}
    for sheet in directory.glob("*.json"):
        try:
            file = AudioFile(**json.loads(sheet.read_bytes()))
        except (ValueError, TypeError, OSError) as error:
            logger.warning("%s is not readable and left out: %s", sheet, error)
            continue
        if (directory / f"{file.id}.audio").is_file():
            files[file.id] = file
    return files
