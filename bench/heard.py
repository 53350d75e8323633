"""What a recording holds, told by its sound: which pattern, when, and where in it.

First whole seconds are looked for in every pattern; each place found (an *airing*)
then is followed through the recording in steps of a tenth of a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.correlate import Match, find
from bench.seek import Haystack
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

SEEK_SAMPLES = SAMPLE_RATE_HZ
STEP_SAMPLES = SAMPLE_RATE_HZ // 10
TOLERANCE_SAMPLES = SAMPLE_RATE_HZ // 200
"5 ms: how far an airing may wander in a recording (the speaker resamples)."
JUMP_SAMPLES = 3 * TOLERANCE_SAMPLES
"""How far a window may lie from its airing's first one and still belong to it: one
window of a low tone resembles the next period's, and browsers stretch time.
"""
SEEK_SCORE = 0.6
STEP_SCORE = 0.5
MIN_STEPS = 5
PAUSE_SAMPLES = SAMPLE_RATE_HZ
"Silence up to this long within an airing belongs to it: bulletins breathe."
_SILENT_RMS = 1e-3


@dataclass(frozen=True, slots=True)
class Airing:
    """A pattern, and how far it is shifted against the recording."""

    pattern: str
    shift_samples: int
    "Index in the recording minus number of the sample in the pattern."


@dataclass(frozen=True, slots=True)
class Stretch:
    """One airing heard without interruption."""

    airing: Airing
    start_sample: int
    end_sample: int

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.end_sample - self.start_sample) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class _Fit:
    """An airing that a window may belong to."""

    score: float
    place: int
    "Among the airings found."
    airing: Airing


def stretches(recording: Pcm, references: Mapping[str, Pcm]) -> list[Stretch]:
    """Return what was heard in *recording*, in order; unknown sound is left out.

    So is what was heard for less than `MIN_STEPS` in all: where a tone sets in, a
    scrap of it can resemble another place of the pattern.

    Args:
        recording: What a speaker played.
        references: Each pattern from its sample 0, as long as it may have been heard.
    """
    airings = seek(recording, references)
    starts = range(0, len(recording) - STEP_SAMPLES + 1, STEP_SAMPLES)
    fits = [
        _fits(recording[start : start + STEP_SAMPLES], start, airings, references)
        for start in starts
    ]
    support = Counter(_best(each).place for each in fits if each)
    found: list[Stretch] = []
    for start, each in zip(starts, fits, strict=True):
        kept = [fit for fit in each if support[fit.place] >= MIN_STEPS]
        if kept:
            _extend(found, _best(kept).airing, start)
    return found


def seek(recording: Pcm, references: Mapping[str, Pcm]) -> list[Airing]:
    """Return every airing that a whole second of *recording* belongs to."""
    haystacks = {
        pattern: Haystack(reference, SEEK_SAMPLES)
        for pattern, reference in references.items()
    }
    airings: list[Airing] = []
    for start in range(0, len(recording) - SEEK_SAMPLES + 1, SEEK_SAMPLES // 2):
        window = recording[start : start + SEEK_SAMPLES]
        if _is_silent(window):
            continue
        if known := _fits(window, start, airings, references):
            airings[_best(known).place] = _best(known).airing
            continue
        matches = {name: stack.find(window) for name, stack in haystacks.items()}
        pattern, rough = max(matches.items(), key=lambda item: item[1].score)
        airing = Airing(pattern, start - rough.offset_samples)
        reference = references[pattern]
        match = match_at(window, start, airing, reference, TOLERANCE_SAMPLES)
        if match is not None and match.score >= SEEK_SCORE:
            airings.append(Airing(pattern, start - match.offset_samples))
    return airings


def match_at(
    window: Pcm, start: int, airing: Airing, reference: Pcm, tolerance: int
) -> Match | None:
    """Return how *window*, at *start* in the recording, fits into *airing*.

    The match's offset is the number of its first sample in the pattern. None when the
    airing does not reach that far.
    """
    expected = start - airing.shift_samples
    first = max(0, expected - tolerance)
    around = reference[first : max(0, expected + len(window) + tolerance)]
    if len(around) < len(window):
        return None
    match = find(window, around)
    return replace(match, offset_samples=match.offset_samples + first)


def _fits(
    window: Pcm, start: int, airings: Sequence[Airing], references: Mapping[str, Pcm]
) -> list[_Fit]:
    """Return the airings that *window* may belong to, each moved to where it is now."""
    if _is_silent(window):
        return []
    found = []
    for place, airing in enumerate(airings):
        reference = references[airing.pattern]
        match = match_at(window, start, airing, reference, TOLERANCE_SAMPLES)
        if match is not None and match.score >= STEP_SCORE:
            moved = replace(airing, shift_samples=start - match.offset_samples)
            found.append(_Fit(match.score, place, moved))
    return found


def _best(fits: Sequence[_Fit]) -> _Fit:
    return max(fits, key=lambda fit: fit.score)


def _extend(found: list[Stretch], airing: Airing, start: int) -> None:
    end = start + STEP_SAMPLES
    if found:
        last = found[-1]
        same = (
            last.airing.pattern == airing.pattern
            and abs(last.airing.shift_samples - airing.shift_samples) <= JUMP_SAMPLES
        )
        if same and start - last.end_sample <= PAUSE_SAMPLES:
            found[-1] = Stretch(last.airing, last.start_sample, end)
            return
    found.append(Stretch(airing, start, end))


def _is_silent(pcm: Pcm) -> bool:
    return float(np.sqrt(np.mean(pcm**2))) < _SILENT_RMS
