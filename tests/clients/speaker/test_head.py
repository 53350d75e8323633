"""The head reads every sample of the media once, except where it steps."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.head import OTHER_CLOCK_SAMPLES, STEP_SAMPLES, Head
from streamer.media.frame import Pcm

LEAD_SAMPLES = 96


class Media:
    """Sample n is worth n; notes which were asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, count: int) -> tuple[Pcm, int]:
        self.asked.append((start, start + count))
        pcm = np.arange(start, start + count, dtype=np.float32)
        return pcm, 0


@given(
    st.lists(
        st.tuples(st.integers(1, 2_000), st.booleans(), st.floats(-2_000, 2_000)),
        min_size=1,
        max_size=40,
    )
)
def test_law_what_is_asked_for_comes_and_the_media_is_read_without_a_gap(
    blocks: list[tuple[int, bool, float]],
) -> None:
    media = Media()
    head, wanted = Head(media.read, lead_samples=LEAD_SAMPLES), 10_000.0
    for samples, sounds, error in blocks:
        position = head.position
        aim = wanted if position is None else position + error
        head.steer(aim, samples, unheard=False)
        before, read = head.next_read, len(media.asked)
        if not sounds:
            head.coast(samples, aim, at_wanted=False)
            assert len(media.asked) == read
            continue
        head.prime()
        assert len(head.sound(samples)) == samples
        starts = [start for start, _ in media.asked[read:]]
        ends = [end for _, end in media.asked[read:]]
        assert starts == [before, *ends[:-1]][: len(starts)]
        assert head.next_read == (ends[-1] if ends else before)
    assert head.steps == 1


def played(head: Head, wanted: float) -> Pcm:
    head.steer(wanted, 960, unheard=False)
    head.prime()
    return head.sound(960)


def test_a_step_is_faded_and_primed_once() -> None:
    head = Head(Media().read, lead_samples=LEAD_SAMPLES)
    head.steer(10_000.0, 960, unheard=False)
    lead_in = head.prime()
    assert lead_in is not None
    assert len(lead_in) == LEAD_SAMPLES
    assert head.prime() is None
    head.sound(960)
    wanted = 10_960.0 + STEP_SAMPLES + 100
    while head.steps == 1:
        played(head, wanted)
        wanted += 960
    position = head.position
    assert position is not None
    assert math.isclose(position, wanted, abs_tol=1.0)


def test_another_clock_is_not_faded() -> None:
    head = Head(Media().read, lead_samples=LEAD_SAMPLES)
    played(head, 10_000.0)
    played(head, 20_000.0 + OTHER_CLOCK_SAMPLES)
    assert head.steps == 2


def test_nothing_that_sounds_needs_no_fade() -> None:
    head = Head(Media().read, lead_samples=LEAD_SAMPLES)
    played(head, 10_000.0)
    head.steer(20_000.0, 960, unheard=True)
    assert head.steps == 2
