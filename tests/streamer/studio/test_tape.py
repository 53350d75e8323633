"""Laws of the tape: several heads, each of which loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.frame import Pcm
from streamer.media.source import PcmSource, SourceFailed
from streamer.studio.tape import Head, Tape

KEPT = 50


def ramp(samples: int) -> Pcm:
    """Return samples that tell their own numbers."""
    return np.arange(samples, dtype=np.float32)


@given(
    length=st.integers(0, 300),
    reads=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 60)),
        max_size=60,
    ),
)
def test_every_head_reads_all_from_its_place_on(
    length: int, reads: list[tuple[int, int, int]]
) -> None:
    tape = Tape(PcmSource(ramp(length)), kept_samples=KEPT)
    heads: dict[int, tuple[int, Head, list[Pcm]]] = {}
    front = 0
    for name, samples, back in reads:
        if name not in heads:
            first = max(0, front - back)
            head = tape.head(first)
            assert head.position == first or not tape.holds(first)
            heads[name] = head.position, head, []
        first, head, read = heads[name]
        if front - head.position > KEPT:
            continue  # left behind for longer than is kept: nobody does that
        left = length - head.position
        read.append(head.read(samples))
        assert len(read[-1]) == max(0, min(samples, left))
        front = max(front, head.position)
    for first, head, read in heads.values():
        found = np.concatenate([ramp(0), *read])
        assert np.array_equal(found, ramp(length)[first : head.position])


@given(read=st.integers(0, 500), back=st.integers(0, KEPT))
def test_what_was_read_lately_can_be_read_again(read: int, back: int) -> None:
    tape = Tape(PcmSource(ramp(1000)), kept_samples=KEPT)
    tape.head(0).read(read)
    again = max(0, read - back)
    assert tape.holds(again)
    assert np.array_equal(tape.head(again).read(100), ramp(1000)[again : again + 100])


def test_no_more_is_kept_than_must_be() -> None:
    tape = Tape(PcmSource(ramp(10_000)), kept_samples=KEPT)
    head = tape.head(0)
    for _ in range(100):
        head.read(10)
    assert tape.holds(1000 - KEPT)
    assert not tape.holds(1000 - KEPT - 10)
    assert tape.head(0).read(1)[0] == 1000 - KEPT, "the oldest that is kept"


def test_a_head_that_begins_ahead_leaves_the_rest_to_others() -> None:
    tape = Tape(PcmSource(ramp(100)), kept_samples=KEPT)
    slow, fast = tape.head(0), tape.head(20)
    assert fast.read(5)[0] == 20
    assert np.array_equal(slow.read(25), ramp(25))


def test_a_failure_comes_where_it_came_to_every_head() -> None:
    tape = Tape(PcmSource(ramp(30), failure="torn"), kept_samples=KEPT)
    first = tape.head(0)
    assert len(first.read(30)) == 30
    again = tape.head(10)
    with pytest.raises(SourceFailed):
        first.read(1)
    assert len(again.read(40)) == 20
    for head in (first, again):
        with pytest.raises(SourceFailed, match="torn"):
            head.read(40)


def test_a_head_that_is_finished_or_closed_leaves_the_tape_alone() -> None:
    source = PcmSource(ramp(100))
    tape = Tape(source, kept_samples=KEPT)
    first, second = tape.head(0), tape.head(0)
    first.read(10)
    first.finish()
    second.read(5)
    second.close()
    assert (len(first.read(10)), len(second.read(10))) == (0, 0)
    assert not source.closed
    assert tape.head(10).read(1)[0] == 10
    tape.close()
    assert source.closed
