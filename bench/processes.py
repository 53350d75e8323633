"""Child processes of a bench: pinned, measured through /proc, always ended by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Self

_TICKS_HZ = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
END_TIMEOUT_S = 10.0


class ChildDied(Exception):
    """A child ended, or said nothing for too long; holds what it last wrote."""


class Child:
    """One child process as a context manager: started on entry, ended on exit.

    Args:
        arguments: The command; a bare "python" becomes this interpreter.
        cores: CPUs it may run on, threads it starts later included; any when empty.
        environment: Added to ours.
        cwd: Where it runs; here when not given.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cores: Collection[int] = (),
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.arguments = [
            sys.executable if argument == "python" and place == 0 else argument
            for place, argument in enumerate(arguments)
        ]
        self._cores = cores
        self._environment = os.environ | (environment or {})
        self._cwd = cwd
        self._process: subprocess.Popen[str]
        self._errors: IO[bytes]

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
            env=self._environment,
            cwd=self._cwd,
            # A group of its own: Ctrl-C reaches us, and we end our children.
            start_new_session=True,
        )
        if self._cores:
            os.sched_setaffinity(self._process.pid, self._cores)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # words it never read
                    stream.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def say(self, line: str) -> None:
        """Write *line* to its standard input."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildDied(self.obituary()) from None

    def close_input(self) -> None:
        """Let its standard input end."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def hear(self) -> str:
        """Return the next line of its standard output.

        Raises:
            ChildDied: There is none: it has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(END_TIMEOUT_S)
            raise ChildDied(self.obituary())
        return line.rstrip("\n")

    def hear_until(self, start: str) -> str:
        """Skip lines until one begins with *start*; return the rest of that one."""
        while not (line := self.hear().strip()).startswith(start):
            pass
        return line.removeprefix(start).strip()

    def end(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, insist after ten seconds, and return its exit status."""
        if self.running:
            self._process.send_signal(sign)
            try:
                self._process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def obituary(self) -> str:
        """Return its command, exit status and the last lines of standard error."""
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").splitlines()[-20:]
        state = self._process.poll()
        return "\n".join([" ".join(self.arguments), f"exit status {state}", *last])


def cpu_seconds(pid: int) -> float:
    """Return user and system time of *pid* and its living descendants so far."""
    return sum(_cpu_seconds_of(one) for one in family(pid))


def rss_kib(pid: int) -> int:
    """Return resident memory of *pid* and its living descendants."""
    return sum(
        int(Path(f"/proc/{one}/statm").read_text().split()[1]) * _PAGE_KIB
        for one in family(pid)
    )


def family(pid: int) -> list[int]:
    """Return *pid* and all its living descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _cpu_seconds_of(pid: int) -> float:
    # The second field may hold spaces; the rest follows its closing bracket (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / _TICKS_HZ


def free_port() -> int:
    """Return a TCP port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def port_or_free(wanted: int) -> int:
    """Return *wanted* when nobody listens on it, else a free port."""
    try:
        with socket.create_server(("127.0.0.1", wanted)):
            return wanted
    except OSError:
        return free_port()


def sleep_until(instant_ns: int) -> None:
    """Sleep until the monotonic clock shows *instant_ns*."""
    time.sleep(max(0, instant_ns - time.monotonic_ns()) / 1e9)


@cache
def cores() -> tuple[int, int]:
    """Return a core for the server and another for everybody else.

    Found once: whoever leaves the server's core would not find it again. The same one
    twice on a machine that has only one: then nothing is comparable,
    and `generator_core_share` will show it.
    """
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]
