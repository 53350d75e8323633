"""What a speaker's WAV output played, and when (see `clients.speaker.device`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.correlate import read_wav
from clients.speaker.device import elapsed_ns
from streamer.media.frame import Pcm, ns_to_samples


@dataclass(frozen=True, slots=True)
class Recording:
    """A WAV file, which may still be growing, and the clock beside it."""

    path: Path
    start_ns: int
    "Monotonic instant at which sample 0 was heard."
    ppm: float
    "How fast the device's clock is."

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the sidecar of *path*.

        Raises:
            FileNotFoundError: The speaker has not begun to write.
        """
        sidecar = json.loads(Path(f"{path}.json").read_text())
        return cls(path, sidecar["monotonic_ns"], sidecar["ppm"])

    def out_ns(self, sample: int) -> int:
        """Return when a sample of the recording was heard, on the monotonic clock."""
        return self.start_ns + elapsed_ns(sample, self.ppm)

    def sample_at(self, instant_ns: int) -> int:
        """Return the number of the sample heard at an instant, drift left aside."""
        return ns_to_samples(instant_ns - self.start_ns)

    def read(self, *, start: int = 0, samples: int | None = None) -> Pcm:
        """Return what was played from sample *start* on; fewer at the end."""
        return read_wav(self.path, start=start, samples=samples)
