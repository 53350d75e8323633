"""Did a speaker hear what it should? Judged by the stretches in its recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.heard import Stretch
from streamer.media.frame import SAMPLE_RATE_HZ

START_TOLERANCE_S = 0.15
LENGTH_TOLERANCE_S = 0.6
"A step of the search at each end, and a bulletin may begin or end with a breath."
LIVE_TOLERANCE_S = 0.005


@dataclass(frozen=True, slots=True)
class Part:
    """What should be heard next."""

    pattern: str
    seconds: float | None = None
    "How long, from the pattern's first sample on; None: at least a second, live."


def complaints(heard: Sequence[Stretch], expected: Sequence[Part]) -> list[str]:
    """Return what is wrong with what was heard; nothing if it is what it should be."""
    order = [stretch.airing.pattern for stretch in heard]
    if order != [part.pattern for part in expected]:
        return [f"heard {', '.join(order) or 'nothing'}"]
    found: list[str] = []
    for part, stretch in zip(expected, heard, strict=True):
        found += _judge(part, stretch)
    return found + _not_live(heard)


def _judge(part: Part, stretch: Stretch) -> list[str]:
    if part.seconds is None:
        return [] if stretch.seconds >= 1 else [f"only a scrap of {part.pattern}"]
    skipped_s = (stretch.start_sample - stretch.airing.shift_samples) / SAMPLE_RATE_HZ
    found = []
    if skipped_s > START_TOLERANCE_S:
        found.append(f"{part.pattern} lacks its first {skipped_s:.1f} s")
    if abs(stretch.seconds - part.seconds) > LENGTH_TOLERANCE_S:
        found.append(
            f"{stretch.seconds:.1f} s of {part.pattern} instead of {part.seconds:.1f}"
        )
    return found


def _not_live(heard: Sequence[Stretch]) -> list[str]:
    """Return what came back from another place than where it would be by then."""
    first: dict[str, int] = {}
    found = []
    for stretch in heard:
        pattern, shift = stretch.airing.pattern, stretch.airing.shift_samples
        behind_s = (shift - first.setdefault(pattern, shift)) / SAMPLE_RATE_HZ
        if abs(behind_s) > LIVE_TOLERANCE_S:
            found.append(f"{pattern} came back {behind_s * 1000:.0f} ms behind")
    return found
