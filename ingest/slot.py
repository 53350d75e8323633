"""How items share a slot of so many samples: arithmetic, and the fade (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from streamer.media.frame import Pcm


class Overrun(StrEnum):
    """What happens to an item that is longer than what is left of the slot."""

    FADE = "fade"
    "It plays until the slot ends, and fades out there."
    SKIP = "skip"
    "It is left out, and the next is tried; one of unknown length fades."


@dataclass(frozen=True, slots=True)
class Share:
    """What an item gets of the slot."""

    samples: int | None
    "At most so many; None: all that it has."
    expected_samples: int | None
    "How many it will have, as far as anybody knows."
    is_cut: bool
    "Whether it has more than its share, or may have: then it fades out."


def share_of(
    length_samples: int | None,
    limit_samples: int | None,
    left_samples: int | None,
    overrun: Overrun,
) -> Share | None:
    """Return what an item gets that begins now; None: it is skipped.

    Args:
        length_samples: What the item has, about; None: unknown, or no end.
        limit_samples: What it may have; None: all.
        left_samples: What is left of the slot; None: there is no slot.
        overrun: What to do when it has more than is left.
    """
    if left_samples is not None and left_samples <= 0:
        return None
    wanted = _least(length_samples, limit_samples)
    fits = wanted is None or left_samples is None or wanted <= left_samples
    if overrun is Overrun.SKIP and not fits:
        return None
    most = _least(limit_samples, left_samples)
    return Share(
        samples=most,
        expected_samples=_least(wanted, left_samples),
        is_cut=most is not None and (length_samples is None or length_samples > most),
    )


def fade_out(pcm: Pcm, start_samples: int, end_samples: int, fade_samples: int) -> Pcm:
    """Return *pcm* with the fade that is silent at *end_samples*.

    Which samples are handed in at once does not matter.

    Args:
        pcm: A piece of an item.
        start_samples: Where in the item it begins.
        end_samples: Where the item is cut.
        fade_samples: How long the fade is; one longer than the item begins with it,
            softer than it would.
    """
    to_end = end_samples - start_samples - np.arange(len(pcm))
    if fade_samples <= 0 or len(pcm) == 0 or to_end[-1] >= fade_samples:
        return pcm
    phase = np.clip(to_end / fade_samples, 0.0, 1.0) * (np.pi / 2)
    faded: Pcm = (pcm * np.sin(phase) ** 2).astype(np.float32)
    return faded


def _least(first: int | None, second: int | None) -> int | None:
    known = [each for each in (first, second) if each is not None]
    return min(known, default=None)
