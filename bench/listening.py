"""A real speaker that is watched block by block (a process of its own).

Beside its WAV file it leaves ``<wav>.blocks``: for each 20 ms that it rendered, when
they are heard and what the speaker had counted by then. So a gap is told from the
speaker's own account, to the block.

Run by `SpeakerWatched`; its standard input says when to end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.concealment import BLOCK, Blocks
from bench.speaker import CREDENTIAL_VARIABLE, ListeningProcess
from clients.speaker.device import PacedDevice, WavSink, elapsed_ns
from clients.speaker.mode import Mode
from clients.speaker.policy import Transport
from clients.speaker.speaker import Speaker
from streamer.media.frame import Pcm


@dataclass(frozen=True, slots=True)
class Listening:
    """What the process is told."""

    url: str
    wav: str
    transport: str = "websocket"
    mode: str = "synced"
    ppm: float = 0.0
    ptime_ms: int | None = None
    "None: as the mode has it."


class WatchedSink:
    """A WAV file, and beside it what was counted after each block.

    Args:
        path: Of the WAV file.
    """

    def __init__(self, path: Path) -> None:
        self.speaker: Speaker | None = None
        "Whose counters are noted; set once it exists."
        self._wav = WavSink(path)
        self._blocks_path = Path(f"{path}.blocks")
        self._blocks: BinaryIO | None = None
        self._start_ns, self._ppm, self._position = 0, 0.0, 0

    def open(self, start_ns: int, ppm: float) -> None:
        """Create the files, or go on with them."""
        self._wav.open(start_ns, ppm)
        self._start_ns, self._ppm, self._position = start_ns, ppm, 0
        self._blocks = self._blocks_path.open("ab")

    def write(self, pcm: Pcm) -> None:
        """Append *pcm* and a record."""
        self._wav.write(pcm)
        if self.speaker is not None and self._blocks is not None:
            counted = self.speaker.status.counters
            record = (
                self._start_ns + elapsed_ns(self._position, self._ppm),
                counted.total_samples_received,
                counted.concealed_samples,
                counted.packets_received,
                counted.packets_late,
                counted.packets_lost,
            )
            self._blocks.write(np.array(record, BLOCK).tobytes())
        self._position += len(pcm)

    def close(self) -> None:
        """Leave everything in order."""
        self._wav.close()
        if self._blocks is not None:
            self._blocks.close()
            self._blocks = None


class Watched(ListeningProcess):
    """A listener's process that ends when its standard input does, with a word of JSON.

    Its blocks are beside what it plays into.
    """

    def finish(self) -> dict[str, Any]:
        """Let it end; return how it was doing."""
        self._child.close_input()
        status: dict[str, Any] = json.loads(self._child.hear())
        return status

    def blocks(self) -> Blocks:
        """Return what was noted of each block so far."""
        data = Path(f"{self.wav}.blocks").read_bytes()
        return np.frombuffer(
            data[: len(data) // BLOCK.itemsize * BLOCK.itemsize], BLOCK
        )


class SpeakerWatched(Watched):
    """A real speaker.

    Args:
        what: It is to do.
        credential: Its own.
        inside: Put before the command, to run it elsewhere.
        cores: Where it may run.
    """

    def __init__(
        self,
        what: Listening,
        credential: str,
        *,
        inside: tuple[str, ...] = (),
        cores: tuple[int, ...] = (),
    ) -> None:
        told = json.dumps(asdict(what))
        command = (*inside, sys.executable, "-m", "bench.listening", told)
        super().__init__(command, credential, Path(what.wav), cores=cores)


async def listen(what: Listening, credential: str) -> dict[str, Any]:
    """Be a speaker until standard input ends; return how it was doing."""
    sink, mode = WatchedSink(Path(what.wav)), Mode(what.mode)
    options: dict[str, Any] = {} if mode is Mode.SYNCED else {"mode": mode}
    speaker = Speaker(
        url=what.url,
        credential=credential,
        device=PacedDevice(sink, ppm=what.ppm, block_samples=mode.block_samples),
        transport=Transport(what.transport),
        ptime_ms=what.ptime_ms or mode.ptime_ms,
        **options,
    )
    sink.speaker = speaker
    async with speaker:
        await asyncio.to_thread(sys.stdin.read)
        status = speaker.status
        return {
            "connections": status.connections,
            "transport": str(status.transport),
            "last_mishap": status.last_mishap,
            "webrtc_mishap": status.webrtc_mishap,
            "round_trip_ms": status.round_trip_ns / 1e6,
            "clock_uncertainty_ms": status.clock_uncertainty_ns / 1e6,
            "device_drift_ppm": status.device_drift_ppm,
            "counters": asdict(status.counters),
        }


if __name__ == "__main__":
    told = Listening(**json.loads(sys.argv[1]))
    print(json.dumps(asyncio.run(listen(told, os.environ[CREDENTIAL_VARIABLE]))))
