"""What a play list consists of, and what may happen to it (values)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ingest.opening import Opener


@dataclass(frozen=True, slots=True)
class PlayListItem:
    """One item of a play list."""

    name: str
    "For the operator and the log."
    opener: Opener
    "Called on a thread of its own, shortly before the item's turn."
    length_samples: int | None = None
    "What it has, where that was measured; needed to skip what does not fit."
    limit_samples: int | None = None
    "When to fade it out: a relay's share of the slot; None: it plays to its end."


class ItemEventKind(StrEnum):
    """What may happen to an item."""

    STARTED = "started"
    ENDED = "ended"
    CUT = "cut"
    "Faded out at its limit, or at the slot's end."
    FAILED = "failed"
    "It broke off."
    SKIPPED = "skipped"
    "It was not heard: it could not be opened, or did not fit."


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """Something happened to an item."""

    kind: ItemEventKind
    index: int
    "Place in the list, from 0; the filler's is the list's length."
    name: str
    at_samples: int
    "Where in the play list."
    detail: str = ""
    "Why; empty when all is as it should be."
