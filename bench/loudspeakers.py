"""Many real speakers in one process, with devices that play to nobody.

``python -m bench.loudspeakers URL CREDENTIALS_FILE`` runs one
`clients.speaker.speaker.Speaker` for each credential. It prints ``ready`` when all of
them know the server's clock, and ends when standard input does.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from threading import Event, Thread
from time import monotonic_ns
from typing import Self

from bench.processes import Child, cores
from clients.speaker.device import Render, elapsed_ns, rendered
from clients.speaker.speaker import Speaker

READY = "ready"
PTIME_MS = 60
"Bundles of three packets: a hundred speakers on one machine are enough to do."
BLOCK_SAMPLES = 4_800
"100 ms: as many as a sound card's buffer holds, and few calls."
LEAD_NS = 20_000_000
_LOOK_S = 0.1


class Loudspeakers:
    """Such a process as a context manager.

    Args:
        port: Of the server's stream.
        credentials: One for each speaker.
    """

    def __init__(self, port: int, credentials: Sequence[str]) -> None:
        self._port = port
        self._credentials = credentials
        self._directory = tempfile.TemporaryDirectory()
        self._child: Child

    def __enter__(self) -> Self:
        file = Path(self._directory.name) / "credentials"
        file.write_text("\n".join(self._credentials))
        url = f"ws://127.0.0.1:{self._port}/v1/listen"
        command = ("python", "-m", "bench.loudspeakers", url, str(file))
        self._child = Child(command, cores=cores(), cwd=Path(__file__).parents[1])
        self._child.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.__exit__(*exception)
        self._directory.cleanup()

    def await_ready(self) -> None:
        """Wait until all of them could play.

        Raises:
            ChildDied: They never could.
        """
        self._child.hear_until(READY)

    def kill(self) -> None:
        """End all of them at once; none says goodbye."""
        self._child.end(signal.SIGKILL)


class Ensemble:
    """One thread that is the devices of many speakers, as a context manager.

    Each with a thread of its own would spend most of its time waiting for the others.
    Sample n is due at its instant however late the machine is, as on a `PacedDevice`.
    """

    def __init__(self) -> None:
        self._seats: dict[Seat, Render] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="speakers' devices")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._thread.join()

    def seat(self) -> Seat:
        """Return a device."""
        return Seat(self._seats)

    def _run(self) -> None:
        start_ns, position = monotonic_ns() + LEAD_NS, 0
        while not self._stopping.is_set():
            due_ns = start_ns + elapsed_ns(position, 0)
            self._stopping.wait(max(0, due_ns - LEAD_NS - monotonic_ns()) / 1e9)
            for render in tuple(self._seats.values()):
                rendered(render, BLOCK_SAMPLES, due_ns)
            position += BLOCK_SAMPLES


class Seat:
    """One speaker's `Device` in an `Ensemble`."""

    def __init__(self, seats: dict[Seat, Render]) -> None:
        self._seats = seats

    @property
    def sounding(self) -> bool:
        """Whether it is asked for samples."""
        return self in self._seats

    @property
    def beat_ns(self) -> int:
        """Now: who waits for all of them together needs no watchdog."""
        return monotonic_ns()

    def start(self, render: Render) -> None:
        """Ask *render* for samples from the next block on."""
        self._seats[self] = render

    def stop(self) -> None:
        """Ask no more."""
        self._seats.pop(self, None)


async def play(url: str, credentials: Sequence[str]) -> None:
    """Run speakers until standard input ends."""
    async with AsyncExitStack() as stack:
        ensemble = stack.enter_context(Ensemble())
        speakers = [
            await stack.enter_async_context(
                Speaker(
                    url=url,
                    credential=credential,
                    device=ensemble.seat(),
                    ptime_ms=PTIME_MS,
                )
            )
            for credential in credentials
        ]
        while not all(map(_can_play, speakers)):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(_LOOK_S)
        print(READY, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def _can_play(speaker: Speaker) -> bool:
    status = speaker.status
    return status.connected and status.clock_synchronised


def main(arguments: list[str]) -> None:
    """Run with URL CREDENTIALS_FILE."""
    url, file = arguments
    asyncio.run(play(url, Path(file).read_text().split()))


if __name__ == "__main__":
    main(sys.argv[1:])
