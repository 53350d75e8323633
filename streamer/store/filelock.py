"""A lock on a file, for as long as a process lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self


class FileLock:
    """Holds the file *path* while it is entered; makes it if need be.

    The lock is the kernel's (flock(2)): it ends with the process, however it ends.
    The file stays; to delete it would let two hold what bears the same name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> Self:
        """Take the lock; never wait for it.

        Raises:
            BlockingIOError: Somebody else has it.
            OSError: The file cannot be made or written to.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
