"""Sinks and clocks of devices; their threads are tested end to end."""

from __future__ import annotations

import json
import os
import random
import wave
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic_ns

import numpy as np
import pytest

from clients.speaker.app import EXIT_USAGE, SpeakerConfig, main, make_device
from clients.speaker.device import WavSink, elapsed_ns, rendered, wav_file
from clients.speaker.soundcard import DacClock
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm


def ramp(samples: int) -> Pcm:
    return np.linspace(-1, 1, samples, dtype=np.float32)


def read(path: Path) -> Pcm:
    with wave.open(str(path)) as file:
        assert file.getframerate() == SAMPLE_RATE_HZ
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        data = file.readframes(file.getnframes())
    return (np.frombuffer(data, dtype="<i2") / 32_767).astype(np.float32)


class TestWavSink:
    """A file that is right at any moment."""

    def test_holds_what_was_written(self, tmp_path: Path) -> None:
        sink, pcm = WavSink(tmp_path / "x.wav"), ramp(5_000)
        sink.open(123, 50.0)
        sink.write(pcm[:2_000])
        sink.write(pcm[2_000:])
        sink.close()
        sink.close()
        assert read(tmp_path / "x.wav") == pytest.approx(pcm, abs=1 / 32_767)

    def test_says_beside_it_when_it_began(self, tmp_path: Path) -> None:
        sink = WavSink(tmp_path / "x.wav")
        sink.open(123, 50.0)
        sink.close()
        assert json.loads((tmp_path / "x.wav.json").read_text()) == {
            "monotonic_ns": 123,
            "ppm": 50.0,
            "sample_rate_hz": 48_000,
        }

    def test_what_a_killed_process_leaves_is_readable(self, tmp_path: Path) -> None:
        sink = WavSink(tmp_path / "x.wav")
        sink.open(0, 0.0)
        for _ in range(3):
            sink.write(ramp(SAMPLE_RATE_HZ // 2))
        # Not closed: the header is of the last whole second.
        left = len(read(tmp_path / "x.wav"))
        sink.close()
        assert left == SAMPLE_RATE_HZ

    def test_a_file_just_begun_is_empty_not_broken(self, tmp_path: Path) -> None:
        sink = WavSink(tmp_path / "x.wav")
        sink.open(0, 0.0)
        sink.close()
        assert len(read(tmp_path / "x.wav")) == 0


@pytest.mark.parametrize(("ppm", "expected"), [(0, 10**10), (100, 9_999_000_100)])
def test_a_fast_clock_is_through_sooner(ppm: float, expected: int) -> None:
    assert elapsed_ns(10 * SAMPLE_RATE_HZ, ppm) == pytest.approx(expected, abs=1)


def test_a_bug_in_rendering_is_silence(caplog: pytest.LogCaptureFixture) -> None:
    def broken(samples: int, local_ns: int) -> Pcm:
        raise ZeroDivisionError

    assert not rendered(broken, 960, 0).any()
    assert "rendering failed" in caplog.text


class TestDacClock:
    """Instants a card reports are noisy; its count of samples is not."""

    def test_a_tenth_of_the_jitter_is_left(self) -> None:
        clock, rng, errors = DacClock(), random.Random(1), []
        for index in range(3_000):
            true_ns = index * 20_000_000
            reported_ns = true_ns + round(rng.gauss(0, 1_000_000))
            errors.append(clock.smooth(reported_ns, 960) - true_ns)
        assert float(np.std(errors[500:])) < 150_000

    def test_follows_a_card_that_is_fast(self) -> None:
        """The lag is constant, so the servo sees the true drift."""
        clock, errors = DacClock(), []
        for index in range(3_000):
            true_ns = elapsed_ns(index * 960, 100)
            errors.append(clock.smooth(true_ns, 960) - true_ns)
        assert max(map(abs, errors)) < 150_000
        assert errors[-1] == pytest.approx(errors[-500], abs=1_000)

    def test_a_gap_is_taken_over(self) -> None:
        clock = DacClock()
        clock.smooth(0, 960)
        assert clock.smooth(500_000_000, 960) == 500_000_000


def test_a_wav_output_needs_a_path() -> None:
    config = SpeakerConfig("ws://h", "secret", output="wav")
    with pytest.raises(ValueError, match="path"):
        make_device(config)
    assert "secret" not in repr(config)


def test_a_url_of_no_websocket_is_said_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = SpeakerConfig("http://h:8081/v1/listen", "secret", output="null")
    assert main(config) == EXIT_USAGE
    assert "http://h:8081" in caplog.text


class TestAnOutputThatFails:
    """A full or missing disk: said, tried again, and never late."""

    def test_a_missing_directory_is_tried_again_at_the_right_place(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("clients.speaker.device.RETRY_NS", 100_000_000)
        path = tmp_path / "later" / "heard.wav"
        device = wav_file(path, block_samples=480)
        device.start(lambda samples, _: ramp(samples))
        wait_for(lambda: not device.sounding)
        path.parent.mkdir()
        wait_for(lambda: device.sounding)
        device.stop()
        assert len(read(path)) % 480 == 0

    def test_a_full_disk_keeps_what_it_has_and_goes_on_with_a_hole(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "heard.wav"
        sink = WavSink(path)
        sink.open(1_000_000_000, 0.0)
        sink.write(ramp(960))
        sink.close()  # as the device does when a write failed
        sink.open(1_000_000_000 + 60_000_000, 0.0)  # 40 ms were missed
        sink.write(ramp(960))
        sink.close()
        heard = read(path)
        assert len(heard) == 3 * 960 + 960
        assert not heard[960 : 3 * 960].any()
        np.testing.assert_allclose(heard[3 * 960 :], ramp(960), atol=1e-4)

    def test_a_device_that_is_full_is_said_once_and_does_not_stop_the_sound(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("clients.speaker.device.RETRY_NS", 50_000_000)
        path = tmp_path / "heard.wav"
        path.symlink_to("/dev/full")  # takes nothing: ENOSPC (full(4))
        device = wav_file(path, block_samples=4_800)
        blocks: list[int] = []

        def render(samples: int, local_ns: int) -> Pcm:
            blocks.append(local_ns)
            return ramp(samples)

        device.start(render)
        wait_for(lambda: len(blocks) > 6)
        assert not device.sounding
        path.unlink()
        wait_for(lambda: device.sounding)
        device.stop()
        # It was asked for each block in its time, whatever the disk did.
        steps = np.diff(blocks)
        assert np.all(np.abs(steps - 100_000_000) <= 1)
        failures = [r for r in caplog.records if "the output failed" in r.message]
        assert len(failures) == 1

    def test_a_thread_that_hangs_does_not_keep_the_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("clients.speaker.device.STOP_TIMEOUT_S", 0.1)
        path = tmp_path / "heard.wav"
        os.mkfifo(path)  # opening it waits for a reader that never comes
        device = wav_file(path)
        device.start(lambda samples, _: ramp(samples))
        wait_for(lambda: device.beat_ns > 0)
        beat_ns = device.beat_ns
        device.stop()
        assert device.beat_ns == beat_ns
        with path.open("rb") as reader:  # let it go
            reader.read()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_ns = monotonic_ns() + 5_000_000_000
    while not condition():
        assert monotonic_ns() < deadline_ns
        Event().wait(0.005)
