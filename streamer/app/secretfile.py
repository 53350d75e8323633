"""Files that hold a private key: nobody else reads them, no power cut halves them."""

from __future__ import annotations

import os
from pathlib import Path

MODE = 0o600


def read(path: Path) -> bytes | None:
    """Return what is in *path*, which is closed to others first; None: no such file.

    Raises:
        OSError: It cannot be read, or not be closed to others.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    path.chmod(MODE)
    return content


def write(path: Path, content: bytes) -> None:
    """Replace the file as a whole: after a power cut it is the old or the new one.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
