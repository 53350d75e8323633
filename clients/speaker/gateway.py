"""Runs a command when something is about to sound, and when it ended (adapter).

It is never a shell that runs, and audio never waits: a command that hangs is killed,
and of the states that came meanwhile only the last is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns
from typing import Self

from clients.speaker.keying import (
    DEFAULT_POST_MS,
    DEFAULT_PRE_MS,
    OFF,
    Coming,
    Keyed,
    Keyer,
)

_log = logging.getLogger(__name__)

LOOK_PERIOD_S = 0.05
COMMAND_TIMEOUT_S = 5.0
LAST_TIMEOUT_S = 1.5
"For letting go at the end, so that the process ends in time."


@dataclass(frozen=True, slots=True)
class OnAirCommand:
    """What to run, and when."""

    command: str
    "Words as a shell would split them; no shell runs."
    pre_ms: int = DEFAULT_PRE_MS
    post_ms: int = DEFAULT_POST_MS


class Gateway:
    """Keys whatever the command keys, while it is entered; begins and ends with off.

    Args:
        on_air: The command. One that cannot be split raises ValueError here.
        coming: Given how many ms to look ahead, returns what sounds within them.
        timeout_s: After it a command is killed.
    """

    def __init__(
        self,
        on_air: OnAirCommand,
        coming: Callable[[int], Coming | None],
        *,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> None:
        self._words = shlex.split(on_air.command)
        if not self._words:
            raise ValueError("the on-air command is empty")
        self._ahead_ms = on_air.pre_ms + round(LOOK_PERIOD_S * 1000)
        self._coming = coming
        self._timeout_s = timeout_s
        self._keyer = Keyer(post_ms=on_air.post_ms)
        self._wanted = OFF
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._changed.set()  # whatever a process before us left keyed is let go
        self._tasks = [
            asyncio.create_task(self._watch(), name="gateway"),
            asyncio.create_task(self._obey(), name="on-air command"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._run(OFF, LAST_TIMEOUT_S)

    async def _watch(self) -> None:
        while True:
            coming = self._coming(self._ahead_ms)
            keyed = self._keyer.look(coming, now_ns=monotonic_ns())
            if keyed is not None:
                self._wanted = keyed
                self._changed.set()
            await asyncio.sleep(LOOK_PERIOD_S)

    async def _obey(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._run(self._wanted, self._timeout_s)

    async def _run(self, keyed: Keyed, timeout_s: float) -> None:
        environment = {
            **os.environ,
            "LOACAST_ON_AIR": "1" if keyed.on else "0",
            "LOACAST_CLASS": keyed.programme_class,
            "LOACAST_BROADCAST": keyed.broadcast,
        }
        environment.pop("LOACAST_CREDENTIAL", None)  # it is none of its business
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            _log.error("the on-air command cannot be run: %s", error)
            return
        try:
            async with asyncio.timeout(timeout_s):
                status = await process.wait()
            if status != 0:
                _log.error("the on-air command failed with %d", status)
        except TimeoutError:
            _log.error("the on-air command hung for %.1f s and was killed", timeout_s)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
