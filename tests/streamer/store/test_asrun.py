"""Tests of streamer.store.asrun and its head file, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from streamer.store import asrun
from streamer.store.asrunevents import AsRunEvent, AsRunFilter, AsRunKind
from streamer.store.chain import Head
from streamer.store.database import Database, sqlite_url
from streamer.store.errors import InvalidValueError, StoreUnavailableError
from streamer.store.headfile import HeadFile
from streamer.store.store import Store

STARTED, ENDED = AsRunKind.STARTED, AsRunKind.ENDED


def at(seconds: float) -> datetime:
    return datetime(2026, 11, 5, 22, 30, tzinfo=UTC) + timedelta(seconds=seconds)


def event(kind: AsRunKind, name: str | None, *zones: str, **more: Any) -> AsRunEvent:
    values = {"at_utc": at(0), **more}
    return AsRunEvent(kind=kind, broadcast_id=name, zone_ids=zones, **values)


MORNING = (
    event(AsRunKind.ACCEPTED, "b", "a", actor="token", detail={"title": "Bản tin"}),
    event(STARTED, "b", "a", "thôn-đông", at_utc=at(1)),
    event(AsRunKind.PREEMPTED, "b", "a", at_utc=at(2), detail={"by": "storm"}),
    event(AsRunKind.REFUSED, None, "a", at_utc=at(3), actor="other", cause="quiet"),
    event(ENDED, "b", at_utc=at(4), cause="completed"),
)


@pytest.fixture
def head_path(tmp_path: Path) -> Path:
    return tmp_path / "asrun-head.jsonl"


@pytest.fixture
async def noted(url: str, head_path: Path) -> AsyncIterator[Store]:
    """A store that notes the end of its log in a file."""
    async with Store(url, head_path=head_path) as opened:
        yield opened


async def change(url: str, statement: str) -> None:
    """Tamper with the database behind the store's back."""
    async with Database(url) as database, database.writing() as connection:
        await connection.execute(sa.text(statement))


async def fault_of(store: Store, *known: Head) -> tuple[int, str] | None:
    fault = (await store.asrun.verify(known)).fault
    return (fault.serial, fault.explanation) if fault else None


async def test_events_come_back_as_they_were(store: Store) -> None:
    head = await store.asrun.append(MORNING)
    entries = await store.asrun.read(limit=10)
    assert [each.serial for each in entries] == [1, 2, 3, 4, 5]
    for entry, written in zip(entries, MORNING, strict=True):
        assert (entry.at_utc, entry.kind) == (written.at_utc, written.kind)
        assert (entry.broadcast_id, entry.zone_ids) == (
            written.broadcast_id,
            written.zone_ids,
        )
        assert (entry.actor, entry.cause) == (written.actor, written.cause)
        assert entry.detail == written.detail
    hashes = [Head().hash, *(each.hash for each in entries)]
    assert [each.previous_hash for each in entries] == hashes[:-1]
    assert head == await store.asrun.head() == Head(5, hashes[-1])


async def test_an_empty_log_is_sound(store: Store) -> None:
    assert await store.asrun.append([]) == await store.asrun.head() == Head()
    assert await fault_of(store) is None


async def test_filters_and_pages(store: Store) -> None:
    await store.asrun.append(MORNING)

    async def found(*, limit: int = 10, back: bool = False, **which: Any) -> list[int]:
        filtered = AsRunFilter(**which)
        read = await store.asrun.read(filtered, limit=limit, latest_first=back)
        return [each.serial for each in read]

    assert await found(limit=2) == [1, 2]
    assert await found(limit=2, after_serial=2) == [3, 4]
    assert await found(limit=2, back=True) == [5, 4]
    assert await found(limit=2, back=True, before_serial=4) == [3, 2]
    assert await found(broadcast_id="b", kinds=frozenset({"ended"})) == [5]
    assert await found(zone_id="thôn-đông") == [2]
    assert await found(zone_id="a") == [1, 2, 3, 4]
    assert await found(zone_id="%") == await found(zone_id="thôn") == []
    assert await found(actor="other") == [4]
    assert await found(from_utc=at(1), until_utc=at(3)) == [2, 3]


async def test_all_of_an_append_or_nothing(store: Store) -> None:
    naive = {"at_utc": at(0).replace(tzinfo=None)}
    for bad in ({"detail": {"share": 0.5}}, {"cause": "\ud800"}, naive):
        with pytest.raises(InvalidValueError):
            await store.asrun.append([*MORNING, event(STARTED, "b", **bad)])
    assert await store.asrun.head() == Head()


async def test_those_who_append_at_once_come_one_after_the_other(
    url: str, store: Store, head_path: Path
) -> None:
    """In one process and in another; each one's events stay together."""
    async with Store(url, head_path=head_path) as other:
        await asyncio.gather(
            *(
                each.asrun.append([event(STARTED, str(n), "a"), event(ENDED, str(n))])
                for n in range(10)
                for each in (store, other)
            )
        )
        assert await fault_of(other) is None
    entries = await store.asrun.read(limit=100)
    assert len(entries) == 40
    for started, ended in zip(entries[::2], entries[1::2], strict=True):
        assert started.broadcast_id == ended.broadcast_id


async def test_many_pages_are_read_as_one_log(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asrun, "PAGE_ROWS", 4)
    for count in (4, 0, 3, 1):
        await store.asrun.append([event(STARTED, "b", "a")] * count)
    pages = [len(page) async for page in store.asrun.stream()]
    assert pages == [4, 4]
    assert (await store.asrun.verify()).head == await store.asrun.head()
    found = [page async for page in store.asrun.stream(AsRunFilter(after_serial=5))]
    assert [each.serial for page in found for each in page] == [6, 7, 8]


class TestTampering:
    """What is done to the database by hand is found, and said in words."""

    @pytest.mark.parametrize(
        ("statement", "serial", "word"),
        [
            ("UPDATE asrun_events SET cause = 'x' WHERE serial = 3", 3, "changed"),
            ("UPDATE asrun_events SET at_utc = at_utc + 1", 1, "changed"),
            ("UPDATE asrun_events SET detail = '{ }' WHERE serial = 2", 2, "read"),
            ("UPDATE asrun_events SET detail = '' WHERE serial = 2", 2, "read"),
            ("UPDATE asrun_events SET actor = NULL", 1, "changed"),
            ("UPDATE asrun_events SET zone_ids = '[]' WHERE serial = 4", 4, "changed"),
            ("DELETE FROM asrun_events WHERE serial = 1", 1, "is missing"),
            ("DELETE FROM asrun_events WHERE serial IN (2, 3)", 2, "are missing"),
            ("UPDATE asrun_events SET serial = 9 WHERE serial = 3", 3, "missing"),
            ("UPDATE asrun_events SET serial = 0 WHERE serial = 3", 3, "missing"),
            ("DELETE FROM asrun_events WHERE serial > 2", 3, "are cut off"),
            ("DELETE FROM asrun_events", 1, "are cut off"),
        ],
    )
    async def test_is_found(
        self, url: str, noted: Store, statement: str, serial: int, word: str
    ) -> None:
        await noted.asrun.append(MORNING)
        assert await fault_of(noted) is None
        await change(url, statement)
        found = await fault_of(noted)
        assert found is not None
        assert (found[0], word in found[1]) == (serial, True), found

    async def test_an_event_moved_with_its_number_is_found(
        self, url: str, noted: Store
    ) -> None:
        await noted.asrun.append(MORNING)
        for serial, to in ((2, 99), (3, 2), (99, 3)):
            await change(
                url, f"UPDATE asrun_events SET serial = {to} WHERE serial = {serial}"
            )
        assert await fault_of(noted) == (
            2,
            "event 2 was changed: its hash is of other content",
        )

    async def test_a_cut_tail_stays_known_although_the_log_goes_on(
        self, url: str, noted: Store, head_path: Path
    ) -> None:
        await noted.asrun.append(MORNING)
        await change(url, "DELETE FROM asrun_events WHERE serial > 2")
        assert await noted.asrun.contradicted() == list(HeadFile(head_path).read())
        await noted.asrun.append(MORNING)
        await noted.asrun.append(MORNING)
        found = await fault_of(noted)
        assert found is not None
        assert found[0] == 5
        assert "another hash than was noted" in found[1]
        assert len(HeadFile(head_path).read()) == 2

    async def test_without_the_file_a_cut_tail_is_not_found(
        self, url: str, store: Store
    ) -> None:
        """Unless somebody kept the head: an export, or the server's own log."""
        head = await store.asrun.append(MORNING)
        await change(url, "DELETE FROM asrun_events WHERE serial > 2")
        assert await fault_of(store) is None
        assert await fault_of(store, head) is not None


@pytest.mark.parametrize(
    "change_to", ["detail = '{'", "zone_ids = '5'", "at_utc = 999999999999999999"]
)
async def test_what_cannot_be_read_is_shown_as_that(
    url: str, store: Store, change_to: str
) -> None:
    await store.asrun.append(MORNING)
    await change(url, f"UPDATE asrun_events SET {change_to} WHERE serial = 2")
    entries = await store.asrun.read(limit=10)
    assert [each.detail.get("unreadable") for each in entries] == [
        *(None, True, None, None, None)
    ]
    assert await store.asrun.unfinished() == {}
    assert (await fault_of(store) or [0])[0] == 2


async def test_the_head_file_is_behind_after_a_crash_and_that_is_no_fault(
    noted: Store, head_path: Path
) -> None:
    await noted.asrun.append(MORNING)
    behind = HeadFile(head_path).read()
    await noted.asrun.append(MORNING)
    HeadFile(head_path).write(behind)
    assert await fault_of(noted) is None
    assert await noted.asrun.contradicted() == []
    await noted.asrun.append(MORNING)
    assert HeadFile(head_path).read() == (await noted.asrun.head(),)


async def test_a_head_file_that_is_none_is_not_written_over(
    noted: Store, head_path: Path
) -> None:
    await noted.asrun.append(MORNING)
    await asyncio.to_thread(head_path.write_text, "{}\n")
    with pytest.raises(ValueError, match="no head of the log"):
        await noted.asrun.append(MORNING)
    assert await asyncio.to_thread(head_path.read_text) == "{}\n"
    assert (await noted.asrun.head()).count == 10


async def test_a_database_without_the_log_says_so(url: str) -> None:
    async with Database(url) as database:
        with pytest.raises(StoreUnavailableError, match="asrun_events"):
            await asrun.AsRunLog(database).verify()


class TestUnfinished:
    """What was on air when the log was last written to."""

    async def test_is_what_has_not_ended(self, store: Store) -> None:
        await store.asrun.append(MORNING[:3])
        assert await store.asrun.unfinished() == {"b": ("thôn-đông",)}
        await store.asrun.append([event(AsRunKind.RESUMED, "b", "a")])
        assert await store.asrun.unfinished() == {"b": ("thôn-đông", "a")}
        await store.asrun.append([event(ENDED, "b", "a", "thôn-đông")])
        assert await store.asrun.unfinished() == {"b": ()}
        await store.asrun.append([event(ENDED, "b", cause="completed")])
        assert await store.asrun.unfinished() == {}

    async def test_does_not_reach_behind_the_start_of_a_server(
        self, store: Store
    ) -> None:
        await store.asrun.append(MORNING[:2])
        await store.asrun.append([event(AsRunKind.SERVER_STARTED, None)])
        assert await store.asrun.unfinished() == {}


async def test_only_what_must_outlive_a_power_cut_waits_for_the_disk(
    tmp_path: Path,
) -> None:
    """SQLite: `synchronous` is 1 (NORMAL), 2 (FULL), and stays with a connection."""
    async with Database(sqlite_url(tmp_path / "x.db")) as database:
        found = []
        for durable in (False, True, True, False):
            async with database.writing(durable=durable) as connection:
                found.append(await connection.scalar(sa.text("PRAGMA synchronous")))
        async with database.reading() as connection:
            found.append(await connection.scalar(sa.text("PRAGMA synchronous")))
    assert found == [1, 2, 2, 1, 1]
