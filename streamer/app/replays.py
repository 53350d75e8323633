"""Takes up the replays that were still owed when the last server ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from streamer.air.zones import ZoneTree
from streamer.store.asrun import AsRunLog
from streamer.store.asrunevents import AsRunEntry, AsRunFilter, AsRunKind, entry_of
from streamer.store.chain import Link
from streamer.store.errors import StoreError
from streamer.studio.journal import StoreJournal
from streamer.studio.owed import LONGEST_AGO, Left, Owed, candidates, owed
from streamer.studio.studio import Studio

RETRY_S = 30.0
MAX_EVENTS = 5_000
"Of one broadcast; what happened to it after that is not known."
TOO_LATE = "It was missed more than a day ago."

_SETTLING = frozenset({AsRunKind.ACCEPTED, AsRunKind.REFUSED, AsRunKind.MISSED})
_ENDED = frozenset({AsRunKind.ENDED})

logger = logging.getLogger(__name__)


async def take_up_replays(
    stack: AsyncExitStack,
    log: AsRunLog,
    studio: Studio,
    journal: StoreJournal,
    *,
    alive_utc: datetime | None,
) -> None:
    """Begin to put on the air what zones are owed, until *stack* is left.

    Args:
        stack: Of the server.
        log: The as-run log.
        studio: Airs them.
        journal: Is told of what it is too late for.
        alive_utc: When the last server was last alive; None if there was none.
    """
    if alive_utc is None:
        return
    taking = asyncio.create_task(
        _take_up(log, studio, journal, alive_utc), name="owed replays"
    )

    async def end() -> None:
        taking.cancel()
        await asyncio.wait([taking])

    stack.push_async_callback(end)


async def find_owed(
    log: AsRunLog, tree: ZoneTree, *, alive_utc: datetime, now_utc: datetime
) -> list[Owed]:
    """Return what the servers before this one still owe.

    Raises:
        StoreUnavailableError: The log cannot be read.
    """
    begun = AsRunFilter(kinds=frozenset({AsRunKind.SERVER_STARTED}))
    this_start = await log.read(begun, limit=1, latest_first=True)
    since_utc = min(alive_utc, now_utc) - LONGEST_AGO
    settled = await _all(
        log, AsRunFilter(kinds=_SETTLING, from_utc=since_utc - LONGEST_AGO)
    )
    ends = AsRunFilter(
        kinds=_ENDED,
        from_utc=since_utc,
        zoneless=True,
        before_serial=this_start[0].serial if this_start else None,
    )
    accepted = [each for each in settled if each.kind == AsRunKind.ACCEPTED]
    found: list[Owed] = []
    for each in candidates(accepted, await _all(log, ends), alive_utc):
        left = Left(await log.read(AsRunFilter(broadcast_id=each), limit=MAX_EVENTS))
        found += await asyncio.to_thread(_owed, left, settled, tree, now_utc)
    return found


async def _take_up(
    log: AsRunLog, studio: Studio, journal: StoreJournal, alive_utc: datetime
) -> None:
    while True:
        try:
            found = await find_owed(
                log, studio.tree, alive_utc=alive_utc, now_utc=datetime.now(UTC)
            )
            break
        except StoreError as error:
            logger.warning("owed replays wait for the database: %s", error)
            await asyncio.sleep(RETRY_S)
        except Exception:
            logger.exception("owed replays are not taken up")
            return
    for each in found:
        if each.too_late:
            logger.warning("%r is not replayed: %s", each.request.title, TOO_LATE)
            journal.not_replayed(each.request, TOO_LATE)
        else:
            await studio.replay(each.request)


async def _all(log: AsRunLog, which: AsRunFilter) -> list[AsRunEntry]:
    found: list[AsRunEntry] = []
    async for links in log.stream(which):
        found += await asyncio.to_thread(_entries, links)
    return found


def _entries(links: Iterable[Link]) -> list[AsRunEntry]:
    return [entry_of(each) for each in links]


def _owed(
    left: Left, settled: Iterable[AsRunEntry], tree: ZoneTree, now_utc: datetime
) -> list[Owed]:
    try:
        return owed(left, settled, tree, now_utc)
    except ValueError as error:  # the log was written by another version
        logger.error("what a broadcast still owes cannot be read: %s", error)
        return []
