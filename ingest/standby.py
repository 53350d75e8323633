"""What is heard in a station's place, and the way there and back."""

from __future__ import annotations

import logging

import numpy as np

from ingest.opening import Opener, Opening
from ingest.repeat import RepeatingSource
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import Source, SourceFailed

CROSSFADE_SAMPLES = SAMPLE_RATE_HZ // 10

_log = logging.getLogger(__name__)


class Standby:
    """Covers for a station that is down; used by one thread.

    The fallback is opened when it is first wanted, repeated from its beginning as
    long as it is, and closed once the station is back. A fallback that cannot be
    opened, or of which nothing can be read, is given up: then there is silence.

    Args:
        fallback: Opens it, on a thread of its own; None: there is none.
        name: Of the station, for the log.
    """

    def __init__(self, fallback: Opener | None, name: str) -> None:
        self._fallback = fallback
        self._name = name
        self._opening: Opening | None = None
        self._source: Source | None = None
        self._covered = 0  # of CROSSFADE_SAMPLES
        self.heard_samples = 0
        "Of the fallback, so far."

    @property
    def exists(self) -> bool:
        """Whether there is a fallback that can be heard."""
        return self._fallback is not None

    def over(self, station: Pcm, *, is_wanted: bool) -> Pcm:
        """Return what is heard instead of *station*.

        Args:
            station: The next samples of the station, silence where it has none.
            is_wanted: Whether the fallback is to be heard.
        """
        if is_wanted and self._source is None:
            self._open()
        if self._source is None:
            return station
        mixed = self._mix(station, self._source, CROSSFADE_SAMPLES * is_wanted)
        if self._covered == 0 and not is_wanted:
            self._drop()
        return mixed

    def close(self) -> None:
        """Close what is open; idempotent."""
        self._fallback = None
        self._drop()

    def _mix(self, station: Pcm, source: Source, wanted: int) -> Pcm:
        samples = len(station)
        before = self._covered
        self._covered += min(max(wanted - before, -samples), samples)
        # Over and out: the fade moves by a sample with each sample.
        steps = np.arange(samples) * (1 if wanted > before else -1)
        low, high = sorted((before, self._covered))
        covered = np.clip(before + steps, low, high)
        part = (covered / CROSSFADE_SAMPLES).astype(np.float32)
        mixed: Pcm = station * (1 - part) + self._read(source, samples) * part
        return mixed

    def _read(self, source: Source, samples: int) -> Pcm:
        try:
            pcm = source.read(samples)
        except SourceFailed as failure:
            self._give_up(str(failure))
            return silence(samples)
        self.heard_samples += len(pcm)
        return np.concatenate((pcm, silence(samples - len(pcm))))

    def _open(self) -> None:
        fallback = self._fallback
        if fallback is None:
            return
        if self._opening is None:
            self._opening = Opening.begin(
                lambda: RepeatingSource.open(fallback), "a fallback"
            )
        try:
            self._source = self._opening.take()
        except SourceFailed as failure:
            self._give_up(str(failure))
        if self._source is not None:
            self._opening = None

    def _give_up(self, why: str) -> None:
        _log.error("the fallback of %s is given up: %s", self._name, why)
        self._fallback = None
        self._covered = 0
        self._drop()

    def _drop(self) -> None:
        if self._source is not None:
            self._source.close()
        if self._opening is not None:
            self._opening.abandon()
        self._source = self._opening = None
