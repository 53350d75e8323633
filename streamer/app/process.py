"""The server as a process: its loop, its limits, its signals, its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

import uvloop

from streamer.api.tokens import TokenRegistry
from streamer.app.directory import DataDirectory, DirectoryInUseError
from streamer.app.server import LoacastServer, database_url
from streamer.app.signingkey import SigningKeyError
from streamer.config import Config
from streamer.store.errors import StoreError
from streamer.store.store import Store

EXIT_OK, EXIT_FAILURE = 0, 1
SWITCH_INTERVAL_S = 0.0005
"Of the GIL (NUMBERS, row 9): p99 of the fan-out 4 ms instead of 12."
GC_THRESHOLDS = (50_000, 20, 20)
"A full collection stops the loop; packets make no cycles, so let it be rare."

logger = logging.getLogger(__name__)


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    _log_to_stderr(config.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _raise_file_limit()
    return _run(_serve(config))


async def _serve(config: Config) -> None:
    stopping = _on_signals()
    async with LoacastServer(config) as server:
        _announce(server)
        gc.collect()
        gc.freeze()  # what is there now stays: do not look at it again
        gc.set_threshold(*GC_THRESHOLDS)
        await stopping.wait()
        logger.info("ending")
        deadline = _exit_after(config.shutdown_s)
    deadline.cancel()


def create_token(
    config: Config,
    *,
    name: str,
    role: str,
    zone_id: str | None,
    expires_utc: datetime | None,
) -> int:
    """Create a token in the store and print it; return the exit status."""
    return _run(_create_token(config, name, role, zone_id, expires_utc))


def _run(main: Coroutine[Any, Any, None]) -> int:
    """Run *main*; what an operator can put right is one line, not a traceback."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
    except (DirectoryInUseError, SigningKeyError, StoreError, OSError) as error:
        print(f"loacast: {_reason(error)}", file=sys.stderr)
        return EXIT_FAILURE
    return EXIT_OK


def _announce(server: LoacastServer) -> None:
    """Print what people and programs wait for, even into a pipe."""
    if server.admin_token is not None:
        print(f"Admin token (shown once): {server.admin_token}", flush=True)
    where = [server.api_url, f"stream={server.stream_url}"]
    if server.webrtc_url is not None:
        where.append(f"webrtc={server.webrtc_url}")
    print("Listening:", *where, flush=True)


def _on_signals() -> asyncio.Event:
    """Return an event that the first signal sets; the second ends us at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping


def _exit_after(seconds: int) -> threading.Timer:
    """End the process even if something does not let go; on a thread, so surely."""

    def give_up() -> None:
        print(f"loacast: not ended after {seconds} s; leaving", file=sys.stderr)
        os._exit(EXIT_FAILURE)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    return timer


def _raise_file_limit() -> None:
    """Every listener is a file to the kernel; take as many as we may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("aioice", "aiortc", "alembic", "uvicorn", "websockets"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.root.level))


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return text or str(error) or type(error).__name__


async def _create_token(
    config: Config,
    name: str,
    role: str,
    zone_id: str | None,
    expires_utc: datetime | None,
) -> None:
    with contextlib.ExitStack() as stack:
        if config.database_url is None and not config.database_path.exists():
            # Nothing runs there yet: let no server start while we make it.
            stack.enter_context(DataDirectory(config.data_directory))
        async with Store(database_url(config)) as store:
            _, text = await TokenRegistry(store.tokens).create(
                name=name, role=role, zone_id=zone_id, expires_utc=expires_utc
            )
    print(text, flush=True)
