"""Tests of what the benches of the speaker make of what they saw."""

from __future__ import annotations

import numpy as np
import pytest

from bench.concealment import BLOCK, Blocks
from bench.drift import measure
from bench.impaired import Trace
from bench.plot import shares_by_bin
from bench.stall import back_ms
from bench.sync import speeds

BLOCK_NS = 20_000_000
SECOND = 1_000_000_000


def account(heard: list[bool]) -> Blocks:
    blocks = np.zeros(len(heard) + 1, BLOCK)
    blocks["out_ns"] = np.arange(len(heard) + 1) * BLOCK_NS
    blocks["total_samples"][1:] = np.arange(1, len(heard) + 1) * 960
    blocks["concealed_samples"][1:] = np.cumsum([not each for each in heard]) * 960
    return blocks


def test_devices_are_wrong_evenly_both_ways() -> None:
    assert speeds(2, 100) == (-100, 100)
    assert speeds(3, 50) == (-50, 0, 50)


def test_a_speaker_is_back_when_nothing_is_missing_for_half_a_second() -> None:
    heard = [True] * 50 + [False] * 100 + [True] * 10 + [False] * 5 + [True] * 60
    assert back_ms(account(heard), 120 * BLOCK_NS) == (166 - 120) * 20
    with pytest.raises(ValueError, match="did not come back"):
        back_ms(account([True] * 50 + [False] * 100), 60 * BLOCK_NS)


def test_concealment_is_drawn_in_the_second_in_which_it_was() -> None:
    heard = [True] * 100 + [False] * 25 + [True] * 125
    starts, shares = shares_by_bin(Trace("loacast", 0, account(heard), []))
    assert starts == [0, 1, 2, 3]
    assert shares == pytest.approx([0, 0, 50, 0], abs=2.1)


def test_minutes_of_a_wrong_clock_are_worked_off() -> None:
    row = measure(-100.0, 0.062)
    assert row["status"] == "ok", row
    assert row["inserted_samples"] < 0
