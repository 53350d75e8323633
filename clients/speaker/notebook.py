"""What a speaker must not forget: what it played, and what it owes an account of.

One small file (`durable`), written when something begins, now and then while it plays,
and when it ended. A notebook that is gone or damaged forgets what was played: whatever
was planned or ordered before that is not played then (`blank_since_utc_us`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clients.speaker import durable

MAX_PLAYED = 500
MAX_RECEIPTS = 64

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Played:
    """What was played of a broadcast from the disk."""

    first_utc_us: int
    "Capture instant, by the plan, of the first sample played; D before it was heard."
    until_samples: int = 0
    "Of the file: nothing before it is played again."
    samples: int = 0
    "How many were played."
    done: bool = False
    "It is over here; only the account is owed."
    owed: bool = True
    "A server has to be told."

    @property
    def last_utc_us(self) -> int:
        """Capture instant, by the plan, of the last sample played."""
        return self.first_utc_us + self.samples * 1_000_000 // 48_000


@dataclass(slots=True)
class Notes:
    """What stands in the notebook."""

    key: str | None = None
    offset_us: int = 0
    latest_utc_us: int = 0
    serial: int = 0
    "Of the last order obeyed."
    blank_since_utc_us: int = 0
    volume_percent: int | None = None
    hushed: bool = False
    "The zone was silenced, and no manifest was had since."
    played: dict[str, Played] = field(default_factory=dict)


class Notebook:
    """Keeps `notes` in a file; blocking, but for `notes`.

    Args:
        path: Its directory exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes = Notes()
        self.failures = 0
        "Writes that the disk refused."
        self.forgotten = False
        "There was a notebook, and it could not be read."

    def load(self) -> None:
        """Read it; begin a new one where it cannot be read."""
        try:
            data = durable.read(self._path)
            if data is not None:
                self.notes = _notes(json.loads(data))
                return
            self.forgotten = self._path.exists()
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.error("the notebook %s cannot be read: %s", self._path, error)
            self.forgotten = True

    def save(self) -> bool:
        """Write it; return whether it is on the disk. Never raises."""
        self._tidy()
        try:
            durable.write(self._path, json.dumps(asdict(self.notes)).encode())
        except OSError as error:
            self.failures += 1
            if self.failures == 1:
                _log.error("the notebook cannot be written: %s", error)
            return False
        return True

    def _tidy(self) -> None:
        """Forget the oldest of what is done and told; then the oldest."""
        played = self.notes.played
        told = [id_ for id_, each in played.items() if each.done and not each.owed]
        for id_ in (told + list(played))[: max(0, len(played) - MAX_PLAYED)]:
            played.pop(id_, None)
        owed = [each for each in played.values() if each.owed and each.done]
        for each in owed[: max(0, len(owed) - MAX_RECEIPTS)]:
            each.owed = False


def _notes(members: Mapping[str, Any]) -> Notes:
    played = {id_: Played(**each) for id_, each in members["played"].items()}
    return Notes(**{**members, "played": played})
