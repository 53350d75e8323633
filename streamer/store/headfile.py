"""The end of the as-run log, noted in a small file beside the database.

The chain itself cannot tell that its tail was cut off; this file can, as long as not
both were changed. It holds one line per head: the last one written and, for good, any
earlier one that the log contradicted when it was looked at. Delete such a line only
when it is known why, as after going back to an older copy of the database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from streamer.store.chain import Head

NAME = "asrun-head.jsonl"


class HeadFile:
    """Reads and replaces the noted heads; blocking, to be called on a thread.

    Args:
        path: May not be there yet; its directory is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Head, ...]:
        """Return what is noted; nothing where there is no file yet.

        Raises:
            ValueError: It is no such file any more.
            OSError: It cannot be read.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        return tuple(_head(each) for each in lines)

    def write(self, heads: Iterable[Head]) -> None:
        """Replace what is noted, at once or not at all; raises `OSError`."""
        text = "".join(f"{_text(each)}\n" for each in heads)
        new = self.path.with_name(self.path.name + ".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


def _text(head: Head) -> str:
    return json.dumps({"count": head.count, "hash": head.hash})


def _head(text: str) -> Head:
    members = json.loads(text)
    try:
        return Head(int(members["count"]), str(members["hash"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no head of the log: {text[:80]}") from error
