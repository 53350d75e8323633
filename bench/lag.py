"""How long after its capture each half second of a recording was heard (pure).

By the sound alone: a piece of the recording is looked for in what was sent, decoded
without a loss, within the delays that can be. A piece that was stretched still shows;
one that is silent, or mostly concealed, does not and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.correlate import find
from bench.recording import Recording
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, ns_to_samples, samples_to_ns

PIECE_SAMPLES = SAMPLE_RATE_HZ // 2
MATCH_SCORE = 0.7
MAX_LAG_SAMPLES = 5 * SAMPLE_RATE_HZ
"Shorter than a sentence, whose beginning may come again in the next."


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, and when its first sample was captured (monotonic)."""

    pcm: Pcm
    capture_ns: int


@dataclass(frozen=True, slots=True)
class Lag:
    """Of one piece."""

    out_ns: int
    "When its first sample was heard."
    lag_ns: int


def lags(sent: Sent, recording: Recording, from_ns: int, to_ns: int) -> list[Lag]:
    """Return how late each piece heard in [from_ns, to_ns) was."""
    first = max(0, recording.sample_at(from_ns))
    heard = recording.read(
        start=first, samples=recording.sample_at(to_ns) - recording.sample_at(from_ns)
    )
    return list(_found(sent, recording, first, heard))


def _found(sent: Sent, recording: Recording, first: int, heard: Pcm) -> Iterator[Lag]:
    for start in range(0, len(heard) - PIECE_SAMPLES + 1, PIECE_SAMPLES):
        piece = heard[start : start + PIECE_SAMPLES]
        out_ns = recording.out_ns(first + start)
        latest = ns_to_samples(out_ns - sent.capture_ns)
        earliest = max(0, latest - MAX_LAG_SAMPLES)
        around = sent.pcm[earliest : max(0, latest) + PIECE_SAMPLES]
        if len(around) < PIECE_SAMPLES or not np.any(piece):
            continue
        match = find(piece, around)
        if match.score >= MATCH_SCORE:
            lag = latest - (earliest + match.offset_samples)
            yield Lag(out_ns, samples_to_ns(lag))
