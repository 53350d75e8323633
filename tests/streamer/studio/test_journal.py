"""Tests of the as-run log: what the studio did, as the store has it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic_ns

import pytest

from streamer.air.conduct import AirOrder, OrderKind
from streamer.air.difference import AirEvent, AirEventKind, AirStep
from streamer.air.priority import Origin
from streamer.store.asrunevents import AsRunFilter, AsRunKind
from streamer.store.database import sqlite_url
from streamer.store.records import Broadcast, EndReason, SourceKind
from streamer.store.store import Store
from streamer.studio.broadcast import BroadcastRequest, RecordingStatus
from streamer.studio.journal import StoreJournal, utc_of
from streamer.studio.live import Live
from streamer.studio.production import recording_name
from streamer.wire.control import ProgrammeClass

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(sqlite_url(tmp_path / "loacast.db"), patience_s=0.05) as store:
        yield store


@pytest.fixture
async def journal(store: Store, tmp_path: Path) -> AsyncIterator[StoreJournal]:
    async with open_journal(store, tmp_path) as journal:
        yield journal


def open_journal(store: Store, directory: Path) -> StoreJournal:
    return StoreJournal(store, recordings_directory=directory, heartbeat_s=60)


async def live_broadcast(broadcast_id: str = "b") -> Live:
    request = BroadcastRequest(
        source=None,
        source_kind="file",
        source_detail="f1",
        zone_ids=("a", "b"),
        programme_class=ProgrammeClass.PRIORITY,
        origin=Origin.COMMUNE,
        title="Bản tin",
        chime=False,
        started_by="Lan",
        token_id="t1",
    )
    started_utc = datetime.now(UTC)
    live = Live(broadcast_id, request, accepted_ns=0, started_utc=started_utc)
    live.ssrc = 1
    return live


def step(kind: AirEventKind, at_ns: int) -> AirStep:
    return AirStep(at_ns, (AirEvent(at_ns, kind, "b", ("a",)),), ())


async def test_a_damaged_head_file_does_not_keep_the_ends_out_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head_path = tmp_path / "asrun-head.jsonl"
    url = sqlite_url(tmp_path / "loacast.db")
    async with Store(url, head_path=head_path) as store:
        async with open_journal(store, tmp_path) as journal:
            journal.started(await live_broadcast())
            journal.stepped(step(AirEventKind.STARTED, monotonic_ns()))
            await journal.written()
        head_path.write_text("{", encoding="utf-8")
        async with open_journal(store, tmp_path):
            pass
        events = await store.asrun.read(AsRunFilter(broadcast_id="b"), limit=9)
        assert (events[-1].kind, events[-1].cause) == ("ended", "interrupted")
        begun = AsRunFilter(kinds=frozenset({AsRunKind.SERVER_STARTED}))
        assert len(await store.asrun.read(begun, limit=9)) == 2
    assert "cannot be read" in caplog.text


async def test_a_broadcast_is_written_with_its_intervals(
    store: Store, journal: StoreJournal
) -> None:
    live, now_ns = await live_broadcast(), monotonic_ns()
    journal.started(live)
    journal.stepped(step(AirEventKind.STARTED, now_ns - 3_000_000_000))
    journal.stepped(step(AirEventKind.ENDED, now_ns - 1_000_000_000))
    live.recording = RecordingStatus(available=True, complete=True, bytes=7)
    journal.recorded(live)
    await journal.written()
    stored = await store.broadcasts.get("b")
    assert (stored.title, stored.source_detail, stored.started_by) == (
        *("Bản tin", "f1", "t1"),
    )
    assert (stored.recording_path, stored.recording_bytes) == ("b.opus", 7)
    (interval,) = await store.broadcasts.intervals("b")
    assert interval.to_utc is not None
    lasted = interval.to_utc - interval.from_utc
    assert abs(lasted - timedelta(seconds=2)) < timedelta(milliseconds=50)


async def test_what_waits_has_started_when_its_source_runs(
    store: Store, journal: StoreJournal
) -> None:
    live, now_ns = await live_broadcast(), monotonic_ns()
    live.ssrc = None
    journal.started(live)
    await journal.written()
    assert (await store.broadcasts.get("b")).started_utc is None
    go = AirOrder(now_ns, OrderKind.GO, "b")
    journal.stepped(AirStep(now_ns, (), (), (go,)))
    await journal.written()
    started_utc = (await store.broadcasts.get("b")).started_utc
    assert started_utc is not None
    again = AirOrder(now_ns + 10**9, OrderKind.GO, "b")
    journal.stepped(AirStep(now_ns + 10**9, (), (), (again,)))
    await journal.written()
    assert (await store.broadcasts.get("b")).started_utc == started_utc
    kinds = [each.kind for each in await store.asrun.read(limit=9)]
    assert kinds == ["server_started", "accepted", "went_on", "went_on"]


async def test_refusals_and_silences_are_in_the_log(
    store: Store, journal: StoreJournal
) -> None:
    live, now_ns = await live_broadcast(), monotonic_ns()
    journal.refused(live.request, "quiet_hours", "It is night.")
    journal.silenced(["a"], by="t1", reason="hijacked", at_ns=now_ns)
    journal.reordered(["b", "c"], by="t1", at_ns=now_ns)
    await journal.written()
    (silence,) = await store.silences.all()
    assert (silence.zone_id, silence.by, silence.reason) == ("a", "t1", "hijacked")
    journal.lifted(["a"], by="t1", at_ns=now_ns)
    await journal.written()
    assert await store.silences.all() == []
    _, refused, *rest = await store.asrun.read(limit=9)
    assert (refused.cause, refused.detail["reason"]) == ("quiet_hours", "It is night.")
    assert [each.kind for each in rest] == ["silenced", "reordered", "lifted"]
    assert (await store.asrun.verify()).fault is None


async def test_nothing_recorded_is_nothing_written(
    store: Store, journal: StoreJournal
) -> None:
    live = await live_broadcast()
    journal.started(live)
    journal.recorded(live)
    live.recording = RecordingStatus(available=False, complete=False, bytes=0)
    journal.recorded(live)
    await journal.written()
    assert (await store.broadcasts.get("b")).recording_path is None


async def test_what_happens_while_the_database_is_away_is_written_later(
    store: Store,
    journal: StoreJournal,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    blocker = sqlite3.connect(tmp_path / "loacast.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    journal.started(await live_broadcast("b"))
    journal.started(await live_broadcast("c"))
    while "waits for the database" not in caplog.text:
        with pytest.raises(Exception, match="locked"):
            await store.broadcasts.beat(EPOCH)
    blocker.rollback()
    blocker.close()
    await journal.written()
    assert {each.id for each in await store.broadcasts.all()} == {"b", "c"}


def left_on_air(broadcast_id: str) -> Broadcast:
    return Broadcast(
        id=broadcast_id,
        title="t",
        programme_class=ProgrammeClass.NORMAL,
        origin=Origin.PROVINCE,
        source_kind=SourceKind.TONE,
        zone_ids=("a",),
        started_by="t",
        accepted_utc=EPOCH,
    )


async def test_what_a_dead_server_left_on_air_is_ended(
    store: Store, tmp_path: Path
) -> None:
    for broadcast_id, content in (("x", b"OggS..."), ("y", b""), ("z", None)):
        await store.broadcasts.create(left_on_air(broadcast_id))
        if content is not None:
            (tmp_path / recording_name(broadcast_id)).write_bytes(content)
    async with open_journal(store, tmp_path):
        found = await store.broadcasts.all()
    assert {each.end_reason for each in found} == {EndReason.INTERRUPTED}
    assert [(each.recording_path, each.recording_bytes) for each in found] == [
        *(("x.opus", 7), (None, 0), (None, 0)),
    ]
    assert not found[0].recording_complete


async def test_the_heartbeat_tells_when_a_server_died(
    store: Store, tmp_path: Path
) -> None:
    async with open_journal(store, tmp_path):
        await store.broadcasts.create(left_on_air("x"))
    (ended,) = await store.broadcasts.close_interrupted(datetime.now(UTC))
    assert ended.ended_utc is not None
    assert datetime.now(UTC) - ended.ended_utc < timedelta(minutes=1)


def test_a_media_instant_is_told_in_wall_time() -> None:
    ago = datetime.now(UTC) - utc_of(monotonic_ns() - 5_000_000_000)
    assert abs(ago - timedelta(seconds=5)) < timedelta(milliseconds=50)
