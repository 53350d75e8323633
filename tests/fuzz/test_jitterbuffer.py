"""A shorter run of `tests.fuzz.jitterbuffer`, and that it would notice."""

from __future__ import annotations

import pytest

from streamer.media.jitterbuffer import JitterBuffer
from tests.fuzz.jitterbuffer import fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_thousand_inserts_break_no_law(seed: int) -> None:
    verdicts, decisions = fuzz(20_000, seed)
    assert set(verdicts) == {"accepted", "duplicate", "late", "too_far"}
    assert set(decisions) == {"Play", "Recover", "Conceal", "Silence"}
    assert decisions["Play"] > 2_000


def test_law_same_input_same_decisions() -> None:
    assert fuzz(5_000, 3) == fuzz(5_000, 3)


def test_a_buffer_that_forgets_its_horizon_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        JitterBuffer, "skip", lambda self, to: setattr(self, "cursor", to)
    )
    with pytest.raises(AssertionError):
        fuzz(20_000, 1)
