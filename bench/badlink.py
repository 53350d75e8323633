"""Links that are bad on purpose, as processes of their own.

`Relay` is for UDP and needs no rights; `Tunnel` is for everything and needs root.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Self

from bench.processes import Child, cores

RELAY_HOST = "127.0.0.2"


class BadLink:
    """A process that says it is ready, moves packets, and accounts for them."""

    def __init__(self, module: str, *arguments: str) -> None:
        # It has the least to do and must be in time: any core.
        self._child = Child(("python", "-m", module, *arguments), cores=cores())
        self.ready = ""
        "What it said then."

    def __enter__(self) -> Self:
        self._child.__enter__()
        try:
            self.ready = self._child.hear_until("ready")
        except BaseException:
            self._child.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.__exit__(*exception)

    def finish(self) -> Mapping[str, int]:
        """Let it end; return how many packets were sent, lost and dropped each way."""
        self._child.close_input()
        account: dict[str, int] = json.loads(self._child.hear())
        return account


class Relay(BadLink):
    """Between WebRTC listeners and the server's UDP port, at `RELAY_HOST`.

    Args:
        profile: A name of `bench.impair.PROFILES`.
        seed: Of its losses and delays.
        port: The server's, on 127.0.0.1, and ours.
        outage_s: When the first outage begins; None: as the profile says.
    """

    def __init__(
        self, profile: str, seed: str, port: int, *, outage_s: float | None = None
    ) -> None:
        where = (profile, seed, RELAY_HOST, "127.0.0.1", str(port))
        super().__init__("bench.relay", *where, *_outage(outage_s))


class Tunnel(BadLink):
    """Between this machine and a network namespace.

    Args:
        profile: A name of `bench.impair.PROFILES`.
        seed: Of its losses and delays.
        number: Tunnels that are there at the same time have different ones.
        outage_s: When the first outage begins; None: as the profile says.
    """

    def __init__(
        self,
        profile: str,
        seed: str,
        number: int = 0,
        *,
        outage_s: float | None = None,
    ) -> None:
        super().__init__("bench.tunnel", profile, seed, str(number), *_outage(outage_s))

    @property
    def inside(self) -> tuple[str, ...]:
        """What to put before a command that is to run at the other end."""
        return ("ip", "netns", "exec", self.ready)

    def freeze(self, seconds: float) -> int:
        """Let nothing pass from now on; return the monotonic instant of its end."""
        self._child.say(f"freeze {round(seconds * 1000)}")
        return int(self._child.hear_until("frozen until"))


def _outage(outage_s: float | None) -> tuple[str, ...]:
    return () if outage_s is None else (str(outage_s),)
