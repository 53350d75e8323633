"""Tests of streamer.programme.recorder on a real disk, read back by FFmpeg."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.media.frame import Pcm, ProgrammePacket
from streamer.media.source import PcmSource
from streamer.programme.programme import Programme, ProgrammeSettings
from streamer.programme.recorder import BATCH_PACKETS, QUEUE_BATCHES, Recorder


def speech_like(samples: int) -> Pcm:
    noise = np.random.default_rng(4).standard_normal(samples + 32)
    smooth = np.convolve(noise, np.hanning(32), mode="valid")[:samples]
    speech: Pcm = (smooth / 16).astype(np.float32)
    return speech


def air(pcm: Pcm) -> tuple[Programme, list[ProgrammePacket]]:
    programme = Programme(
        PcmSource(pcm),
        ProgrammeSettings(bitrate_bps=128_000, complexity=0),
        ssrc=1,
        first_timestamp=0,
        first_sequence=0,
        start_ns=0,
    )
    packets = []
    while packet := programme.step(programme.next_due_ns):
        packets.append(packet)
    return programme, packets


def recorder(path: Path) -> Recorder:
    return Recorder(path, pre_skip_samples=552, tags={"TITLE": "Thử loa"})


def play(path: Path) -> Pcm:
    with av.open(path) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(frames)


async def test_the_recording_is_what_was_sent_and_plays_in_its_place(
    tmp_path: Path,
) -> None:
    said = speech_like(3 * 48_000 + 123)
    programme, packets = air(said)
    assert programme.end is not None
    path = tmp_path / "buổi phát.opus"
    async with recorder(path) as recording:
        for packet in packets:
            recording.write(packet)
        recording.finish(programme.end.samples)
    assert (recording.complete, recording.failure) == (True, "")
    assert recording.bytes_written == path.stat().st_size
    with av.open(path) as container:
        payloads = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    assert payloads == [packet.rtp[12:] for packet in packets]
    heard = play(path)
    assert len(heard) == len(said)
    lags = range(-20, 21)
    scores = [np.dot(np.roll(heard, -lag)[100:-100], said[100:-100]) for lag in lags]
    assert lags[int(np.argmax(scores))] == 0
    assert np.corrcoef(heard, said)[0, 1] > 0.95


async def test_packets_that_were_dropped_keep_their_time(tmp_path: Path) -> None:
    said = speech_like(2 * 48_000)
    _, packets = air(said)
    path = tmp_path / "gap.opus"
    async with recorder(path) as recording:
        for packet in packets[:20] + packets[30:]:
            recording.write(packet)
        recording.finish(len(said))
    heard = play(path)
    assert len(heard) == len(said)
    assert np.corrcoef(heard[48_000:], said[48_000:])[0, 1] > 0.95


async def test_no_recording_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kept.opus"
    path.write_bytes(b"kept")
    _, packets = air(speech_like(960))
    async with recorder(path) as recording:
        recording.write(packets[0])
    assert (recording.complete, recording.failure) == (False, "File exists")
    assert path.read_bytes() == b"kept"


@contextmanager
def disk_of(size_bytes: int) -> Iterator[None]:
    """Let files grow to *size_bytes* only; writing more is an OSError."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_full_disk_stops_the_recording_with_an_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = speech_like(5 * 48_000)
    _, packets = air(said)
    path = tmp_path / "full.opus"
    with disk_of(40_000):
        async with recorder(path) as recording:
            for packet in packets:
                recording.write(packet)
    assert (recording.complete, recording.failure) == (False, "File too large")
    assert "full.opus stopped: File too large" in caplog.text
    heard = play(path)  # whole pages of one second, 16 kB each
    assert len(heard) >= 2 * 48_000 - 552


async def test_a_disk_that_is_too_slow_stops_the_recording(tmp_path: Path) -> None:
    _, packets = air(speech_like(9_600))
    recording = recorder(tmp_path / "slow.opus")
    for _ in range(BATCH_PACKETS * QUEUE_BATCHES + BATCH_PACKETS - 1):
        recording.write(packets[0])
    assert recording.failure == ""
    recording.write(packets[0])
    assert recording.failure == "the disk is too slow"
    async with recording:
        recording.write(packets[0])
    assert not recording.complete


def test_a_killed_process_leaves_all_but_the_last_second(tmp_path: Path) -> None:
    path = tmp_path / "killed.opus"
    script = """
        import asyncio, os, signal, sys
        from pathlib import Path
        import numpy as np
        from streamer.media.source import PcmSource
        from streamer.programme.programme import Programme, ProgrammeSettings
        from streamer.programme.recorder import Recorder

        async def main():
            noise = np.random.default_rng(1).uniform(-0.3, 0.3, 6 * 48_000)
            programme = Programme(
                PcmSource(noise.astype(np.float32)), ProgrammeSettings(12_000, 0),
                ssrc=1, first_timestamp=0, first_sequence=0, start_ns=0,
            )
            path = Path(sys.argv[1])
            async with Recorder(path, pre_skip_samples=552, tags={}) as recorder:
                whole_pages = 0
                while packet := programme.step(programme.next_due_ns):
                    recorder.write(packet)
                    if packet.index < 250:
                        whole_pages += len(packet.rtp) - 12
                while recorder.bytes_written < whole_pages:
                    await asyncio.sleep(0.01)
                os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(play(path)) == 250 * 960 - 552
