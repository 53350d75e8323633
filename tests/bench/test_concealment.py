"""Tests of bench.concealment: accounts made by hand, and laws about them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.concealment import BLOCK, Blocks, missed, stretches
from clients.speaker.device import BLOCK_SAMPLES

BLOCK_NS = 20_000_000
HEARD, CONCEALED, IDLE = "h", "c", "."


def account(pattern: str | Sequence[str]) -> Blocks:
    """Return the account of a listener who did these things, block by block."""
    blocks = np.zeros(len(pattern) + 1, BLOCK)
    blocks["out_ns"] = np.arange(len(pattern) + 1) * BLOCK_NS
    total = [each != IDLE for each in pattern]
    concealed = [each == CONCEALED for each in pattern]
    blocks["total_samples"][1:] = np.cumsum(total) * BLOCK_SAMPLES
    blocks["concealed_samples"][1:] = np.cumsum(concealed) * BLOCK_SAMPLES
    return blocks


@given(st.lists(st.sampled_from([HEARD, CONCEALED]), min_size=5, max_size=200))
def test_law_stretches_are_the_runs_of_what_was_concealed(pattern: list[str]) -> None:
    wanted = [len(list(run)) for each, run in groupby(pattern) if each == CONCEALED]
    blocks = account(pattern)
    assert stretches(blocks) == [length * BLOCK_SAMPLES for length in wanted]
    found = missed(blocks, 0, 10**15)
    assert found.concealed_ratio == pytest.approx(
        pattern.count(CONCEALED) / len(pattern)
    )
    assert found.gaps == sum(length >= 8 for length in wanted)  # 7.5 are 150 ms


def test_a_listener_that_gave_up_was_not_heard() -> None:
    found = missed(account("hhhh" + "." * 10 + "hhhh"), 0, 10**15)
    assert found.concealed_ratio == 0
    assert found.unheard_ratio == pytest.approx(10 / 18)
    assert (found.gaps, found.longest_gap_ms) == (1, 200)


def test_concealment_and_giving_up_are_one_gap() -> None:
    assert stretches(account("hh" + "cccc" + "...." + "hh")) == [8 * BLOCK_SAMPLES]
    assert stretches(account("hhcccc....")) == [8 * BLOCK_SAMPLES]


def test_a_block_read_ahead_is_no_silence() -> None:
    """The resampler sometimes takes two blocks at once and then none."""
    blocks = account("hhhhhh")
    blocks["total_samples"][3] = blocks["total_samples"][2]
    assert stretches(blocks) == []
    assert missed(blocks, 0, 10**15).unheard_ratio == 0


def test_only_the_window_counts() -> None:
    blocks = account("cccchhhhhhhhcccc")
    assert missed(blocks, 5 * BLOCK_NS, 12 * BLOCK_NS).concealed_ratio == 0
    with pytest.raises(ValueError, match="not there"):
        missed(blocks, 10**12, 10**13)


def test_late_packets_are_a_share_of_those_that_came() -> None:
    blocks = account("hhhh")
    blocks["packets_received"] = [0, 10, 20, 30, 40]
    blocks["packets_late"] = [0, 0, 1, 1, 2]
    assert missed(blocks, 0, 10**15).late_ratio == pytest.approx(0.05)
