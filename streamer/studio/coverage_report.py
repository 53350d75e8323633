"""Who received what, from what is stored: the accounts that `air.coverage` needs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from streamer.air.coverage import (
    PENDING_US,
    Coverage,
    Played,
    Standing,
    Tally,
    coverage,
)
from streamer.air.spans import Span, running
from streamer.air.zones import ZoneTree
from streamer.store.asrunevents import AsRunEntry, AsRunFilter, AsRunKind
from streamer.store.columns import us_of_utc
from streamer.store.enrolments import Enrolment
from streamer.store.receipts import StoredReceipt
from streamer.store.records import Broadcast, Interval
from streamer.store.store import Store
from streamer.studio.asrun_journal import source_turns

DEFAULT_TIME_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MAX_TURNS = 10_000
"Of a broadcast's source, looked at; one that stood still more often is cut short."

EARLY = timedelta(seconds=2)
"Who played it so long before it was aired had it from a disk."

_SAMPLE_RATE_KHZ = 48
_TURNS = frozenset(
    {AsRunKind.ACCEPTED.value, AsRunKind.HELD.value, AsRunKind.WENT_ON.value}
)


@dataclass(frozen=True, slots=True)
class BroadcastReport:
    """Who received one broadcast."""

    broadcast: Broadcast
    aired: tuple[Span, ...]
    "When its source ran."
    coverage: Coverage
    preliminary: bool
    "It is on air, or ended so lately that not all speakers have told."


@dataclass(frozen=True, slots=True)
class MonthReport:
    """Who received the broadcasts of a month, in a part of the tree or all of it."""

    from_utc: datetime
    until_utc: datetime
    tally: Tally
    zones: tuple[tuple[str, Tally], ...]
    "Those in which speakers stood, in order of their ids."
    broadcasts: tuple[BroadcastReport, ...]
    "Those aimed at the part, the first first."


async def broadcast_report(
    store: Store,
    broadcast: Broadcast,
    tree: ZoneTree,
    *,
    now_utc: datetime,
    within: Collection[str] | None = None,
) -> BroadcastReport:
    """Return who received *broadcast*.

    Which zones it was aimed at is read off the present tree, and its intervals:
    a zone that is gone and never heard it is not missed.

    Args:
        store: Where everything is.
        broadcast: On air or over.
        tree: The zones.
        now_utc: The present.
        within: Only these zones; None for all.
    """
    events = await store.asrun.read(
        AsRunFilter(broadcast_id=broadcast.id, kinds=_TURNS), limit=MAX_TURNS
    )
    intervals = await store.broadcasts.intervals(broadcast.id)
    receipts = await store.receipts.of_broadcast(broadcast.id)
    for promise in await store.promises.find([broadcast.id]):
        receipts = as_aired(receipts, promise.start_utc, start_of(broadcast))
    start = start_of(broadcast)
    enrolments = await store.enrolments.between(start, broadcast.ended_utc or now_utc)
    # Thousands of speakers take a tenth of a second: on a thread.
    return await asyncio.to_thread(
        _report,
        broadcast,
        _aimed(broadcast, tree, events, intervals, within),
        events,
        _Accounts(intervals, receipts, enrolments, us_of_utc(now_utc)),
    )


async def month_report(
    store: Store,
    tree: ZoneTree,
    month: str,
    *,
    now_utc: datetime,
    zone_id: str | None = None,
    time_zone: ZoneInfo = DEFAULT_TIME_ZONE,
) -> MonthReport:
    """Return who received the broadcasts accepted in a month.

    Args:
        store: Where everything is.
        tree: The zones.
        month: Such as ``2026-11``, by the calendar of *time_zone*.
        now_utc: The present.
        zone_id: Only this zone and what is below it.
        time_zone: Where the month begins and ends.

    Raises:
        ValueError: There is no such month.
        UnknownZoneError: There is no such zone.
    """
    from_utc, until_utc = month_utc(month, time_zone)
    within = None if zone_id is None else tree.covered([zone_id])
    reports: list[BroadcastReport] = []
    for each in await store.broadcasts.accepted_between(from_utc, until_utc):
        report = await broadcast_report(
            store, each, tree, now_utc=now_utc, within=within
        )
        if report.coverage.zones or within is None:
            reports.append(report)
    zones: dict[str, Tally] = {}
    for report in reports:
        for zone in report.coverage.zones:
            zones[zone.zone_id] = zones.get(zone.zone_id, Tally()) + zone.tally
    tally = sum((each.coverage.tally for each in reports), Tally())
    ordered = tuple(sorted(zones.items()))
    return MonthReport(from_utc, until_utc, tally, ordered, tuple(reports))


def month_utc(month: str, time_zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when a month such as ``2026-11`` begins and when the next one does.

    Raises:
        ValueError: There is no such month.
    """
    found = re.fullmatch(r"(\d{4})-(\d{2})", month, re.ASCII)
    if found is None:
        raise ValueError(f"{month!r} is no month such as 2026-11")
    year, number = map(int, found.groups())
    begin = datetime(year, number, 1, tzinfo=time_zone)
    next_year, next_month = (year + 1, 1) if number == 12 else (year, number + 1)
    end = datetime(next_year, next_month, 1, tzinfo=time_zone)
    try:
        return begin.astimezone(UTC), end.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"the month {month} is beyond what dates can be") from error


def start_of(broadcast: Broadcast) -> datetime:
    """Return when its source began, as far as that is known."""
    return broadcast.started_utc or broadcast.accepted_utc


def as_aired(
    receipts: Sequence[StoredReceipt], planned_utc: datetime, started_utc: datetime
) -> list[StoredReceipt]:
    """Return *receipts* as if what was played from a disk had been played live.

    A speaker that could not reach the server played by the plan; a server that came
    back within the start's grace aired the same later. Who has heard it has heard it.
    """
    late = started_utc - planned_utc
    if late < EARLY:
        return list(receipts)
    return [
        replace(each, first_played_utc=first + late, last_played_utc=last + late)
        if (first := each.first_played_utc) is not None
        and (last := each.last_played_utc) is not None
        and first < started_utc - EARLY
        else each
        for each in receipts
    ]


def played(receipts: Iterable[StoredReceipt]) -> dict[str, list[Played]]:
    """Return what each speaker played, by its receipts.

    One without instants is of a speaker that told after the server's clock had
    become another: nobody can tell when that was, and it is passed over.
    """
    found: dict[str, list[Played]] = {}
    for each in receipts:
        if each.first_played_utc is None or each.last_played_utc is None:
            continue
        run = Played(
            us_of_utc(each.first_played_utc),
            us_of_utc(each.last_played_utc),
            each.played_samples * 1000 // _SAMPLE_RATE_KHZ,
            each.complete,
        )
        found.setdefault(each.speaker_id, []).append(run)
    return found


@dataclass(frozen=True, slots=True)
class _Accounts:
    intervals: Sequence[Interval]
    receipts: Sequence[StoredReceipt]
    enrolments: Sequence[Enrolment]
    now_us: int


def _report(
    broadcast: Broadcast,
    aimed: Collection[str],
    events: Sequence[AsRunEntry],
    accounts: _Accounts,
) -> BroadcastReport:
    settled_us = accounts.now_us - PENDING_US
    start_us = us_of_utc(broadcast.started_utc or broadcast.accepted_utc)
    end_us = settled_us
    if broadcast.ended_utc is not None:
        end_us = us_of_utc(broadcast.ended_utc)
    turns = [(us_of_utc(at_utc), runs) for at_utc, runs in source_turns(events)]
    # One that waited until it was over has no turns, and was not aired at all.
    begun = turns or broadcast.started_utc is not None
    aired = running(turns, (start_us, end_us)) if begun else []
    found = coverage(
        aired,
        _heard(aimed, accounts),
        [
            Standing(
                each.speaker_id,
                each.zone_id,
                us_of_utc(each.from_utc),
                None if each.to_utc is None else us_of_utc(each.to_utc),
            )
            for each in accounts.enrolments
        ],
        played(accounts.receipts),
    )
    preliminary = broadcast.ended_utc is None or end_us > settled_us
    return BroadcastReport(broadcast, tuple(aired), found, preliminary)


def _aimed(
    broadcast: Broadcast,
    tree: ZoneTree,
    events: Sequence[AsRunEntry],
    intervals: Sequence[Interval],
    within: Collection[str] | None,
) -> set[str]:
    """Return the zones that should have heard it."""
    there = [each for each in broadcast.zone_ids if each in tree]
    exact = any(each.detail.get("exact") is True for each in events)
    found = set(there) if exact else set(tree.covered(there))
    found |= {each.zone_id for each in intervals}
    return found if within is None else found & set(within)


def _heard(aimed: Collection[str], accounts: _Accounts) -> Mapping[str, list[Span]]:
    found: dict[str, list[Span]] = {zone_id: [] for zone_id in aimed}
    for each in accounts.intervals:
        if each.zone_id in found:
            to_us = accounts.now_us if each.to_utc is None else us_of_utc(each.to_utc)
            found[each.zone_id].append((us_of_utc(each.from_utc), to_us))
    return found
