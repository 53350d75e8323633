"""Who is measured against whom: our server, and the peers that were asked for."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import webrtc_contender
from bench.contender import Contender, Peer
from bench.processes import cores
from bench.report import Sample
from bench.seed import seed
from bench.server import Server
from bench.webrtc_contender import GCM, WebRtcPeer, WebRtcServer

Opener = Callable[[], AbstractContextManager[Contender]]


def interleave(
    openers: Sequence[Opener],
    rounds: int,
    measure: Callable[[Contender], Sample],
    told: Callable[[str, int, Sample], None],
) -> tuple[dict[str, list[Sample]], dict[str, str]]:
    """Measure every contender afresh in each round, in turn; drop the first round.

    Args:
        openers: Each starts a fresh contender; ours first.
        rounds: Counted ones.
        measure: Gives one contender's numbers of one round.
        told: Gets the contender's name, the round and its numbers.

    Returns:
        By contender, the counted rounds' numbers, and how it was configured.
    """
    samples: dict[str, list[Sample]] = {}
    configured: dict[str, str] = {}
    for number in range(rounds + 1):
        for opener in openers:
            with opener() as contender:
                configured[contender.name] = contender.configured
                sample = measure(contender)
            kept = samples.setdefault(contender.name, [])
            if number > 0:
                kept.append(sample)
            told(contender.name, number, sample)
    return samples, configured


WEBSOCKET, WEBRTC = "websocket", "webrtc"
TRANSPORTS = (WEBSOCKET, WEBRTC)
WEBSOCKET_PEERS = {"floor": "floor", "websockets": "broadcast"}
"What `--against` takes, and the module of `bench.peers` behind it."


class NoSuchPeer(Exception):
    """Nothing of that name is measured over that transport."""


@dataclass(frozen=True, slots=True)
class Field:
    """The contenders of one bench, all over one transport."""

    transport: str
    listeners: int
    peers: Sequence[str] = ()
    ours: bool = True
    ptime_ms: int = 20
    profile: str = GCM
    "Of SRTP."

    def __post_init__(self) -> None:
        known = (
            WEBSOCKET_PEERS if self.transport == WEBSOCKET else webrtc_contender.PEERS
        )
        if unknown := {name.split(":")[0] for name in self.peers} - set(known):
            raise NoSuchPeer(
                f"{', '.join(sorted(unknown))}; over {self.transport} there are "
                f"{', '.join(known)}"
            )

    @contextmanager
    def openers(self) -> Iterator[list[Opener]]:
        """Yield what starts each contender, ours first; none is running."""
        with self.our_opener() as ours:
            yield [*([ours] if self.ours else []), *map(self._peer, self.peers)]

    @contextmanager
    def our_opener(self) -> Iterator[Callable[[], Server]]:
        """Yield what starts our server for listeners over this transport."""
        if self.transport == WEBSOCKET:
            with our_server(self.listeners) as server:
                yield server
        else:
            with our_server(0) as server:
                yield partial(
                    WebRtcServer,
                    *server.args,
                    **server.keywords,
                    listeners=self.listeners,
                    profile=self.profile,
                )

    def _peer(self, name: str) -> Opener:
        core = cores()[0]
        if self.transport == WEBRTC:
            return partial(
                WebRtcPeer,
                name,
                listeners=self.listeners,
                profile=self.profile,
                core=core,
            )
        return partial(
            Peer,
            name,
            WEBSOCKET_PEERS[name],
            listeners=self.listeners,
            ptime_ms=self.ptime_ms,
            core=core,
        )


@contextmanager
def our_server(speakers: int) -> Iterator[partial[Server]]:
    """Yield what starts our server, on its own core, with *speakers* enrolled."""
    _prepare_process()
    with tempfile.TemporaryDirectory(prefix="loacast-bench-") as scratch:
        seeded = seed(Path(scratch) / "seeded", speakers)
        yield partial(Server, seeded, core=cores()[0])


def _prepare_process() -> None:
    """Leave the server's core alone, and let children open thousands of sockets."""
    os.sched_setaffinity(0, {cores()[1]})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
