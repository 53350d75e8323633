"""Tests of ingest.slot: the arithmetic of slots as laws."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.slot import Overrun, fade_out, share_of

LENGTHS = st.integers(0, 100) | st.none()
OVERRUNS = st.sampled_from(Overrun)


def least(*values: int | None) -> float:
    return min(float("inf") if value is None else value for value in values)


@given(LENGTHS, LENGTHS, LENGTHS, OVERRUNS)
def test_law_nobody_gets_more_than_there_is(
    length: int | None, limit: int | None, left: int | None, overrun: Overrun
) -> None:
    share = share_of(length, limit, left, overrun)
    if share is None:
        assert left is not None
        assert left <= 0 or (overrun is Overrun.SKIP and least(length, limit) > left)
        return
    assert least(share.samples) == least(limit, left)
    assert least(share.expected_samples) == least(length, limit, left)


@given(LENGTHS, LENGTHS, LENGTHS, OVERRUNS)
def test_law_an_item_fades_just_when_some_of_it_may_be_missing(
    length: int | None, limit: int | None, left: int | None, overrun: Overrun
) -> None:
    share = share_of(length, limit, left, overrun)
    if share is not None:
        assert share.is_cut == (
            least(length) > least(limit, left)
            or (length is None and share.samples is not None)
        )


@given(LENGTHS, LENGTHS, LENGTHS)
def test_law_whoever_fits_is_never_skipped(
    length: int | None, limit: int | None, left: int | None
) -> None:
    if least(length, limit) <= least(left) and left != 0:
        for overrun in Overrun:
            assert share_of(length, limit, left, overrun) is not None


@given(
    end=st.integers(1, 300),
    fade=st.integers(0, 400),
    cuts=st.lists(st.integers(0, 300), max_size=5),
)
def test_law_a_fade_does_not_depend_on_how_it_is_cut(
    end: int, fade: int, cuts: list[int]
) -> None:
    pcm = np.ones(end, dtype=np.float32)
    bounds = sorted({0, end, *(cut for cut in cuts if cut < end)})
    parts = [fade_out(pcm[a:b], a, end, fade) for a, b in itertools.pairwise(bounds)]
    whole = fade_out(pcm, 0, end, fade)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (np.diff(whole) <= 0).all()
    np.testing.assert_array_equal(whole[: max(0, end - fade)], 1.0)
    if fade >= 10:
        assert whole[-1] < 0.03
