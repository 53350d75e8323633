"""Tests of ingest.part: a part of a stream, however the stream is cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.part import part_of
from streamer.media.frame import Pcm, silence

LENGTHS = st.lists(st.integers(0, 50), max_size=12)


def pieces_of(lengths: list[int]) -> list[Pcm]:
    whole = np.arange(sum(lengths), dtype=np.float32)
    return np.split(whole, np.cumsum(lengths)[:-1]) if lengths else []


@given(
    lengths=LENGTHS, start=st.integers(0, 400), length=st.integers(0, 400) | st.none()
)
def test_law_a_part_is_the_slice(
    lengths: list[int], start: int, length: int | None
) -> None:
    stop = None if length is None else start + length
    part = np.concatenate([silence(0), *part_of(pieces_of(lengths), start, stop)])
    wanted = np.arange(sum(lengths), dtype=np.float32)[start:stop]
    np.testing.assert_array_equal(part, wanted)


@given(lengths=LENGTHS.filter(lambda each: sum(each) > 0), data=st.data())
def test_law_nothing_is_decoded_beyond_the_end(
    lengths: list[int], data: st.DataObject
) -> None:
    stop = data.draw(st.integers(0, sum(lengths)))
    asked: list[int] = []

    def stream() -> Iterator[Pcm]:
        for piece in pieces_of(lengths):
            assert sum(asked) < stop
            asked.append(len(piece))
            yield piece

    assert sum(map(len, part_of(stream(), 0, stop))) == stop


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (2, 1), (-2, -1)])
def test_an_impossible_part_is_refused_at_once(start: int, stop: int | None) -> None:
    with pytest.raises(ValueError, match="start_samples"):
        part_of([], start, stop)
