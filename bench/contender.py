"""What is measured: our server, or a peer, behind one narrow seam."""

from __future__ import annotations

from typing import Protocol, Self

from bench.load import Load, Target
from bench.processes import Child, cores


class Contender(Protocol):
    """A server of audio in a process of its own; a context manager."""

    @property
    def name(self) -> str:
        """What the row's `server` says."""
        ...

    @property
    def configured(self) -> str:
        """How it was set up, for the row; nothing when as it comes."""
        ...

    @property
    def pid(self) -> int:
        """Of the process whose CPU time and memory count, descendants included."""
        ...

    def load(self, *, eager: int, ptime_ms: int) -> Load:
        """Return a generator of its listeners, not yet running.

        Args:
            eager: How many are read at once and timed.
            ptime_ms: Audio per message.
        """
        ...

    def start(self) -> int:
        """Go on air for everybody who joined; return the programme's SSRC."""
        ...

    def encodes(self) -> int | None:
        """Return how many frames were encoded so far, where that is counted."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Peer:
    """A module of `bench.peers`, which all speak alike (see `floor`).

    Args:
        name: What the row says.
        module: Its name in `bench.peers`.
        listeners: How many will join before :meth:`start`.
        ptime_ms: Audio per message.
        core: The CPU it is pinned to.
    """

    configured = ""

    def __init__(
        self, name: str, module: str, *, listeners: int, ptime_ms: int, core: int
    ) -> None:
        self.name = name
        self._listeners = listeners
        self._port = 0
        command = ("python", "-m", f"bench.peers.{module}", str(ptime_ms))
        self._child = Child(command, cores={core})

    def __enter__(self) -> Self:
        self._child.__enter__()
        self._port = int(self._child.hear_until("Listening:"))
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.__exit__(*exception)

    @property
    def pid(self) -> int:
        """Of the peer's process."""
        return self._child.pid

    def load(self, *, eager: int, ptime_ms: int) -> Load:
        """Return a generator of listeners that never speak."""
        target = Target(self._port, ["none"] * self._listeners, ptime_ms)
        return Load(target, core=cores()[1], eager=eager, speaking=False)

    def start(self) -> int:
        """Tell it how many to wait for, and to begin."""
        self._child.say(f"start {self._listeners}")
        return int(self._child.hear_until("SSRC"))

    def encodes(self) -> None:
        """Peers send what was encoded before."""
