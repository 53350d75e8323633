"""How speech sounds, as ViSQOL hears it (`visqol-python`; speech mode, 16 kHz).

A mean opinion score alone says more of the codec and the voice than of the link, so
what counts is the difference to the same track decoded without a loss. The mapping to
a score is the polynomial one, scaled to 5.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

RATE_HZ = 16_000
WORST = 1.0
PIECE_SAMPLES = 8 * SAMPLE_RATE_HZ
"ViSQOL wants 5 to 10 seconds."


def unfit() -> str | None:
    """Return why quality cannot be scored here; None: it can."""
    found = importlib.util.find_spec("visqol") is not None
    return None if found else "visqol-python is not installed"


def scores(reference: Sequence[Pcm], heard: Sequence[Pcm]) -> list[float]:
    """Return the score of each piece *heard*, 1 to 5, against the *reference*.

    Silence, for which ViSQOL has no number, gets the worst.
    """
    from visqol import VisqolApi  # loads SciPy's heavy parts: only when used

    api: Any = VisqolApi()
    api.create(mode="speech", use_lattice_model=False)
    found = [
        float(api.measure_from_arrays(_lowered(a), _lowered(b), RATE_HZ).moslqo)
        for a, b in zip(reference, heard, strict=True)
    ]
    return [WORST if math.isnan(score) else score for score in found]


def _lowered(pcm: Pcm) -> Any:
    return resample_poly(pcm.astype(np.float64), 1, SAMPLE_RATE_HZ // RATE_HZ)
