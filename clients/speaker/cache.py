"""Files to be played without the server: by SHA-256, bounded, safe from power cuts.

``<sha256>.part`` is being fetched, ``<sha256>.opus`` was whole when it got its name,
and is checked again whenever it is opened: whatever happened to the disk meanwhile,
nothing is played but what was signed. Blocking; call from a thread.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from clients.speaker.durable import sync_directory

DEFAULT_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 16


class CacheFullError(OSError):
    """What is held is all due sooner, or the file is larger than the cache."""


class Cache:
    """Holds files in a directory.

    The bound counts whole and partial files. What is used longest ago goes first; what
    the caller says is needed never does.

    Args:
        directory: Made when it is not there.
        max_bytes: Of all files together.
    """

    def __init__(self, directory: Path, max_bytes: int = DEFAULT_BYTES) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self.damaged = 0
        "Files that were not what they had been; they were deleted."

    def has(self, sha256: str) -> bool:
        """Say whether a file was whole; only opening it tells whether it is."""
        return self._whole(sha256).is_file()

    def open(self, sha256: str) -> BinaryIO | None:
        """Return a file that is as it was signed; None when there is none.

        A damaged one is deleted, so that it is fetched again.
        """
        path = self._whole(sha256)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        try:
            if _digest(file) == sha256:
                file.seek(0)
                with suppress(OSError):  # a read-only disk plays, too
                    os.utime(path)
                return file
        except OSError:
            file.close()
            raise
        file.close()
        self.damaged += 1
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return None

    def partial_bytes(self, sha256: str) -> int:
        """Return how much of a file has been fetched."""
        try:
            return self._part(sha256).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, sha256: str, offset: int, data: bytes) -> None:
        """Add to what has been fetched of a file.

        Raises:
            OSError: The disk is full, read-only or gone.
            ValueError: *offset* is not where it ends.
        """
        with self._part(sha256).open("ab") as file:
            if file.tell() != offset:
                raise ValueError(f"{offset=}, but the part ends at {file.tell()}")
            file.write(data)

    def finish(self, sha256: str) -> bool:
        """Give a fetched file its name if it is what it shall be, else drop it.

        Raises:
            OSError: The disk is full, read-only or gone.
        """
        part = self._part(sha256)
        with part.open("rb") as file:
            genuine = _digest(file) == sha256
            if genuine:
                os.fsync(file.fileno())
        if not genuine:
            self.damaged += 1
            part.unlink()
            return False
        part.replace(self._whole(sha256))
        sync_directory(self._directory)
        return True

    def drop_part(self, sha256: str) -> None:
        """Begin a file anew."""
        self._part(sha256).unlink(missing_ok=True)

    def make_room(self, size_bytes: int, needed: Collection[str]) -> None:
        """Delete what was used longest ago until *size_bytes* more may be held.

        Args:
            size_bytes: Of what is about to be fetched.
            needed: SHA-256 of what must stay, and of what is about to be fetched.

        Raises:
            CacheFullError: There is no room beside what is needed.
            OSError: The disk is read-only or gone.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        held = [(each, each.stat()) for each in self._files()]
        free = self._max_bytes - sum(facts.st_size for _, facts in held)
        oldest_first = sorted(held, key=lambda one: (one[1].st_mtime_ns, one[0].name))
        for path, facts in oldest_first:
            if free >= size_bytes:
                return
            if path.stem not in needed:
                path.unlink(missing_ok=True)
                free += facts.st_size
        if free < size_bytes:
            raise CacheFullError(f"the cache has no room for {size_bytes} bytes")

    def _files(self) -> list[Path]:
        found = [*self._directory.glob("*.opus"), *self._directory.glob("*.part")]
        return sorted(found)

    def _whole(self, sha256: str) -> Path:
        return self._directory / f"{sha256}.opus"

    def _part(self, sha256: str) -> Path:
        return self._directory / f"{sha256}.part"


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
