"""The servo in accelerated virtual time, the resampler on real samples."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.drift import LIMIT_PPM, DriftServo, VariableResampler
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

BLOCK = 480


def run_servo(
    servo: DriftServo,
    *,
    drift_ppm: float,
    seconds: float,
    ahead_samples: float = 0.0,
    noise_samples: float = 0.0,
) -> list[float]:
    """Return the true error after each 10 ms of a reader that drifts."""
    rng, errors = random.Random(7), []
    for _ in range(round(seconds * 100)):
        measured = ahead_samples + rng.gauss(0, noise_samples)
        ratio = servo.update(measured, 0.01)
        # In 10 ms the device's clock asks for BLOCK * (1 + drift) output samples.
        ahead_samples += BLOCK * (1 + drift_ppm * 1e-6) / ratio - BLOCK
        errors.append(ahead_samples)
    return errors


@pytest.mark.parametrize("drift_ppm", [100, -100, 20, -400])
def test_learns_the_drift_and_holds_the_position(drift_ppm: float) -> None:
    servo = DriftServo()
    errors = run_servo(servo, drift_ppm=drift_ppm, seconds=60)
    assert abs(servo.drift_ppm - drift_ppm) < 0.1
    assert max(map(abs, errors)) < 0.005 * SAMPLE_RATE_HZ
    assert abs(errors[-1]) < 0.1


def test_two_hours_with_a_jittery_measurement_stay_within_a_millisecond() -> None:
    servo = DriftServo(time_constant_s=20)
    errors = run_servo(servo, drift_ppm=100, seconds=7_200, noise_samples=48)
    settled = errors[100 * 200 :]
    assert max(map(abs, settled)) < 48


def test_a_large_error_is_worked_off_at_the_limit_without_overshoot() -> None:
    servo = DriftServo()
    errors = run_servo(servo, drift_ppm=50, seconds=120, ahead_samples=960)
    assert abs(errors[-1]) < 0.5
    assert min(errors) > -100


@given(
    errors=st.lists(st.floats(-1e6, 1e6), max_size=200),
    interval_s=st.floats(0.001, 5),
)
def test_law_the_ratio_never_leaves_its_limit(
    errors: list[float], interval_s: float
) -> None:
    servo = DriftServo()
    for error in errors:
        ratio = servo.update(error, interval_s)
        assert abs(ratio - 1) <= LIMIT_PPM * 1.000_001e-6


def tone(samples: int, hz: float = 440.0) -> Pcm:
    phase = 2 * np.pi * hz * np.arange(samples) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(phase)).astype(np.float32)


def test_holds_back_what_it_declares_and_shifts_nothing() -> None:
    resampler = VariableResampler()
    pcm = tone(4_800)
    blocks = np.split(pcm, 10)
    output = np.concatenate([resampler.process(block, 1.0) for block in blocks])
    assert len(output) == len(pcm) - VariableResampler.LOOKAHEAD_SAMPLES
    # The first samples ring a little, as before sample 0 there was silence.
    assert np.abs(output - pcm[: len(output)])[200:].max() < 1e-3


def test_a_wandering_ratio_neither_clicks_nor_loses_its_place() -> None:
    """Each output sample is the input's value at the position that is declared."""
    resampler, seconds = VariableResampler(), 30
    pcm = tone(seconds * SAMPLE_RATE_HZ)
    worst, outputs = 0.0, []
    for index in range(0, len(pcm), BLOCK):
        ratio = 1 + 5e-4 * math.sin(index / SAMPLE_RATE_HZ)
        position = resampler.input_position
        output = resampler.process(pcm[index : index + BLOCK], ratio)
        expected = 0.5 * math.sin(2 * math.pi * 440 * position / SAMPLE_RATE_HZ)
        if index > SAMPLE_RATE_HZ:
            worst = max(worst, abs(float(output[0]) - expected))
        outputs.append(output)
    assert worst < 1e-3
    steps = np.abs(np.diff(np.concatenate(outputs)[1_000:]))
    assert steps.max() < 0.5 * 2 * math.pi * 440 / SAMPLE_RATE_HZ * 1.01


def test_reset_starts_anew() -> None:
    resampler = VariableResampler()
    first = resampler.process(tone(960), 1.0002)
    resampler.reset()
    assert resampler.input_position == 0
    assert np.array_equal(resampler.process(tone(960), 1.0002), first)


def test_the_output_belongs_to_the_caller() -> None:
    resampler = VariableResampler()
    first = resampler.process(tone(960), 1.0)
    copy = first.copy()
    resampler.process(tone(960, 900), 1.0)
    assert np.array_equal(first, copy)


@pytest.mark.parametrize("ppm", [-500.0, -37.0, 0.0, 20.0, 100.0, 500.0])
@pytest.mark.parametrize(
    ("hz", "largest_error"), [(300, 1e-4), (3_400, 5e-4), (8_000, 2e-3), (16_000, 5e-3)]
)
def test_what_it_adds_lies_far_below_the_signal(
    ppm: float, hz: int, largest_error: float
) -> None:
    """Against the exact sine at each output's place; a full scale of 0.5."""
    resampler, ratio = VariableResampler(), 1 + ppm * 1e-6
    blocks = np.split(tone(SAMPLE_RATE_HZ, hz), 50)
    output = np.concatenate([resampler.process(block, ratio) for block in blocks])
    places = np.arange(len(output)) / ratio
    expected = 0.5 * np.sin(2 * np.pi * hz * places / SAMPLE_RATE_HZ)
    error = (output - expected)[100:]
    assert math.sqrt(float(np.mean(error**2))) < largest_error


@given(
    cuts=st.lists(st.integers(0, 3_000), min_size=1, max_size=12),
    ppm=st.floats(-500, 500),
)
def test_law_how_the_input_is_cut_changes_nothing(cuts: list[int], ppm: float) -> None:
    pcm, ratio = tone(sum(cuts), 1_000), 1 + ppm * 1e-6
    whole = VariableResampler().process(pcm, ratio)
    resampler, parts, first = VariableResampler(), [], 0
    for cut in cuts:
        parts.append(resampler.process(pcm[first : first + cut], ratio))
        first += cut
    joined = np.concatenate(parts)
    assert abs(len(joined) - len(whole)) <= 1  # rounding of the last place
    shared = min(len(joined), len(whole))
    assert np.abs(joined[:shared] - whole[:shared]).max(initial=0) < 1e-3


def test_at_a_ratio_of_one_the_samples_are_the_input() -> None:
    pcm = tone(2_000)
    output = VariableResampler().process(pcm, 1.0)
    assert np.array_equal(output, pcm[: len(output)])


@given(
    ratios=st.lists(st.floats(1 - 5e-4, 1 + 5e-4), min_size=1, max_size=40),
    block=st.integers(1, 400),
)
def test_law_it_holds_back_its_lookahead_and_no_more(
    ratios: list[float], block: int
) -> None:
    resampler, fed = VariableResampler(), 0
    for ratio in ratios:
        output = resampler.process(tone(block), ratio)
        fed += block
        due = fed - VariableResampler.LOOKAHEAD_SAMPLES
        assert max(0, due) <= resampler.input_position < max(0, due) + 1.001
        assert np.abs(output).max(initial=0) < 0.6
