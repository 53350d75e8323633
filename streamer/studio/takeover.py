"""What a server does about the one before it: it ends what that one left on the air."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

import streamer
from streamer.store.asrun import AsRunLog
from streamer.store.store import Store
from streamer.studio import asrun_journal as asrun
from streamer.studio.production import recording_name

logger = logging.getLogger(__name__)


async def take_over(store: Store, recordings_directory: Path | None) -> None:
    """End what a server that died left on the air, and say that this one began.

    Args:
        store: Claimed: a server that still lived would lose what it has on the air.
        recordings_directory: Where the recordings are; None when none are made.

    Raises:
        StoreError: Something could not be written; call it again at the next start.
    """
    now_utc = datetime.now(UTC)
    unfinished = await store.asrun.unfinished()
    ended_utc: dict[str, datetime] = {}
    for broadcast in await store.broadcasts.close_interrupted(now_utc):
        logger.warning("broadcast %s was interrupted", broadcast.id)
        ended_utc[broadcast.id] = broadcast.ended_utc or now_utc
        if recordings_directory is not None:
            await _keep(store, broadcast.id, recordings_directory)
    await _compare(store.asrun)
    events = asrun.server_started(
        unfinished,
        ended_utc=ended_utc,
        now_utc=now_utc,
        version=streamer.__version__,
    )
    try:
        await store.asrun.append(events)
    except (OSError, ValueError) as error:
        logger.error("the end of the as-run log is not noted: %s", error)


async def _keep(store: Store, broadcast_id: str, directory: Path) -> None:
    """What was recorded until the server died can be heard."""
    path = directory / recording_name(broadcast_id)
    size_bytes = await asyncio.to_thread(_size, path)
    if size_bytes:
        await store.broadcasts.set_recording(
            broadcast_id, path=path.name, size_bytes=size_bytes, complete=False
        )


async def _compare(log: AsRunLog) -> None:
    """Raise the alarm where the log is not what it was."""
    try:
        for head in await log.contradicted():
            logger.error("THE AS-RUN LOG WAS CHANGED: it has no %s any more", head)
    except (OSError, ValueError) as error:
        # The log is written all the same: what follows depends on it.
        logger.error("the noted end of the as-run log cannot be read: %s", error)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
