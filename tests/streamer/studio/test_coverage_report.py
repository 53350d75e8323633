"""Tests of streamer.studio.coverage_report, on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streamer.air.coverage import GapCause, Tally
from streamer.air.difference import AirEvent, AirEventKind
from streamer.air.priority import Origin
from streamer.air.zones import Zone, ZoneLevel
from streamer.store.asrunevents import AsRunEvent, AsRunKind
from streamer.store.database import sqlite_url
from streamer.store.receipts import StoredReceipt
from streamer.store.records import Broadcast, EndReason, SourceKind, Speaker
from streamer.store.store import Store
from streamer.studio.coverage_report import (
    BroadcastReport,
    as_aired,
    broadcast_report,
    month_report,
    month_utc,
)
from streamer.wire.control import ProgrammeClass

S = 1_000_000
KILLED = {f"s{number:02}" for number in range(2, 97, 14)}
"Seven of the hundred."


def at(seconds: float) -> datetime:
    return datetime(2026, 11, 5, 22, 30, tzinfo=UTC) + timedelta(seconds=seconds)


def receipt(speaker_id: str, to_s: float, name: str = "b") -> StoredReceipt:
    samples = int(to_s * 48_000)
    return StoredReceipt(
        broadcast_id=name,
        speaker_id=speaker_id,
        run_us=1,
        zone_id="a",
        packets_received=samples // 960,
        total_samples_received=samples,
        played_samples=samples,
        concealed_samples=0,
        first_played_utc=at(0.02),
        last_played_utc=at(to_s),
        complete=to_s > 59,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Fifty speakers each in the villages ``a`` and ``b``; one in the commune above."""
    async with Store(sqlite_url(tmp_path / "loacast.db")) as opened:
        await opened.zones.create_many(
            [
                Zone("p", None, "Đại Đồng", ZoneLevel.COMMUNE),
                Zone("a", "p", "Thôn Đông", ZoneLevel.VILLAGE),
                Zone("b", "p", "Thôn Tây", ZoneLevel.VILLAGE),
            ]
        )
        await opened.speakers.create_many(
            [
                Speaker(
                    id=f"s{number:02}",
                    name=f"Cụm {number}",
                    zone_id="ab"[number % 2],
                    secret_hash="",
                    created_utc=at(-1000),
                )
                for number in range(100)
            ]
        )
        yield opened


async def air(
    store: Store, name: str = "b", *, zones: tuple[str, ...] = ("p",), end: bool = True
) -> Broadcast:
    """A minute on air in all zones of the commune; ended unless told otherwise."""
    broadcast = Broadcast(
        id=name,
        title="Bản tin sáng",
        programme_class=ProgrammeClass.NORMAL,
        origin=Origin.COMMUNE,
        source_kind=SourceKind.FILE,
        zone_ids=zones,
        started_by="token",
        accepted_utc=at(0),
        started_utc=at(0),
    )
    await store.broadcasts.create(broadcast)
    started = AirEvent(0, AirEventKind.STARTED, name, ("p", "a", "b"))
    await store.broadcasts.record([started], at(0))
    if end:
        reason = EndReason.COMPLETED
        await store.broadcasts.end(name, ended_utc=at(60), reason=reason)
    return await store.broadcasts.get(name)


async def report(store: Store, name: str = "b", now_s: float = 100) -> BroadcastReport:
    broadcast = await store.broadcasts.get(name)
    tree = await store.zones.tree()
    return await broadcast_report(store, broadcast, tree, now_utc=at(now_s))


async def test_seven_of_a_hundred_were_killed_half_way(store: Store) -> None:
    """Exactly these seven are listed, in the zone where they stand."""
    await air(store)
    await store.receipts.put(
        receipt(each.id, 31 if each.id in KILLED else 59.98)
        for each in await store.speakers.all()
    )
    found = await report(store)
    assert (found.coverage.tally.speakers, found.coverage.tally.complete) == (100, 93)
    assert len(KILLED) == 7
    (zone,) = found.coverage.incomplete_zones
    assert (zone.zone_id, zone.gaps) == ("a", ())
    assert {each.speaker_id for each in zone.incomplete} == KILLED
    for each in zone.incomplete:
        (gap,) = each.gaps
        assert (gap.cause, gap.unconfirmed_us) == (GapCause.NOT_RECEIVED, 10 * S)
        assert gap.missed_us == 29 * S
    assert not found.preliminary


async def test_speakers_that_came_went_or_moved_are_asked_for_as_they_stood(
    store: Store,
) -> None:
    await air(store)
    await store.receipts.put(
        receipt(each.id, 59.98) for each in await store.speakers.all()
    )
    # All this is done now, long after the broadcast of 2026-11-05 or before it.
    late = Speaker(
        id="late", name="x", zone_id="a", secret_hash="", created_utc=at(3600)
    )
    await store.speakers.create(late)
    found = await report(store)
    assert found.coverage.tally.speakers == found.coverage.tally.complete == 100


async def test_a_file_that_stood_still_was_not_missed(store: Store) -> None:
    await air(store)
    held, went_on = AsRunKind.HELD, AsRunKind.WENT_ON
    turns = ((0, went_on), (20, held), (40, went_on))
    await store.asrun.append(
        [
            AsRunEvent(at_utc=at(each), kind=kind, broadcast_id="b")
            for each, kind in turns
        ]
    )
    found = await report(store)
    start_us = int(at(0).timestamp()) * S
    assert [
        ((start - start_us) / S, (end - start_us) / S) for start, end in found.aired
    ] == [(0, 20), (40, 60)]
    assert found.coverage.tally.expected_us == 100 * 40 * S


async def test_what_is_on_air_is_told_as_of_a_while_ago(store: Store) -> None:
    await air(store, end=False)
    await store.receipts.put(
        receipt(each.id, 50) for each in await store.speakers.all()
    )
    found = await report(store, now_s=60)
    assert found.preliminary
    assert found.coverage.tally == Tally(100 * 45 * S, 100 * 45 * S, 100, 100)


async def test_a_month_sums_its_broadcasts_and_a_zone_its_own(store: Store) -> None:
    for name in ("b", "c"):
        await air(store, name)
    await store.receipts.put(
        receipt(each.id, 59.98) for each in await store.speakers.all()
    )
    tree = await store.zones.tree()
    whole = await month_report(store, tree, "2026-11", now_utc=at(100))
    assert whole.tally == Tally(12_000 * S, 6_000 * S, 200, 100)
    assert whole.tally.percent == 50
    assert [zone_id for zone_id, _ in whole.zones] == ["a", "b"]
    told = [
        (each.broadcast.id, each.coverage.tally.percent) for each in whole.broadcasts
    ]
    assert told == [("b", 100), ("c", 0)]
    part = await month_report(store, tree, "2026-11", now_utc=at(100), zone_id="a")
    assert part.zones == (whole.zones[0],)
    other = await month_report(store, tree, "2026-10", now_utc=at(100))
    assert (other.tally, other.broadcasts) == (Tally(), ())


def test_a_month_is_that_of_the_calendar_where_it_is_heard() -> None:
    """22:30 UTC of the last day is morning of the next month in Viet Nam."""
    vietnam = ZoneInfo("Asia/Ho_Chi_Minh")
    assert month_utc("2026-11", vietnam) == (
        datetime(2026, 10, 31, 17, tzinfo=UTC),
        datetime(2026, 11, 30, 17, tzinfo=UTC),
    )
    assert month_utc("2026-12", ZoneInfo("UTC"))[1] == datetime(2027, 1, 1, tzinfo=UTC)
    for bad in ("2026-13", "2026-1", "november", "2026-11-01", "0001-01"):
        with pytest.raises(ValueError, match=r"month"):
            month_utc(bad, vietnam)


def test_who_played_it_by_the_plan_has_heard_what_was_aired_later() -> None:
    planned = datetime(2026, 11, 1, 10, tzinfo=UTC)
    started, minute = planned + timedelta(seconds=90), timedelta(minutes=1)
    from_disk = StoredReceipt(
        broadcast_id="b",
        speaker_id="s",
        run_us=1,
        zone_id="a",
        packets_received=1,
        total_samples_received=1,
        played_samples=1,
        concealed_samples=0,
        first_played_utc=planned,
        last_played_utc=planned + minute,
        complete=True,
    )
    live = replace(from_disk, speaker_id="t", first_played_utc=started)
    unknown = replace(from_disk, first_played_utc=None, last_played_utc=None)
    receipts = [from_disk, live, unknown]
    shifted, *others = as_aired(receipts, planned, started)
    assert shifted.first_played_utc == started
    assert shifted.last_played_utc == started + minute
    assert others == [live, unknown]
    on_time = planned + timedelta(seconds=1)
    assert as_aired(receipts, planned, on_time) == receipts
