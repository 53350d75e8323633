"""Whether a station is to be heard, or its fallback (pure)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from streamer.media.frame import SAMPLE_RATE_HZ


class RelayState(StrEnum):
    """What is heard of a station."""

    STARTING = "starting"
    "Nothing has come yet."
    UP = "up"
    STARVED = "starved"
    "It sends nothing, or not enough."
    SILENT = "silent"
    "It sends, but nothing is to be heard."

    @property
    def is_down(self) -> bool:
        """Whether something else is to be heard in its place."""
        return self in (RelayState.STARVED, RelayState.SILENT)


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a station counts as down, and as back."""

    starved_after_samples: int = 3 * SAMPLE_RATE_HZ
    silence_dbfs: float = -50.0
    "Peaks below it are silence."
    silent_after_samples: int | None = 20 * SAMPLE_RATE_HZ
    "None: silence is part of its programme."
    back_after_samples: int = 2 * SAMPLE_RATE_HZ
    "Sound without a break, until it is heard again."


class RelayWatch:
    """Decides frame by frame; a station is up until it has been down for a while.

    Args:
        settings: For how long.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self._settings = settings
        self._starved = 0
        self._silent = 0
        self._good = 0
        self.state = RelayState.STARTING
        "What is heard now."
        self.down_samples = 0
        "For how long it has been down."

    def step(self, samples: int, starved_samples: int, peak_dbfs: float) -> RelayState:
        """Take in the next frame of what the station sent; return the new state.

        Args:
            samples: Its length.
            starved_samples: How many of them are silence because nothing came.
            peak_dbfs: Its peak.
        """
        loud = peak_dbfs > self._settings.silence_dbfs
        self._starved = self._starved + samples if starved_samples else 0
        self._silent = 0 if loud else self._silent + samples
        # Sound may pause: what counts is that none of it is missing.
        paused = self._silent > self._settings.back_after_samples
        breaks = bool(starved_samples) or paused or (self._good == 0 and not loud)
        self._good = 0 if breaks else self._good + samples
        self.state = self._next()
        self.down_samples = self.down_samples + samples if self.state.is_down else 0
        return self.state

    def _next(self) -> RelayState:
        silent_after = self._settings.silent_after_samples
        if self._starved >= self._settings.starved_after_samples:
            return RelayState.STARVED
        if silent_after is not None and self._silent >= silent_after:
            return RelayState.SILENT
        starts = self.state is RelayState.STARTING and self._starved == 0
        if starts or self._good >= self._settings.back_after_samples:
            return RelayState.UP
        return self.state


class Backoff:
    """How long to wait before a station is tried again.

    The wait doubles with each failure, and is up to a half longer by chance, so that
    a province's relays do not return all at once.

    Args:
        first_s: After the first failure.
        most_s: At most, but for chance.
        rng: Where chance comes from.
    """

    def __init__(self, first_s: float, most_s: float, rng: random.Random) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._rng = rng
        self._failures = 0

    def next_s(self) -> float:
        """Return how long to wait after another failure."""
        wait_s = min(self._first_s * 2.0 ** min(self._failures, 30), self._most_s)
        self._failures += 1
        return wait_s * (1 + self._rng.random() / 2)

    def reset(self) -> None:
        """Note that all is well."""
        self._failures = 0
