"""Speech a pitch period shorter or longer, without a change of pitch (WSOLA; pure).

Two neighbouring stretches that are alike are blended into one, or one of them is put
in once more. They are looked for by autocorrelation, coarsely at 4 kHz and then to
the sample. What is not alike is left as it is, unless it is too quiet to matter.

Sources: Verhelst and Roelands, "An overlap-add technique based on waveform similarity
(WSOLA)", ICASSP 1993; lags and acceptance as in WebRTC's NetEQ (time_stretch.h:85-90,
accelerate.cc:59): 2.5 to 15 ms, normalised correlation above 0.9 or low energy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from streamer.media.frame import Pcm

MIN_LAG_SAMPLES = 120
MAX_LAG_SAMPLES = 720
COMPARED_SAMPLES = 480
"Over how much two stretches must be alike, at least."
ACCEPTED_CORRELATION = 0.9
QUIET_POWER = 1e-5
"Mean square below which anything goes: -50 dBFS."
_DECIMATION = 12  # 4 kHz: the pitch of any voice is far below 2


class Similarity(NamedTuple):
    """Where a signal repeats itself."""

    lag_samples: int
    correlation: float
    "Normalised: 1 is the same, whatever the level."


def power_of(pcm: Pcm) -> float:
    """Return the mean square; a full-scale square wave has 1."""
    return float(np.dot(pcm, pcm)) / max(1, len(pcm))


def shorten(window: Pcm, longest_samples: int) -> Pcm:
    """Return *window* without one period of at most *longest_samples*, or as it is.

    Args:
        window: At least `COMPARED_SAMPLES` more than what may be taken out; begins
            and ends as it did.
        longest_samples: Most that may be taken out.
    """
    longest = min(longest_samples, MAX_LAG_SAMPLES)
    lag = _accepted_lag(window, longest, back=False)
    if lag == 0:
        return window
    fade = min(lag, len(window) - lag)
    blend = _crossed(window[:fade], window[lag : lag + fade])
    return np.concatenate((blend, window[lag + fade :]))


def lengthen(past: Pcm, window: Pcm, longest_samples: int) -> Pcm:
    """Return *window* with a period of at most *longest_samples* more, or as it is.

    What was just heard is heard once more, so nothing of the future is needed.

    Args:
        past: What was played before *window*; at least `MAX_LAG_SAMPLES`.
        window: At least `COMPARED_SAMPLES`; begins and ends as it did.
        longest_samples: Most that may be put in.
    """
    longest = min(longest_samples, MAX_LAG_SAMPLES)
    both = np.concatenate((past[len(past) - longest :], window))
    lag = _accepted_lag(both, longest, back=True)
    if lag == 0:
        return window
    again = past[-lag:].copy()
    fade = min(lag, len(window))
    again[:fade] = _crossed(window[:fade], again[:fade])
    return np.concatenate((again, window))


def similarity(window: Pcm, longest_samples: int, *, back: bool) -> Similarity:
    """Return the lag at which *window* is most like itself.

    All but *longest_samples* of it are compared with what lies that far off.

    Args:
        window: At least `COMPARED_SAMPLES` more than the largest lag.
        longest_samples: Largest lag, at least `MIN_LAG_SAMPLES`.
        back: Compare the end with what comes before it; else the beginning with what
            comes after it.
    """
    if len(window) < COMPARED_SAMPLES + longest_samples:
        raise ValueError(f"{len(window)} samples are too few for {longest_samples=}")
    if back:  # as if time ran backwards
        window = window[::-1]
    usable = len(window) // _DECIMATION * _DECIMATION
    coarse = window[:usable].reshape(-1, _DECIMATION).mean(axis=1)
    lags = range(MIN_LAG_SAMPLES // _DECIMATION, longest_samples // _DECIMATION + 1)
    scores = _correlations(coarse, lags)
    best = max(scores, key=scores.__getitem__) * _DECIMATION
    first = max(MIN_LAG_SAMPLES, best - _DECIMATION)
    last = min(longest_samples, best + _DECIMATION)
    scores = _correlations(window, range(first, last + 1, 2))
    lag = max(scores, key=scores.__getitem__)
    return Similarity(lag, scores[lag])


def _accepted_lag(window: Pcm, longest: int, *, back: bool) -> int:
    """Return by how much *window* may be shifted against itself; 0: not at all."""
    if longest < MIN_LAG_SAMPLES:
        return 0
    if power_of(window) < QUIET_POWER:
        return longest
    found = similarity(window, longest, back=back)
    return found.lag_samples if found.correlation > ACCEPTED_CORRELATION else 0


def _correlations(pcm: Pcm, lags: range) -> dict[int, float]:
    """Return the normalised correlation of the beginning with what is *lags* later."""
    compared = len(pcm) - lags[-1]
    fixed = pcm[:compared]
    scores = {}
    for lag in lags:
        other = pcm[lag : lag + compared]
        energies = float(np.dot(fixed, fixed)) * float(np.dot(other, other))
        product = float(np.dot(fixed, other))
        scores[lag] = product / math.sqrt(max(energies, 1e-20))
    return scores


def _crossed(old: Pcm, new: Pcm) -> Pcm:
    """Return *old* turning into *new*; alike as they are, a straight line does."""
    rise = np.linspace(0, 1, len(old), endpoint=False, dtype=np.float32)
    return old + (new - old) * rise
