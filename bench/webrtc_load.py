"""The load generator of WebRTC listeners: a process of its own that holds thousands.

``python -m bench.webrtc_load SETTINGS_FILE`` reads one JSON command a line and answers
each with one line (:class:`Commands`), as `bench.generator` does for WebSocket. Every
listener has its own UDP socket and goes through signalling, ICE, DTLS and SRTP; it
checks its consent and reports every five seconds as a browser does. All packets are
accounted for by their clear RTP headers, and one listener in fifty decrypts its own
and holds the payloads against the truth.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import resource
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from time import monotonic_ns

import uvloop

from bench.churn_crowd import Churn
from bench.findings import Answer, Findings
from bench.ledger import ClockLedger, LoopLedger
from bench.peers import material
from bench.rtp_account import RtpAccount
from bench.webrtc_client import LightListener
from bench.webrtc_crowd import AnyLedger, WebRtcCrowd
from bench.webrtc_janus import Janus
from bench.webrtc_plain import TAG_BYTES, PlainListener
from bench.webrtc_settings import Settings
from bench.webrtc_signalling import Listener, Signalling, Whep, WhepTarget
from streamer.fanout.webrtc.dtls import Profile

SEED = 5


def open_signalling(settings: Settings) -> AbstractAsyncContextManager[Signalling]:
    """Return how to reach the server."""
    if settings.signalling == "janus":
        return Janus(settings.address)
    return Whep(WhepTarget(settings.address, settings.token, tuple(settings.zones)))


def listener_of(settings: Settings) -> Callable[[int], Listener]:
    """Return what makes the listener of a place."""
    profile = Profile[settings.profile]
    if settings.signalling == "plain":
        return lambda _: PlainListener(padding_bytes=TAG_BYTES[profile])
    return lambda place: LightListener(
        Random(SEED * 1_000_000 + place), profile=profile
    )


def ledger_of(settings: Settings) -> AnyLedger:
    """Return what its listeners should hear."""
    return LoopLedger(material.payloads()) if settings.known_loop else ClockLedger()


class Commands(Findings):
    """What the parent may ask; each method answers with plain values."""

    def __init__(self, crowd: WebRtcCrowd) -> None:
        super().__init__(crowd)
        self._crowd = crowd
        self._joined = 0
        self._churn = Churn(crowd)

    async def join(self, count: int) -> Answer:
        """Let *count* more listeners join."""
        start_ns = monotonic_ns()
        await self._crowd.join(range(self._joined, self._joined + count))
        self._joined += count
        seconds = (monotonic_ns() - start_ns) / 1e9
        gc.collect()
        gc.freeze()
        return {"joined": self._joined, "start_ns": start_ns, "seconds": seconds}

    async def leave(self) -> Answer:
        """Let all listeners leave."""
        for connection in self._crowd.connections:
            await self._crowd.leave(connection.place, deleted=True, told=False)
        self._joined = 0
        return {}

    def grid(self, first_due_ns: int) -> Answer:
        """Learn when a peer's packet 0 is due."""
        assert isinstance(self._crowd.ledger, LoopLedger)
        self._crowd.ledger.start(first_due_ns)
        return {}

    def forget(self) -> Answer:
        """Drop what was seen so far."""
        self._crowd.settle()
        return super().forget()

    def totals(self) -> Answer:
        """Return messages and their bytes of all listeners since they joined."""
        self._crowd.settle()
        return super().totals()

    def collect(self, ssrc: int, from_ns: int, to_ns: int) -> Answer:
        """Return what arrived; `payloads_wrong` of `payloads_compared` too."""
        self._crowd.settle()
        ledger = self._crowd.ledger
        found = super().collect(ssrc, from_ns, to_ns)
        payloads = {
            "payloads_compared": ledger.compared,
            "payloads_wrong": ledger.wrong,
        }
        return found | payloads

    def judged(self) -> list[RtpAccount]:
        """Leave those out that come and go."""
        return [
            connection.account
            for connection in self._crowd.connections
            if connection.place not in self._churn.places
        ]

    def arrivals(self, ssrc: int, since_ns: int) -> Answer:
        """Return when each listener's first packet after a switch was read.

        All programmes have one SSRC here; the marker bit tells where one begins
        (RFC 7587, section 4.1), so it is the first switch *since_ns* that counts.
        """
        marks = [connection.marks_ns for connection in self._crowd.connections]
        return {
            "arrivals_ns": [
                next((at_ns for at_ns in mine if at_ns >= since_ns), None)
                for mine in marks
            ]
        }

    def churn(self, stayers: int, rate: float) -> Answer:
        """Let all but *stayers* leave and join again, so many a second in all."""
        self._churn.start(stayers, rate)
        return {"churning": len(self._churn.places)}

    async def calm(self) -> Answer:
        """End the churn; return what it counted."""
        return await self._churn.stop()

    def churned(self) -> Answer:
        """Return what the churn has counted so far."""
        return self._churn.counts()


async def serve(crowd: WebRtcCrowd) -> None:
    """Obey commands until standard input ends."""
    commands = Commands(crowd)
    reading = asyncio.create_task(crowd.run())
    requests = _lines()
    while (line := await _next(requests, reading)) is not None:
        request = json.loads(line)
        answer = getattr(commands, request.pop("do"))(**request)
        if inspect.isawaitable(answer):
            answer = await answer
        print(json.dumps(answer), flush=True)
    reading.cancel()


def _lines() -> asyncio.Queue[bytes | None]:
    """Return a queue of the lines of standard input; None ends it.

    It is as long as the parent makes it, who waits for each answer.
    """
    requests: asyncio.Queue[bytes | None] = asyncio.Queue()
    stdin, pending = sys.stdin.fileno(), b""

    def read() -> None:
        nonlocal pending
        data = os.read(stdin, 65_536)
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            requests.put_nowait(line)
        if not data:
            asyncio.get_running_loop().remove_reader(stdin)
            requests.put_nowait(None)

    asyncio.get_running_loop().add_reader(stdin, read)
    return requests


async def _next(
    requests: asyncio.Queue[bytes | None], reading: asyncio.Task[None]
) -> bytes | None:
    """Return the next line; raise what ended *reading*, should it end."""
    line = asyncio.create_task(requests.get())
    await asyncio.wait({line, reading}, return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        reading.result()
    return await line


async def run(settings: Settings) -> None:
    """Load what *settings* say."""
    async with open_signalling(settings) as signalling:
        crowd = WebRtcCrowd(
            signalling,
            ledger_of(settings),
            listener_of(settings),
            host=settings.host,
            places=settings.listeners,
            eager=settings.eager,
        )
        await serve(crowd)


def main(arguments: list[str]) -> None:
    """Run with SETTINGS_FILE."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # A full collection over thousands of connections would count as lateness.
    gc.disable()
    uvloop.run(run(Settings.read(Path(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
