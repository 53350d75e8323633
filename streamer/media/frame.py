"""The values that travel through the pipeline, and the units they are counted in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 48_000
FRAME_SAMPLES = 960
FRAME_NS = 20_000_000

Pcm: TypeAlias = npt.NDArray[np.float32]
"Mono at 48 kHz, shape (samples,), full scale at -1 and 1."


def samples_to_ns(samples: int) -> int:
    """Return how long *samples* last, rounded down."""
    return samples * 1_000_000_000 // SAMPLE_RATE_HZ


def ns_to_samples(duration_ns: int) -> int:
    """Return how many whole samples fit into *duration_ns*."""
    return duration_ns * SAMPLE_RATE_HZ // 1_000_000_000


def silence(samples: int) -> Pcm:
    """Return *samples* zeros."""
    return np.zeros(samples, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class MediaPacket:
    """One Opus packet as a jitter buffer holds it."""

    timestamp: int
    "Unwrapped media time of its first sample, in samples at 48 kHz."

    duration_samples: int
    "Read from the packet's TOC byte (RFC 6716, section 3.1)."

    payload: bytes


@dataclass(frozen=True, slots=True)
class ProgrammePacket:
    """One packet of a programme on air, made once and shared by every listener."""

    ssrc: int
    index: int
    "Number of the packet within its programme, from 0; never wraps."

    rtp: bytes
    "The whole RTP packet. Never copied, never changed."

    capture_ns: int
    "Local monotonic instant at which its first decoded sample was captured."

    due_ns: int
    "Local monotonic instant at which the 20 ms grid owed this packet."
