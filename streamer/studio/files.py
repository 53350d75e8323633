"""The uploaded audio files: bytes in one directory, facts in the store and in memory.

An upload is received into ``<id>.part`` and looked at; then its facts are stored and
it is renamed to ``<id>.audio``. So facts without a file, or a ``.part``, are what a
crash left half done: they are passed over, and removed, at the next start.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from streamer.store.files import Files
from streamer.store.identifiers import new_id
from streamer.store.records import AudioFile
from streamer.studio.errors import FileRefusedError

WRITE_BYTES = 1024 * 1024
"Received bytes are handed to the disk in blocks of about this size."
MAX_UPLOADS = 4
"Uploads received at the same time; further ones are refused, not queued."


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
            FileRefusedError: It is no audio, or lasts too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How much is taken; how long a file may last is the probe's business."""

    max_bytes: int
    max_files: int


class FileLibrary:
    """Holds the uploaded files.

    An ``async with`` reads what is there; nothing is open outside of calls.

    Args:
        directory: Where the bytes are; made when it is not there.
        records: Where the facts are.
        probe: Looks into an upload.
        limits: See there.
    """

    def __init__(
        self, directory: Path, records: Files, *, probe: Probe, limits: FileLimits
    ) -> None:
        self._directory = directory
        self._records = records
        self._probe = probe
        self._limits = limits
        self._files: dict[str, AudioFile] = {}
        self._uploads = 0

    async def __aenter__(self) -> Self:
        records = await self._records.all()
        self._files = await asyncio.to_thread(_present, self._directory, records)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def all(self) -> list[AudioFile]:
        """Return every file, by name."""
        return sorted(self._files.values(), key=lambda file: (file.name, file.id))

    def path(self, file_id: str) -> Path | None:
        """Return where the bytes of a file are, or None when there is none."""
        file = self._files.get(file_id)
        return self._directory / file.path if file else None

    def duration_s(self, file_id: str) -> float | None:
        """Return how long a file plays, or None when there is none."""
        file = self._files.get(file_id)
        return file.duration_ms / 1000 if file else None

    def check_size(self, size_bytes: int) -> None:
        """Refuse an upload that is, or says that it is, too large.

        Raises:
            FileRefusedError: It is.
        """
        if size_bytes > self._limits.max_bytes:
            raise FileRefusedError(
                "file-too-large", f"Files may have {self._limits.max_bytes} bytes."
            )

    async def add(self, name: str, chunks: AsyncIterator[bytes]) -> AudioFile:
        """Take an upload.

        Raises:
            FileRefusedError: It is too large, too long, no audio, or there is no
                room for it; nothing of it is kept.
            StoreUnavailableError: Its facts cannot be stored; the same.
        """
        if self._uploads >= MAX_UPLOADS:
            raise FileRefusedError("too-many-uploads", "Other uploads are under way.")
        if len(self._files) + self._uploads >= self._limits.max_files:
            raise FileRefusedError(
                "too-many-files", f"{self._limits.max_files} files are kept already."
            )
        self._uploads += 1
        try:
            return await self._take(name, chunks)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise FileRefusedError("disk-full", "The server's disk is full.") from error
        finally:
            self._uploads -= 1

    async def delete(self, file_id: str) -> None:
        """Forget a file; a broadcast that plays it plays on.

        Raises:
            NotFoundError: There is none with this id.
        """
        await self._records.delete(file_id)
        file = self._files.pop(file_id)
        path = self._directory / file.path
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _take(self, name: str, chunks: AsyncIterator[bytes]) -> AudioFile:
        file_id = new_id(secrets.token_bytes)
        part = self._directory / f"{file_id}.part"
        try:
            size_bytes = await self._receive(part, chunks)
            facts = await asyncio.to_thread(self._probe, part)
            file = _file(file_id, name, size_bytes, facts)
            await self._records.create(file)
            await asyncio.to_thread(part.rename, self._directory / file.path)
        finally:
            await asyncio.shield(asyncio.to_thread(part.unlink, missing_ok=True))
        self._files[file_id] = file
        return file

    async def _receive(self, part: Path, chunks: AsyncIterator[bytes]) -> int:
        """Write *chunks* to *part*, in blocks, off the event loop; count the bytes."""
        received = 0
        block = bytearray()
        output = await asyncio.to_thread(part.open, "xb")
        try:
            async for chunk in chunks:
                received += len(chunk)
                self.check_size(received)
                block += chunk
                if len(block) >= WRITE_BYTES:
                    await asyncio.to_thread(output.write, block)
                    block = bytearray()
            await asyncio.to_thread(_finish, output, block)
        finally:
            output.close()
        return received


def _finish(output: BinaryIO, rest: bytes | bytearray) -> None:
    """Write *rest* and wait until the disk has everything."""
    output.write(rest)
    output.flush()
    os.fsync(output.fileno())


def _file(file_id: str, name: str, size_bytes: int, facts: AudioFacts) -> AudioFile:
    return AudioFile(
        id=file_id,
        name=name,
        path=f"{file_id}.audio",
        size_bytes=size_bytes,
        duration_ms=round(facts.duration_s * 1000),
        codec=facts.codec,
        sample_rate_hz=facts.sample_rate_hz,
        channels=facts.channels,
        created_utc=datetime.now(UTC),
    )


def _present(directory: Path, records: list[AudioFile]) -> dict[str, AudioFile]:
    """Return those of *records* whose bytes are there; remove what is half done."""
    directory.mkdir(parents=True, exist_ok=True)
    for part in directory.glob("*.part"):
        part.unlink(missing_ok=True)
    return {file.id: file for file in records if (directory / file.path).is_file()}
