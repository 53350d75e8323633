"""A real speaker, `loacast speaker`, with a WAV file for a sound card."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from bench.processes import Child
from bench.recording import Recording

CREDENTIAL_VARIABLE = "LOACAST_CREDENTIAL"
START_TIMEOUT_S = 20.0


class SpeakerProcess:
    """The command in a process of its own, as a context manager."""

    def __init__(
        self, port: int, credential: str, wav: Path, *, cores: Collection[int] = ()
    ) -> None:
        self.wav = wav
        self._child = Child(
            [
                *("python", "-m", "streamer", "speaker"),
                f"ws://127.0.0.1:{port}/v1/listen",
                *("--output", "wav", "--wav", str(wav)),
            ],
            # In the environment, so that no list of processes shows it.
            environment={CREDENTIAL_VARIABLE: credential},
            cores=cores or os.sched_getaffinity(0),
        )

    def __enter__(self) -> SpeakerProcess:
        self._child.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.__exit__(*exception)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child.running

    def recording(self) -> Recording:
        """Return what it plays, waiting until it has begun.

        Raises:
            TimeoutError: It did not begin; the message says what it wrote.
        """
        return await_recording(self.wav, self._child)


def await_recording(wav: Path, speaker: Child) -> Recording:
    """Return what *speaker* plays into *wav*, waiting until it has begun.

    Raises:
        TimeoutError: It did not begin; the message says what it wrote.
    """
    give_up = time.monotonic() + START_TIMEOUT_S
    while speaker.running and time.monotonic() < give_up:
        try:
            return Recording.open(wav)
        except (FileNotFoundError, ValueError):  # not yet, or only half
            time.sleep(0.05)
    raise TimeoutError(speaker.obituary())
