"""The data directory: one server at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from streamer.store.filelock import FileLock

LOCK_NAME = "server.lock"


class DirectoryInUseError(Exception):
    """Another server runs on this directory."""


class DataDirectory:
    """Holds *path* for this process while it is entered; makes it if need be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path / LOCK_NAME)

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            DirectoryInUseError: Another process has it.
            OSError: The directory cannot be made or written to.
        """
        self._path.mkdir(parents=True, exist_ok=True, mode=0o750)
        try:
            self._lock.__enter__()
        except BlockingIOError:
            raise DirectoryInUseError(
                f"another server uses the data directory {self._path}"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.__exit__()
