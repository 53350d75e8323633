"""The load generator: a process of its own that holds thousands of listeners.

``python -m bench.generator HOST PORT PATH CREDENTIALS_FILE`` reads one JSON command
a line and answers each with one line (:class:`Commands`); `bench.load.Load` is the
other end. Plain sockets and epoll; two kinds of listeners keep it light:

- *eager* ones, a uniform sample, are read as soon as the kernel reports them, and
  the lateness of each of their messages is kept;
- *lazy* ones are read in turn every 200 ms, each parsed for continuity all the same.

Lateness is the instant after the read minus the instant at which the 20 ms grid owed
the message's last packet, both on CLOCK_MONOTONIC of this host. It so contains the
generator's own queueing and is an upper bound.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import sys
from pathlib import Path
from time import monotonic_ns

from bench.account import Account
from bench.connection import Connection
from bench.crowd import Crowd, seats
from bench.findings import Answer, Findings


class Commands(Findings):
    """What the parent may ask; each method answers with plain values."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__(crowd)
        self._crowd = crowd
        self._stalled: list[Connection] = []
        self._resumed: list[Connection] = []

    def join(self, count: int) -> Answer:
        """Connect *count* more listeners."""
        start_ns = monotonic_ns()
        self._crowd.join(count)
        seconds = (monotonic_ns() - start_ns) / 1e9
        gc.collect()
        gc.freeze()
        joined = len(self._crowd.connections)
        return {"joined": joined, "start_ns": start_ns, "seconds": seconds}

    def leave(self) -> Answer:
        """Close every connection."""
        self._crowd.leave()
        return {}

    def judged(self) -> list[Account]:
        """Leave those out that are stalled."""
        stalled = set(self._stalled)
        return [
            connection.account
            for connection in self._crowd.connections
            if connection not in stalled
        ]

    def arrivals(self, ssrc: int, since_ns: int) -> Answer:
        """Return when each listener's first packet of a programme was read.

        It is known by its SSRC, which no other programme has had *since_ns* or before.
        """
        connections = self._crowd.connections
        return {"arrivals_ns": [one.first_arrival_ns.get(ssrc) for one in connections]}

    def stall(self) -> Answer:
        """Stop reading the stallable listeners."""
        self._stalled = self._crowd.stall()
        return {"stalled": len(self._stalled)}

    def resume(self) -> Answer:
        """Read them again."""
        self._crowd.resume(self._stalled)
        self._resumed, self._stalled = self._stalled, []
        return {}

    def edges(self) -> Answer:
        """Return how long each took from reading again to live audio, or None."""
        return {
            "live_after_ns": [
                None if one.live_ns is None else one.live_ns - one.resumed_ns
                for one in self._resumed
            ],
            "closed": sum(one.account.closed for one in self._resumed),
        }


def serve(crowd: Crowd) -> None:
    """Read listeners and obey commands until standard input ends."""
    commands = Commands(crowd)
    stdin, pending = sys.stdin.fileno(), b""
    crowd.epoll.register(stdin, select.EPOLLIN)
    while True:
        for fd, _ in crowd.epoll.poll(crowd.drain()):
            if fd != stdin:
                crowd.read(fd)
                continue
            if not (data := os.read(stdin, 65_536)):
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                request = json.loads(line)
                answer = getattr(commands, request.pop("do"))(**request)
                print(json.dumps(answer), flush=True)


def main(arguments: list[str]) -> None:
    """Run with HOST PORT PATH CREDENTIALS_FILE EAGER STALLABLE SPEAKING."""
    host, port, path, file, eager, stallable, speaking = arguments
    credentials = Path(file).read_text().split()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Its garbage is acyclic; a full collection over thousands of connections would
    # count as lateness of the server's.
    gc.disable()
    places = seats(credentials, int(eager), int(stallable))
    serve(Crowd((host, int(port)), path, places, speaking=speaking == "speaking"))


if __name__ == "__main__":
    main(sys.argv[1:])
