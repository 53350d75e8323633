"""Spans of time: cut, subtracted and measured (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"From one instant until just before the other, in microseconds."


def running(turns: Iterable[tuple[int, bool]], whole: Span) -> list[Span]:
    """Return when a source ran.

    Args:
        turns: Instants at which it began to run (True) or stood still, in order.
        whole: From the broadcast's beginning to its end; all of it without turns.
    """
    found: list[Span] = []
    since: int | None = None
    seen = False
    for at_us, runs in turns:
        seen = True
        if runs and since is None:
            since = at_us
        elif not runs and since is not None:
            found.append((since, at_us))
            since = None
    if not seen:
        since = whole[0]
    if since is not None:
        found.append((since, whole[1]))
    return clipped(found, *whole)


def clipped(spans: Iterable[Span], from_us: int, to_us: int | None) -> list[Span]:
    """Return what of *spans* lies between two instants; None is without end."""
    cut = (
        (max(start, from_us), end if to_us is None else min(end, to_us))
        for start, end in spans
    )
    return [(start, end) for start, end in cut if start < end]


def without(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """Return what of *spans* lies in none of *others*, which may overlap."""
    found = list(spans)
    for start, end in others:
        found = [
            piece
            for one in found
            for piece in ((one[0], min(one[1], start)), (max(one[0], end), one[1]))
            if piece[0] < piece[1]
        ]
    return found


def length_us(spans: Iterable[Span]) -> int:
    """Return how long *spans*, apart from each other, last together."""
    return sum(end - start for start, end in spans)
