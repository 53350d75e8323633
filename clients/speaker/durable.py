"""Small files that a power cut leaves either as they were or as they shall be.

The new one is written beside the old one, is on the disk, and only then takes its name;
then the directory is, too. What it holds is checked when it is read, for a card of
flash memory may lose a bit without anybody writing.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Put *data* in the place of the file; blocks until it is on the disk.

    Raises:
        OSError: The disk is full, read-only or gone; the old file stays.
    """
    temporary = path.with_name(f"{path.name}.new")
    digest = hashlib.sha256(data).hexdigest().encode()
    try:
        with temporary.open("wb") as file:
            file.write(digest + b"\n" + data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def read(path: Path) -> bytes | None:
    """Return what was written; None: nothing was, or it is damaged.

    Raises:
        OSError: It cannot be read, and not since it is not there.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, _, data = content.partition(b"\n")
    return data if hashlib.sha256(data).hexdigest().encode() == digest else None


def sync_directory(path: Path) -> None:
    """Wait until names in a directory are on the disk (fsync(2), notes)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
