"""Tests of ingest.repeat: what is heard is known to the sample."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.repeat import MAX_GAP_SAMPLES, RETRY_SAMPLES, RepeatingSource
from streamer.media.frame import Pcm, silence
from streamer.media.source import PcmSource, Source, SourceFailed

MESSAGE = np.linspace(0.1, 1.0, 700, dtype=np.float32)
BEEP = np.full(50, -1.0, dtype=np.float32)


def hear(source: Source, samples: int, step: int = 960) -> Pcm:
    parts = [silence(0)]
    while samples:
        parts.append(source.read(min(step, samples)))
        samples -= len(parts[-1])
    return np.concatenate(parts)


@given(
    length=st.integers(1, 900),
    gap=st.integers(0, 500),
    attention=st.integers(0, 50),
    step=st.integers(300, 2_000),
)
@settings(max_examples=50, deadline=None)
def test_law_passes_gaps_and_attention_follow_each_other_exactly(
    length: int, gap: int, attention: int, step: int
) -> None:
    message, beep = MESSAGE[:length], BEEP[:attention]
    source = RepeatingSource(
        lambda: PcmSource(message), gap_samples=gap, attention=beep, patience_s=5.0
    )
    period = np.concatenate((message, silence(gap), beep))
    heard = hear(source, 4_000, step)
    source.close()
    np.testing.assert_array_equal(heard, np.resize(period, 4_000))
    assert source.concealed_samples == 0


def test_it_ends_when_finished_and_closes_every_pass() -> None:
    opened: list[PcmSource] = []

    def opener() -> Source:
        opened.append(PcmSource(MESSAGE))
        return opened[-1]

    source = RepeatingSource.open(opener)
    assert source.passes == 1
    hear(source, 3_000)
    source.finish()
    assert len(source.read(960)) == 0
    source.close()
    source.close()
    assert len(opened) >= 5
    assert [each.closed for each in opened] == [True] * len(opened)


def test_a_message_that_breaks_off_is_repeated_all_the_same() -> None:
    source = RepeatingSource(
        lambda: PcmSource(MESSAGE, failure="damaged"), patience_s=5.0
    )
    np.testing.assert_array_equal(hear(source, 2_100), np.tile(MESSAGE, 3))
    source.close()


def test_a_message_that_vanishes_for_a_while_comes_back() -> None:
    tries = iter([MESSAGE, None, None, MESSAGE])

    def opener() -> Source:
        pcm = next(tries, MESSAGE)
        if pcm is None:
            raise OSError("gone")
        return PcmSource(pcm)

    source = RepeatingSource(opener, patience_s=5.0)
    heard = hear(source, 2 * len(MESSAGE) + 2 * RETRY_SAMPLES)
    source.close()
    np.testing.assert_array_equal(heard[: len(MESSAGE)], MESSAGE)
    np.testing.assert_array_equal(heard[-len(MESSAGE) :], MESSAGE)
    assert not heard[len(MESSAGE) : -len(MESSAGE)].any()


@pytest.mark.parametrize("failure", [None, "damaged"])
def test_a_message_without_a_sample_is_given_up(failure: str | None) -> None:
    source = RepeatingSource(
        lambda: PcmSource(silence(0), failure=failure), patience_s=5.0
    )
    with pytest.raises(SourceFailed, match=failure or "empty"):
        hear(source, 10 * RETRY_SAMPLES)
    source.close()


def test_it_does_not_open_when_its_first_pass_cannot() -> None:
    def opener() -> Source:
        raise SourceFailed("no such file")

    with pytest.raises(SourceFailed, match="no such file"):
        RepeatingSource.open(opener)


def test_a_slow_opening_is_silence_and_loses_nothing() -> None:
    let_through = threading.Event()

    def opener() -> Source:
        let_through.wait()
        return PcmSource(MESSAGE)

    source = RepeatingSource(opener, patience_s=0.0)
    assert not source.read(960).any()
    assert source.concealed_samples == 960
    let_through.set()
    assert source._next is not None
    source._next.wait(5.0)
    np.testing.assert_array_equal(source.read(700), MESSAGE)
    source.close()


@pytest.mark.parametrize("gap_samples", [-1, MAX_GAP_SAMPLES + 1])
def test_a_gap_beyond_the_rule_is_refused(gap_samples: int) -> None:
    with pytest.raises(ValueError, match="gap_samples"):
        RepeatingSource(lambda: PcmSource(MESSAGE), gap_samples=gap_samples)
