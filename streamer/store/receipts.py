"""What speakers say they played of each broadcast."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from streamer.store import schema
from streamer.store.collection import present
from streamer.store.database import Database, chunks

_OF = schema.receipts.c
_COUNTS = (
    "packets_received",
    "total_samples_received",
    "played_samples",
    "concealed_samples",
)
_KEY = ("broadcast_id", "speaker_id", "run_us")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """What a speaker said of a broadcast, all told, by the server's clocks.

    A speaker whose process began anew knows nothing of what it played before. So
    there is one for each *run*: it is told from others by its first played instant.
    """

    broadcast_id: str
    speaker_id: str
    run_us: int
    "Media instant of the first sample played, as the speaker wrote it; 0: none."
    zone_id: str
    "Where the speaker stood."
    packets_received: int
    total_samples_received: int
    "Played and concealed."
    played_samples: int
    concealed_samples: int
    first_played_utc: datetime | None
    last_played_utc: datetime | None
    complete: bool
    "Whether the speaker was done with it when it said so."

    @property
    def key(self) -> tuple[str, str, int]:
        """Broadcast, speaker and run."""
        return self.broadcast_id, self.speaker_id, self.run_us


def merged(one: StoredReceipt, other: StoredReceipt) -> StoredReceipt:
    """Return what two receipts of one run say together, whichever came first.

    Counts only grow, so the highest are the latest; `complete` and the zone are of
    the one that counts more. Copies and disorder therefore do no harm.
    """
    newer = max(one, other, key=_progress)
    counts = {each: max(getattr(one, each), getattr(other, each)) for each in _COUNTS}
    firsts = [each for each in (one.first_played_utc, other.first_played_utc) if each]
    lasts = [each for each in (one.last_played_utc, other.last_played_utc) if each]
    return replace(
        newer,
        **counts,
        first_played_utc=min(firsts, default=None),
        last_played_utc=max(lasts, default=None),
    )


def _progress(receipt: StoredReceipt) -> tuple[int, bool, str]:
    """Return what grows with each receipt; at the same count, done is later."""
    return receipt.total_samples_received, receipt.complete, receipt.zone_id


_COLUMNS = tuple(each.name for each in fields(StoredReceipt))


class Receipts:
    """The receipts; every method may raise `StoreUnavailableError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, receipts: Iterable[StoredReceipt]) -> list[StoredReceipt]:
        """Write receipts, all or none; the highest counts win.

        Returns those whose broadcast is not in the store (yet); they are not
        written: anybody with a credential could fill the disk otherwise.
        """
        latest = await asyncio.to_thread(_latest, receipts)
        async with self._database.writing() as connection:
            ids = {each.broadcast_id for each in latest}
            there = await present(connection, schema.broadcasts, ids)
            rows = [each for each in latest if each.broadcast_id in there]
            upsert = _upsert(connection.dialect.name)
            for chunk in chunks(rows):
                await connection.execute(upsert, [_as_row(each) for each in chunk])
        return [each for each in latest if each.broadcast_id not in there]

    async def of_broadcast(self, broadcast_id: str) -> list[StoredReceipt]:
        """Return the receipts of a broadcast, in order of speakers and runs."""
        statement = sa.select(*_OF).where(_OF.broadcast_id == broadcast_id)
        order = _OF.speaker_id, _OF.run_us
        return await self._database.find(statement.order_by(*order), StoredReceipt)


def _latest(receipts: Iterable[StoredReceipt]) -> list[StoredReceipt]:
    """Return one for each run."""
    found: dict[tuple[str, str, int], StoredReceipt] = {}
    for each in receipts:
        known = found.get(each.key)
        found[each.key] = merged(known, each) if known else each
    return list(found.values())


def _as_row(receipt: StoredReceipt) -> dict[str, Any]:
    # `asdict` copies what cannot change: it takes five times as long.
    return {name: getattr(receipt, name) for name in _COLUMNS}


def _upsert(dialect: str) -> Any:
    """Return the statement that does in SQL what `merged` does."""
    make: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    insert = make(schema.receipts)
    new = insert.excluded
    # SQLite's max() and min() of several arguments; NULL if any argument is NULL.
    names = ("max", "min") if dialect == "sqlite" else ("greatest", "least")
    greatest, least = (getattr(sa.func, name) for name in names)
    first, last = "first_played_utc", "last_played_utc"
    return insert.on_conflict_do_update(
        index_elements=_KEY,
        set_={
            **{each: greatest(_OF[each], new[each]) for each in _COUNTS},
            **{each: _of_newer(new, each) for each in ("zone_id", "complete")},
            first: sa.func.coalesce(
                least(_OF[first], new[first]), _OF[first], new[first]
            ),
            last: sa.func.coalesce(
                greatest(_OF[last], new[last]), _OF[last], new[last]
            ),
        },
    )


def _of_newer(new: Any, name: str) -> sa.ColumnElement[Any]:
    """Return the column of the one with more progress: see `_progress`."""
    counted, told = _OF.total_samples_received, new.total_samples_received
    later_zone = (new.complete == _OF.complete) & (new.zone_id > _OF.zone_id)
    more = (new.complete & ~_OF.complete) | later_zone
    newer = (told > counted) | ((told == counted) & more)
    return sa.case((newer, new[name]), else_=_OF[name])
