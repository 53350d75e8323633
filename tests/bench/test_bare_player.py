"""Tests of how the bench plays what aiortc's receiver gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.concealment import BLOCK, missed
from bench.listening_aiortc import BarePlayer
from bench.recording import Recording
from streamer.media.frame import FRAME_NS, FRAME_SAMPLES

START_NS = 7_000_000_000
FRAME = np.full(FRAME_SAMPLES, 0.5, np.float32)


def test_a_frame_is_heard_when_it_comes_or_when_the_one_before_has_ended(
    tmp_path: Path,
) -> None:
    player = BarePlayer(tmp_path / "w", START_NS)
    for frames in (0, 1, 1.5, 14):  # in frames since the start; then nothing for long
        player.play(FRAME, START_NS + round(frames * FRAME_NS))
    player.end(START_NS + 20 * FRAME_NS)
    heard = Recording.open(tmp_path / "w").read()
    sounding = np.flatnonzero(heard)
    assert len(heard) == 20 * FRAME_SAMPLES
    assert len(sounding) == 4 * FRAME_SAMPLES
    assert sounding[3 * FRAME_SAMPLES] == 14 * FRAME_SAMPLES


def test_silence_in_between_is_what_was_missed(tmp_path: Path) -> None:
    player = BarePlayer(tmp_path / "w", START_NS)
    for number in (*range(10), *range(20, 41)):
        player.play(FRAME, START_NS + number * FRAME_NS)
    player.end(START_NS + 41 * FRAME_NS)
    blocks = np.fromfile(tmp_path / "w.blocks", BLOCK)
    found = missed(blocks, START_NS, START_NS + 41 * FRAME_NS)
    assert (found.gaps, found.longest_gap_ms) == (1, 200)
    assert found.concealed_ratio == 10 / 40  # counted from the first block's end
