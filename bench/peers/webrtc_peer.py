"""How a WebRTC peer is run: it takes offers, then sends known packets on the grid.

``python -m bench.peers.webrtc_NAME …`` prints what it is (``Configured: …``), the
process to be measured (``Process: …``) and where its signalling is (``Listening: …``);
"start" is answered by ``Grid: …``, the instant at which packet 0 is due, a second from
then; it ends with standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from time import monotonic_ns

from bench.peers.whep import WhepServer
from bench.processes import sleep_until
from streamer.media.frame import FRAME_NS

LEAD_NS = 1_000_000_000
"From the word to packet 0: the generator must know the grid before."


def announce(listening: object, configured: str, *, pid: int | None = None) -> None:
    """Say that the peer is ready."""
    print(f"Configured: {configured}")
    print(f"Process: {pid or os.getpid()}")
    print(f"Listening: {listening}", flush=True)


def await_start() -> int:
    """Wait for the word; return when packet 0 is due, as told."""
    sys.stdin.readline()
    first_due_ns = monotonic_ns() + LEAD_NS
    print(f"Grid: {first_due_ns}", flush=True)
    return first_due_ns


class Ticker:
    """A thread that calls *tick* with 0, 1, … on the 20 ms grid until ended."""

    def __init__(self, first_due_ns: int, tick: Callable[[int], object]) -> None:
        self._first_due_ns = first_due_ns
        self._tick = tick
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        index = 0
        while not self._ended.is_set():
            sleep_until(self._first_due_ns + index * FRAME_NS)
            self._tick(index)
            index += 1


async def serve(
    whep: WhepServer, configured: str, begin: Callable[[int], Callable[[int], object]]
) -> None:
    """Take offers; when told, tick on this event loop; end with standard input.

    Args:
        whep: The peer's signalling, not entered.
        configured: What the row says of it.
        begin: Called with the instant of packet 0; returns what is called, on the
            loop, with each packet's number when it is due.
    """
    loop = asyncio.get_running_loop()
    async with whep:
        announce(whep.port, configured)
        first_due_ns = await asyncio.to_thread(await_start)
        tick = begin(first_due_ns)
        with Ticker(first_due_ns, lambda k: loop.call_soon_threadsafe(tick, k)):
            await asyncio.to_thread(sys.stdin.read)
