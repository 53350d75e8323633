"""A real speaker, `loacast speaker`, with a WAV file for a sound card."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

from bench.processes import Child
from bench.recording import Recording

CREDENTIAL_VARIABLE = "LOACAST_CREDENTIAL"
START_TIMEOUT_S = 20.0


class ListeningProcess:
    """A speaker's process that plays into a WAV file, as a context manager.

    Args:
        command: It runs.
        credential: The speaker's.
        wav: What it plays into.
        cores: Where it may run; anywhere when empty.
    """

    def __init__(
        self,
        command: Sequence[str],
        credential: str,
        wav: Path,
        *,
        cores: Collection[int] = (),
    ) -> None:
        self.wav = wav
        # In the environment, so that no list of processes shows it.
        environment = {CREDENTIAL_VARIABLE: credential}
        self._child = Child(command, environment=environment, cores=cores)

    def __enter__(self) -> Self:
        self._child.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.__exit__(*exception)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def recording(self) -> Recording:
        """Return what it plays, waiting until it has begun.

        Raises:
            TimeoutError: It did not begin; the message says what it wrote.
        """
        return await_recording(self.wav, self._child)


class SpeakerProcess(ListeningProcess):
    """The command in a process of its own."""

    def __init__(
        self, port: int, credential: str, wav: Path, *, cores: Collection[int] = ()
    ) -> None:
        command = (
            *("python", "-m", "streamer", "speaker"),
            f"ws://127.0.0.1:{port}/v1/listen",
            *("--output", "wav", "--wav", str(wav)),
        )
        cores = cores or os.sched_getaffinity(0)
        super().__init__(command, credential, wav, cores=cores)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child.running


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
