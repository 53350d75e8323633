"""Tests of bench.processes on real children."""

from __future__ import annotations

import os
import socket

import pytest

from bench.processes import (
    Child,
    ChildDied,
    cpu_seconds,
    family,
    free_port,
    port_or_free,
    rss_kib,
)

ECHO = "import sys\nfor line in sys.stdin: print('heard', line, end='', flush=True)"
PARENT = (
    "import subprocess, sys; child = subprocess.Popen(['sleep', '60']);"
    "print(child.pid, flush=True); sys.stdin.read(); child.terminate()"
)
BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint('x'); input()"


def python(program: str) -> tuple[str, ...]:
    return ("python", "-c", program)


def test_a_child_is_spoken_to_and_ended() -> None:
    with Child(python(ECHO), cores={min(os.sched_getaffinity(0))}) as child:
        child.say("one")
        assert child.hear() == "heard one"
        child.say("two")
        assert child.hear_until("heard") == "two"
        assert os.sched_getaffinity(child.pid) == {min(os.sched_getaffinity(0))}
        assert child.running
    assert not child.running


def test_a_child_that_dies_says_why() -> None:
    with Child(python("import sys; sys.exit('no more loudspeakers')")) as child:
        with pytest.raises(ChildDied, match="no more loudspeakers"):
            child.hear()
        with pytest.raises(ChildDied, match="exit status 1"):
            child.say("hello?")


def test_a_child_that_ignores_us_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.processes.END_TIMEOUT_S", 0.2)
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True);"
    with Child(python(deaf + "signal.pause()")) as child:
        child.hear()
        assert child.end() == -9


def test_cpu_time_is_what_the_child_says_it_used() -> None:
    with Child(python(BUSY)) as child:
        child.hear()
        assert 0.25 <= cpu_seconds(child.pid) <= 0.6


def test_a_family_is_measured_as_a_whole() -> None:
    with Child(python(PARENT)) as child:
        grandchild = int(child.hear())
        assert family(child.pid) == [child.pid, grandchild]
        assert rss_kib(child.pid) > rss_kib(grandchild) > 0


def test_a_taken_port_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert port_or_free(taken) != taken
    assert 0 < free_port() < 65_536
