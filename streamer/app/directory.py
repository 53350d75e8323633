"""The data directory: one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

LOCK_NAME = "server.lock"


class DirectoryInUseError(Exception):
    """Another server runs on this directory."""


class DataDirectory:
    """Holds *path* for this process while it is entered; makes it if need be.

    The lock is the kernel's (flock(2)): it ends with the process, however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            DirectoryInUseError: Another process has it.
            OSError: The directory cannot be made or written to.
        """
        self._path.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = os.open(self._path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise DirectoryInUseError(
                f"another server uses the data directory {self._path}"
            ) from None
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
