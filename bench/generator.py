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
from typing import Any

from bench.connection import Connection
from bench.crowd import Crowd, seats
from bench.report import percentiles_ms

Answer = dict[str, Any]


class Commands:
    """What the parent may ask; each method answers with plain values."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._stalled: list[Connection] = []
        self._resumed: list[Connection] = []

    def join(self, count: int) -> Answer:
        """Connect *count* more listeners, with nothing on air."""
        self._crowd.join(count)
        gc.collect()
        gc.freeze()
        return {"joined": len(self._crowd.connections)}

    def forget(self) -> Answer:
        """Drop what was seen so far."""
        for connection in self._crowd.connections:
            connection.account.forget()
        del self._crowd.due_ns[:], self._crowd.lateness_ns[:]
        return {}

    def collect(self, ssrc: int, from_ns: int, to_ns: int) -> Answer:
        """Return what arrived of the packets due in [from_ns, to_ns).

        `delivered_ratio` is the worst listener's, those that are stalled left out;
        call it half a second after *to_ns*, when the lazy ones were read too.
        """
        mapping = self._crowd.mappings[ssrc]
        window = range(mapping.first_due_from(from_ns), mapping.first_due_from(to_ns))
        stalled = set(self._stalled)
        accounts = [
            connection.account
            for connection in self._crowd.connections
            if connection not in stalled
        ]
        ratios = [one.received(ssrc, mapping, window) / len(window) for one in accounts]
        numbering = {n for one in accounts for n in one.numbering(ssrc, mapping)}
        return {
            "packets_due": len(window),
            "delivered_ratio": min(ratios),
            "delivered_ratio_mean": sum(ratios) / len(ratios),
            "listeners_with_loss": sum(ratio < 1 for ratio in ratios),
            "connections_closed": sum(one.closed for one in accounts),
            "misnumbered": len(numbering) - 1,
            **self.lateness(from_ns, to_ns),
        }

    def lateness(self, from_ns: int, to_ns: int) -> Answer:
        """Return percentiles over the messages due in [from_ns, to_ns)."""
        seen = self._crowd
        values = [
            late
            for due, late in zip(seen.due_ns, seen.lateness_ns, strict=True)
            if from_ns <= due < to_ns
        ]
        return {"lateness_samples": len(values), **percentiles_ms(values)}

    def totals(self) -> Answer:
        """Return messages and audio bytes of all listeners since they joined."""
        accounts = [connection.account for connection in self._crowd.connections]
        return {
            "messages": sum(one.messages for one in accounts),
            "audio_bytes": sum(one.audio_bytes for one in accounts),
        }

    def programme(self, ssrc: int) -> Answer:
        """Return the announced grid of a programme, or nothing if there is none yet."""
        if (mapping := self._crowd.mappings.get(ssrc)) is None:
            return {}
        return {
            "first_timestamp": mapping.first_timestamp,
            "first_due_ns": mapping.first_due_ns,
        }

    def arrivals(self, ssrc: int) -> Answer:
        """Return when each listener's first packet of a programme was read."""
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
