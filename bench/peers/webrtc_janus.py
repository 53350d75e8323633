"""The peer: Janus with a mountpoint of its Streaming plugin, fed by RTP over loopback.

It is the distribution's `janus`, run with a configuration of our own: ICE-lite, only
the Streaming plugin, signalling over a Unix socket. It takes no loopback address for
media, so it gets the machine's own one; what goes there from 127.0.0.1 stays on the
loopback interface all the same. EVENT_LOOPS threads
run the viewers' event loops (0: one thread per viewer) and THREADS help the mountpoint
to relay; the defaults are what was fastest on one core. The feed is this process,
which is not measured: `Process:` names Janus.

``python -m bench.peers.webrtc_janus [EVENT_LOOPS THREADS]`` speaks as
`bench.peers.webrtc_peer` says; what it listens on is the path of the Unix socket.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers import material
from bench.peers.webrtc_peer import Ticker, announce, await_start
from bench.webrtc_janus import MOUNTPOINT
from streamer.fanout.webrtc.port import own_addresses
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE

EVENT_LOOPS = 1
THREADS = 0
START_TIMEOUT_S = 10.0
ATTEMPTS = 20
_LIBRARIES = Path("/usr/lib/x86_64-linux-gnu/janus")


class JanusMissing(Exception):
    """There is no `janus` on this machine."""


class JanusFailed(Exception):
    """It did not start; holds what it logged."""


def configuration(
    folder: Path, *, event_loops: int, threads: int, port: int, address: str
) -> None:
    """Write Janus' configuration into *folder*.

    Args:
        folder: To be made `--configs-folder`.
        event_loops: Threads for viewers; 0 for one each.
        threads: Helpers of the mountpoint.
        port: Where RTP comes to.
        address: The only one for media.
    """
    transport = folder / "api"
    (folder / "janus.jcfg").write_text(
        _section("general", session_timeout=0, debug_level=2, event_loops=event_loops)
        + _section("nat", ice_lite=True, ice_enforce_list=address)
        + _section("plugins", disable=_others("plugins", "libjanus_streaming.so"))
        + _section("transports", disable=_others("transports", "libjanus_pfunix.so"))
    )
    (folder / "janus.transport.pfunix.jcfg").write_text(
        _section("general", enabled=True, json="compact", path=str(transport))
        + _section("admin", admin_enabled=False)
    )
    (folder / "janus.plugin.streaming.jcfg").write_text(
        _section(
            "bench",
            type="rtp",
            id=MOUNTPOINT,
            audio=True,
            audioport=port,
            audioiface="127.0.0.1",
            audiopt=OPUS_PAYLOAD_TYPE,
            audiocodec="opus",
            threads=threads,
        )
    )


@contextmanager
def janus(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Janus as configured in *folder*, until it listens and until we leave.

    Raises:
        JanusMissing: It is not installed.
        JanusFailed: It did not start.
    """
    process = _started(folder)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _started(folder: Path) -> subprocess.Popen[bytes]:
    # Now and then 1.1.2 ends at once: the thread of its Unix socket starts before the
    # flag that keeps it running is set ("No Janus API transport is available"). On one
    # core it mostly loses that race, so it gets all of them until it listens.
    ours = os.sched_getaffinity(0)
    for _ in range(ATTEMPTS):
        process = _start(folder)
        if _is_listening(folder, process):
            for task in Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), ours)
            return process
        process.kill()
        process.wait()
    raise JanusFailed((folder / "log").read_text(errors="replace")[-2000:])


def _start(folder: Path) -> subprocess.Popen[bytes]:
    command = shutil.which("janus")
    if command is None:
        raise JanusMissing("apt-get install --no-install-recommends janus")
    every = ",".join(map(str, range(os.cpu_count() or 1)))
    with (folder / "log").open("wb") as output:
        return subprocess.Popen(
            ["taskset", "-c", every, command, "--configs-folder", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _is_listening(folder: Path, process: subprocess.Popen[bytes]) -> bool:
    give_up = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < give_up:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            if probe.connect_ex(str(folder / "api")) == 0:
                return True
        time.sleep(0.05)
    return False


def version(command: str = "janus") -> str:
    """Return what Janus says its version is."""
    said = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"\((\d[\d.]*)\)", said.stdout + said.stderr)
    return found.group(1) if found else "of unknown version"


def main(arguments: list[str]) -> None:
    """Serve as the module says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # and take Janus along
    event_loops, threads = map(int, arguments or (EVENT_LOOPS, THREADS))
    loop = material.payloads()
    feed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with tempfile.TemporaryDirectory() as scratch:
        port = _free_udp_port()
        feed.connect(("127.0.0.1", port))
        folder = Path(scratch)
        configuration(
            folder,
            event_loops=event_loops,
            threads=threads,
            port=port,
            address=own_addresses("0.0.0.0")[0],
        )
        with janus(folder) as process:
            configured = (
                f"Janus {version()}, streaming mountpoint, ice_lite, "
                f"event_loops={event_loops}, threads={threads}, one address"
            )
            announce(folder / "api", configured, pid=process.pid)
            first_due_ns = await_start()
            with Ticker(first_due_ns, lambda k: feed.send(material.rtp(loop, k))):
                sys.stdin.read()


def _section(name: str, **settings: str | int | bool) -> str:
    lines = [f"\t{key} = {_value(value)}\n" for key, value in settings.items()]
    return f"{name}: {{\n{''.join(lines)}}}\n"


def _value(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'


def _others(kind: str, wanted: str) -> str:
    """Return all libraries of a kind but one, as `disable` wants them."""
    names = (path.name for path in (_LIBRARIES / kind).glob("*.so"))
    return ",".join(sorted(name for name in names if name != wanted))


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(sys.argv[1:])
