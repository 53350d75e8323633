"""The parent's end of a load generator (`bench.generator`)."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.processes import Child, cpu_seconds
from bench.webrtc_settings import Settings

EAGER_LISTENERS = 400
"Enough for a p99 of each round, few enough to stay light at 6,000 listeners."


@dataclass(frozen=True, slots=True)
class Target:
    """Where listeners connect, and with which credentials."""

    port: int
    credentials: Sequence[str]
    ptime_ms: int = 20
    host: str = "127.0.0.1"

    @property
    def path(self) -> str:
        """What a listener asks for (FORMAT.md)."""
        return f"/v1/listen?ptime_ms={self.ptime_ms}"


class Load:
    """A generator process: ``with Load(target, core=1) as load: load.ask("join", …)``.

    Args:
        target: What it loads.
        core: The CPU it is pinned to.
        eager: How many listeners are read at once and timed; the rest every 200 ms.
        stallable: How many can be told to stop reading.
        speaking: Whether they ping and report now and then, as speakers do.
    """

    def __init__(
        self,
        target: Target,
        *,
        core: int,
        eager: int = EAGER_LISTENERS,
        stallable: int = 0,
        speaking: bool = True,
    ) -> None:
        self._target = target
        self._core = core
        self._counts = (str(eager), str(stallable), "speaking" if speaking else "mute")
        self._directory = tempfile.TemporaryDirectory()
        self._child: Child

    def __enter__(self) -> Self:
        command = self._command(Path(self._directory.name))
        self._child = Child(command, cores={self._core}, cwd=Path(__file__).parents[1])
        self._child.__enter__()
        return self

    def _command(self, directory: Path) -> Sequence[str]:
        """Return how to run the generator; what it shall read goes to *directory*."""
        file = directory / "credentials"
        file.write_text("\n".join(self._target.credentials))
        where = (self._target.host, str(self._target.port), self._target.path)
        return "python", "-m", "bench.generator", *where, str(file), *self._counts

    def __exit__(self, *exception: object) -> None:
        self._child.__exit__(*exception)
        self._directory.cleanup()

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Give *command* of `bench.generator.Commands`; return its answer.

        Raises:
            ChildDied: The generator failed; its traceback is in the message.
        """
        self._child.say(json.dumps({"do": command} | arguments))
        answer: dict[str, Any] = json.loads(self._child.hear())
        return answer

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used."""
        return cpu_seconds(self._child.pid)

    def await_programme(self, ssrc: int, timeout_s: float = 5.0) -> dict[str, Any]:
        """Wait until a listener was told of the programme; return its grid.

        Raises:
            TimeoutError: Nobody was.
        """
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            if grid := self.ask("programme", ssrc=ssrc):
                return grid
            time.sleep(0.02)
        raise TimeoutError(f"no listener heard of programme {ssrc}")


class WebRtcLoad(Load):
    """A generator process of WebRTC listeners (`bench.webrtc_load`).

    Args:
        settings: What it loads.
        core: The CPU it is pinned to.
    """

    def __init__(self, settings: Settings, *, core: int) -> None:
        super().__init__(Target(0, ()), core=core)
        self._settings = settings

    def _command(self, directory: Path) -> Sequence[str]:
        file = directory / "settings.json"
        self._settings.write(file)
        return "python", "-m", "bench.webrtc_load", str(file)
