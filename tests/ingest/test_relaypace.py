"""Tests of ingest.relaypace in virtual time: bursts, drift, waits."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.relaypace import RelayBuffer, RelayPace
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence

SECOND = SAMPLE_RATE_HZ


class Broadcast:
    """A station that sends at its own clock's pace, in bursts, a sine it is told by."""

    def __init__(self, buffer: RelayBuffer, *, ppm: float, burst_s: float) -> None:
        self._buffer = buffer
        self._rate = 1 + ppm * 1e-6
        self._burst = round(burst_s * SECOND)
        self._made = 0.0
        self._sent = 0

    def run(self, samples: int) -> None:
        """Let our clock go on by *samples*."""
        self._made += samples * self._rate
        while self._sent + self._burst <= self._made:
            at = self._sent + np.arange(self._burst)
            self._buffer.put(np.sin(at / 20).astype(np.float32))
            self._sent += self._burst


def listen(pace: RelayPace, station: Broadcast, seconds: float) -> tuple[Pcm, int]:
    parts, missing = [], 0
    for _ in range(round(seconds * SECOND / FRAME_SAMPLES)):
        station.run(FRAME_SAMPLES)
        pcm, lacking = pace.read(FRAME_SAMPLES)
        parts.append(pcm)
        missing += lacking
    return np.concatenate(parts), missing


@pytest.mark.parametrize(("ppm", "burst_s"), [(100.0, 0.096), (-100.0, 4.0)])
def test_a_quarter_of_an_hour_of_a_drifting_station_is_heard_without_a_break(
    ppm: float, burst_s: float
) -> None:
    buffer = RelayBuffer(20 * SECOND)
    pace = RelayPace(buffer, prefill_samples=round((1 + burst_s) * SECOND))
    station = Broadcast(buffer, ppm=ppm, burst_s=burst_s)
    listen(pace, station, 15)
    _, missing = listen(pace, station, 900)
    assert missing == 0
    assert pace.waits == 0
    # It settles within an hour; by now the cushion has stopped to shrink or grow.
    assert pace.drift_ppm == pytest.approx(-ppm, abs=40)


def test_sound_begins_when_enough_is_held_and_rises_from_silence() -> None:
    buffer = RelayBuffer()
    pace = RelayPace(buffer, prefill_samples=SECOND)
    buffer.put(np.full(SECOND - 1, 0.5, dtype=np.float32))
    pcm, missing = pace.read(FRAME_SAMPLES)
    assert missing == FRAME_SAMPLES
    assert not pcm.any()
    buffer.put(np.full(SECOND, 0.5, dtype=np.float32))
    pcm, missing = pace.read(FRAME_SAMPLES)
    assert missing == 0
    assert np.abs(np.diff(pcm, prepend=0)).max() < 0.01
    assert pcm[-1] == pytest.approx(0.5, abs=0.01)


def test_a_stall_fades_out_and_is_waited_for_longer_each_time() -> None:
    buffer = RelayBuffer()
    pace = RelayPace(buffer, prefill_samples=SECOND)
    waited = []
    for _ in range(4):
        buffer.put(np.full(pace.prefill_samples, 0.5, dtype=np.float32))
        heard, lacking = [], 0
        while lacking == 0:
            pcm, lacking = pace.read(FRAME_SAMPLES)
            heard.append(pcm)
        whole = np.concatenate(heard)
        assert np.abs(np.diff(whole)).max() < 0.03
        assert whole[-1] == 0
        waited.append(pace.prefill_samples // SECOND)
    assert waited == [2, 4, 6, 6]
    assert pace.waits == 4


def test_a_station_that_is_well_again_is_waited_for_less() -> None:
    buffer = RelayBuffer()
    pace = RelayPace(buffer, prefill_samples=SECOND // 2)
    buffer.put(silence(SECOND // 2))
    while pace.read(FRAME_SAMPLES)[1] == 0:
        pass
    assert pace.prefill_samples == SECOND
    listen(pace, Broadcast(buffer, ppm=0, burst_s=0.1), 40)
    assert pace.prefill_samples == SECOND // 2


def test_a_sender_that_is_ahead_waits_and_is_not_taken_for_a_fast_clock() -> None:
    buffer = RelayBuffer(SECOND)
    pace = RelayPace(buffer, prefill_samples=SECOND // 2)
    sent = 100 * SECOND

    def send() -> None:
        for _ in range(sent // FRAME_SAMPLES):
            buffer.put(np.ones(FRAME_SAMPLES, dtype=np.float32))

    thread = threading.Thread(target=send)
    thread.start()
    heard = 0
    assert buffer.wait_held(SECOND // 2, 5.0)
    while heard < sent - SECOND:
        assert buffer.wait_held(FRAME_SAMPLES, 5.0)
        pcm, missing = pace.read(FRAME_SAMPLES)
        assert missing == 0
        heard += len(pcm)
    thread.join()
    assert pace.drift_ppm == 0
    assert buffer.held_samples <= SECOND + FRAME_SAMPLES


@given(
    pieces=st.lists(st.integers(0, 400), max_size=20),
    takes=st.lists(st.integers(0, 500), max_size=20),
)
@settings(deadline=None)
def test_law_what_is_put_is_taken_in_order(pieces: list[int], takes: list[int]) -> None:
    buffer = RelayBuffer(10**6)
    whole = np.arange(sum(pieces), dtype=np.float32)
    for piece in np.split(whole, np.cumsum(pieces)) if pieces else []:
        assert buffer.put(piece)
    taken = np.concatenate([silence(0), *map(buffer.take, takes)])
    np.testing.assert_array_equal(taken, whole[: len(taken)])
    assert len(taken) == min(sum(takes), sum(pieces))
    assert buffer.held_samples == sum(pieces) - len(taken)


def test_closing_lets_a_waiting_sender_go() -> None:
    buffer = RelayBuffer(10)
    assert buffer.put(silence(10))
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(buffer.put(silence(1))))
    thread.start()
    buffer.close()
    thread.join(5.0)
    assert answers == [False]
    assert not buffer.wait_held(1, 0.0)
