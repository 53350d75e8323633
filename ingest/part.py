"""A part of a stream of PCM, exact to the sample (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamer.media.frame import Pcm


def part_of(
    pieces: Iterable[Pcm], start_samples: int, stop_samples: int | None = None
) -> Iterator[Pcm]:
    """Yield samples *start_samples* to *stop_samples* of all *pieces* together.

    No piece is asked for beyond that in which the part ends. A part that lies
    beyond the end is empty.

    Args:
        pieces: The stream, however it is cut.
        start_samples: The first sample of the part.
        stop_samples: The first after it; None: the part reaches to the end.

    Raises:
        ValueError: Not ``0 <= start_samples <= stop_samples``; as soon as it is
            called.
    """
    check_part(start_samples, stop_samples)
    return _part_of(pieces, start_samples, stop_samples)


def check_part(start_samples: int, stop_samples: int | None) -> None:
    """Say whether there is such a part.

    Raises:
        ValueError: Not ``0 <= start_samples <= stop_samples``.
    """
    if start_samples < 0 or (stop_samples is not None and stop_samples < start_samples):
        raise ValueError(f"need 0 <= {start_samples=} <= {stop_samples=}")


def _part_of(pieces: Iterable[Pcm], start: int, stop: int | None) -> Iterator[Pcm]:
    position = 0
    if stop is not None and start == stop:
        return
    for piece in pieces:
        end = None if stop is None else stop - position
        wanted = piece[max(0, start - position) : end]
        position += len(piece)
        if len(wanted):
            yield wanted
        if stop is not None and position >= stop:
            return
