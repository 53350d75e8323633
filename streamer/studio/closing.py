"""Closing what may hang."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import Protocol

CLOSE_TIMEOUT_S = 4.0

logger = logging.getLogger(__name__)


class Closable(Protocol):
    """A source, or what wraps one."""

    def close(self) -> None:
        """Release what it holds; may block."""
        ...


async def close_off_loop(source: Closable) -> None:
    """Close it on a thread, and wait no longer than a dead disk deserves.

    A daemon, not the loop's executor: what hangs must not keep the server from ending.
    """
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        try:
            source.close()
        except Exception:
            logger.exception("a source did not close")
        with contextlib.suppress(RuntimeError):  # the loop may be gone by then
            loop.call_soon_threadsafe(closed.set)

    threading.Thread(target=close, name="close source", daemon=True).start()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await closed.wait()
    except TimeoutError:
        logger.error("a source hangs while it is closed: it is given up")
