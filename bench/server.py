"""Our own server as a contender: the real command, a seeded directory, its API."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.api import Api
from bench.load import Load, Target
from bench.peers.material import PATTERN
from bench.processes import Child, cores
from bench.province import PROVINCE

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Seeded:
    """A data directory with the sample province, speakers and an admin's token.

    A server that starts from it gets a copy, so it can be used again and again.
    """

    directory: Path
    credentials: Sequence[str]
    "One per speaker; speaker k stands in ``village_of(k)``."
    token: str


class Server:
    """`loacast serve` on free ports of 127.0.0.1, as a context manager.

    Args:
        seeded: What it starts from.
        core: The CPU it is pinned to; any when None.
        directory: Where its data are left, made anew; None leaves nothing.
        host: Its address, of every port.
        options: More of its command's.
        environment: More of its variables.
    """

    name = "loacast"
    transport = "websocket"
    configured = "as it comes"

    def __init__(
        self,
        seeded: Seeded,
        *,
        core: int | None = None,
        directory: Path | None = None,
        host: str = LOOPBACK,
        options: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.host = host
        self.credentials = seeded.credentials
        self._options = options
        self._environment = environment
        self._seeded = seeded
        self._cores = () if core is None else (core,)
        self._kept = directory
        self._stack = ExitStack()
        self._child: Child
        self.directory: Path
        self.api: Api
        self.url: str
        self.port: int

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.directory = self._kept or scratch / "data"
            shutil.copytree(self._seeded.directory, self.directory)
            command = [*serve_command(self.directory, host=self.host), *self._options]
            child = Child(command, cores=self._cores, environment=self._environment)
            self._child = stack.enter_context(child)
            self.url = self._child.hear_until("Listening:").split()[0]
            self.api = stack.enter_context(Api(self.url, self._seeded.token))
            self.port = self.api.get("server")["stream_url_port"]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._child.pid

    def load(self, *, eager: int, ptime_ms: int) -> Load:
        """Return a generator of speakers, who ping and report."""
        target = Target(self.port, self.credentials, ptime_ms)
        return Load(target, core=cores()[1], eager=eager)

    def start(self) -> int:
        """Put background tones on air in the whole province; return their SSRC."""
        broadcast = self.api.start_tone(PATTERN, [PROVINCE.id], "background")
        return int(broadcast["ssrc"])

    def encodes(self) -> int:
        """Return how many frames were encoded so far."""
        return int(self.api.metric("loacast_frames_encoded_total"))


def serve_command(
    directory: Path, *, port: int = 0, stream_port: int = 0, host: str = LOOPBACK
) -> list[str]:
    """Return the command that serves *directory* on *host*; port 0 is any."""
    return [
        *("python", "-m", "streamer", "serve"),
        *("--data-directory", str(directory), "--host", host),
        *("--port", str(port), "--stream-port", str(stream_port)),
        *("--webrtc-host", host),
        *("--log-level", "warning"),
    ]
