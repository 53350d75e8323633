"""What a watched listener missed, from its own account of each block (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamer.media.frame import SAMPLE_RATE_HZ

GAP_SAMPLES = 150 * SAMPLE_RATE_HZ // 1000
"What NetEQ calls an interruption."
IDLE_SAMPLES = 60 * SAMPLE_RATE_HZ // 1000
"""For so long nothing is rendered, though something is on air: that is silence.

A shorter time is none: the resampler reads ahead by more or less than a block.
"""

BLOCK = np.dtype(
    [
        ("out_ns", "<i8"),
        ("total_samples", "<i8"),
        ("concealed_samples", "<i8"),
        ("packets_received", "<i8"),
        ("packets_late", "<i8"),
        ("packets_lost", "<i8"),
    ]
)
"One block: when it is heard, and what the listener had counted by then."
Blocks = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Missed:
    """Of a window of time in which a programme was on air throughout."""

    concealed_ratio: float
    "Concealed samples of those rendered (W3C webrtc-stats)."
    unheard_ratio: float
    "Of the window, what was not even rendered: the listener had given up."
    gaps: int
    "Concealed or unheard stretches of 150 ms and more."
    longest_gap_ms: float
    late_ratio: float
    "Packets that came too late, of those that came."


def missed(blocks: Blocks, from_ns: int, to_ns: int) -> Missed:
    """Return what was missed of what was to be heard in [from_ns, to_ns).

    Raises:
        ValueError: Nothing was heard then.
    """
    inside = np.flatnonzero((blocks["out_ns"] >= from_ns) & (blocks["out_ns"] < to_ns))
    if len(inside) < 3:
        raise ValueError("the listener was not there")
    window = blocks[max(0, inside[0] - 1) : inside[-1] + 1]
    total, concealed, received, late = (
        int(window[name][-1] - window[name][0])
        for name in ("total_samples", "concealed_samples", "packets_received",
                     "packets_late")
    )  # fmt: skip
    runs = stretches(window)
    return Missed(
        concealed_ratio=concealed / max(1, total),
        unheard_ratio=_unheard(window) / ((len(window) - 1) * _block_samples(window)),
        gaps=sum(run >= GAP_SAMPLES for run in runs),
        longest_gap_ms=max(runs, default=0) * 1000 / SAMPLE_RATE_HZ,
        late_ratio=late / max(1, received),
    )


def stretches(window: Blocks) -> list[int]:
    """Return the lengths, in samples, of what was concealed or not rendered at all."""
    block_samples = _block_samples(window)
    found: list[int] = []
    run = idle = 0
    for total, concealed in zip(
        np.diff(window["total_samples"]).tolist(),
        np.diff(window["concealed_samples"]).tolist(),
        strict=True,
    ):
        if total == 0:
            idle += block_samples
            continue
        if idle >= IDLE_SAMPLES:
            run += idle
        idle = 0
        run += concealed
        if total > concealed:  # something else was heard, before it or after it
            found, run = ([*found, run] if run else found), 0
    if idle >= IDLE_SAMPLES:
        run += idle
    return [*found, run] if run else found


def _unheard(window: Blocks) -> int:
    block_samples = _block_samples(window)
    missing, idle = 0, 0
    for total in [*np.diff(window["total_samples"]).tolist(), 1]:
        if total == 0:
            idle += block_samples
            continue
        missing += idle if idle >= IDLE_SAMPLES else 0
        idle = 0
    return missing


def _block_samples(window: Blocks) -> int:
    """Return how long a block lasts, which is the listener's choice."""
    return round(float(np.median(np.diff(window["out_ns"]))) * SAMPLE_RATE_HZ / 1e9)
