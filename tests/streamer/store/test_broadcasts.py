"""Tests of streamer.store.broadcasts, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from streamer.air.arbiter import Arbiter
from streamer.air.difference import AirEvent, AirEventKind
from streamer.air.priority import AirProgramme, Origin
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.store.errors import ConflictError, NotFoundError
from streamer.store.records import Broadcast, EndReason, Interval, SourceKind
from streamer.store.store import Store
from streamer.wire.control import ProgrammeClass

STARTED, PREEMPTED = AirEventKind.STARTED, AirEventKind.PREEMPTED
ENDED = AirEventKind.ENDED


def at(seconds: float) -> datetime:
    return datetime(2026, 1, 5, 5, 30, tzinfo=UTC) + timedelta(seconds=seconds)


def broadcast(name: str, accepted_s: float = 0) -> Broadcast:
    return Broadcast(
        id=name,
        title="Bản tin sáng – xã Đại Đồng",
        programme_class=ProgrammeClass.NORMAL,
        origin=Origin.COMMUNE,
        source_kind=SourceKind.FILE,
        source_detail="abcdefghij",
        zone_ids=("dai-dong", "tien-du"),
        started_by="bcdefghijk",
        accepted_utc=at(accepted_s),
    )


def heard(name: str, zone_id: str, from_s: float, to_s: float | None) -> Interval:
    to_utc = None if to_s is None else at(to_s)
    return Interval(
        broadcast_id=name, zone_id=zone_id, from_utc=at(from_s), to_utc=to_utc
    )


def event(kind: AirEventKind, name: str, *zone_ids: str) -> AirEvent:
    return AirEvent(0, kind, name, zone_ids)


async def test_a_broadcast_comes_back_as_it_was(store: Store) -> None:
    await store.broadcasts.create(broadcast("b"))
    assert await store.broadcasts.get("b") == broadcast("b")


async def test_a_broadcast_from_acceptance_to_end(store: Store) -> None:
    await store.broadcasts.create(broadcast("b"))
    started = await store.broadcasts.start("b", at(0.5))
    assert started == replace(broadcast("b"), started_utc=at(0.5))
    ended = await store.broadcasts.end(
        "b", ended_utc=at(60), reason=EndReason.FAILED, detail="micro gone", frames=2975
    )
    assert ended == replace(
        started,
        ended_utc=at(60),
        end_reason=EndReason.FAILED,
        end_detail="micro gone",
        frames=2975,
    )
    kept = await store.broadcasts.set_recording(
        "b", path="b.opus", size_bytes=5_000_000_000, complete=True
    )
    assert kept == replace(
        ended,
        recording_path="b.opus",
        recording_bytes=5_000_000_000,
        recording_complete=True,
    )
    assert await store.broadcasts.get("b") == kept


async def test_the_first_end_stays(store: Store) -> None:
    await store.broadcasts.create(broadcast("b"))
    ended = await store.broadcasts.end("b", ended_utc=at(1), reason=EndReason.COMPLETED)
    with pytest.raises(ConflictError, match="'b' has ended already"):
        await store.broadcasts.end("b", ended_utc=at(2), reason=EndReason.STOPPED)
    assert await store.broadcasts.get("b") == ended


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no broadcast 'b'"):
        await store.broadcasts.start("b", at(0))
    with pytest.raises(NotFoundError):
        await store.broadcasts.end("b", ended_utc=at(0), reason=EndReason.STOPPED)
    with pytest.raises(NotFoundError):
        await store.broadcasts.set_recording("b", path="", size_bytes=0, complete=True)
    with pytest.raises(NotFoundError):
        await store.broadcasts.intervals("b")


async def test_lists_have_the_latest_first(store: Store) -> None:
    for number in range(4):
        await store.broadcasts.create(broadcast(f"b{number}", accepted_s=number))
    for name in ("b0", "b2"):
        await store.broadcasts.end(name, ended_utc=at(9), reason=EndReason.COMPLETED)
    await store.broadcasts.set_recording("b2", path="x", size_bytes=1, complete=False)

    async def listed(**which: bool | int) -> list[str]:
        found = await store.broadcasts.latest(**which)  # type: ignore[arg-type]
        return [each.id for each in found]

    assert await listed() == ["b3", "b2", "b1", "b0"]
    assert await listed(limit=2) == ["b3", "b2"]
    assert await listed(on_air=True) == ["b3", "b1"]
    assert await listed(on_air=False) == ["b2", "b0"]
    assert [each.id for each in await store.broadcasts.recorded()] == ["b2"]


class TestIntervals:
    """Where and when a broadcast was heard."""

    async def test_follow_the_events_of_the_air(self, store: Store) -> None:
        """The arbiter's own steps are written, not events made up for the test."""
        arbiter = Arbiter(
            ZoneTree(
                Zone(zone_id, None, zone_id, ZoneLevel.VILLAGE) for zone_id in "xy"
            )
        )

        async def add(name: str, kind: ProgrammeClass, zones: str, second: int) -> None:
            await store.broadcasts.create(broadcast(name))
            programme = AirProgramme(
                name, kind, Origin.COMMUNE, tuple(zones), accepted_order=second
            )
            step = arbiter.add(programme, at_ns=second)
            await store.broadcasts.record(step.events, at(second))

        async def remove(name: str, second: int) -> None:
            step = arbiter.remove(name, at_ns=second)
            await store.broadcasts.record(step.events, at(second))

        await add("music", ProgrammeClass.BACKGROUND, "xy", 1)
        await add("bulletin", ProgrammeClass.NORMAL, "x", 2)
        await add("storm", ProgrammeClass.EMERGENCY, "xy", 3)
        await remove("bulletin", 4)
        await remove("storm", 5)
        await remove("music", 6)

        assert await store.broadcasts.intervals("music") == [
            heard("music", "x", 1, 2),
            heard("music", "y", 1, 3),
            heard("music", "x", 5, 6),
            heard("music", "y", 5, 6),
        ]
        assert await store.broadcasts.intervals("bulletin") == [
            heard("bulletin", "x", 2, 3)
        ]
        assert await store.broadcasts.intervals("storm") == [
            heard("storm", "x", 3, 5),
            heard("storm", "y", 3, 5),
        ]

    async def test_that_are_open_close_with_the_broadcast(self, store: Store) -> None:
        for name in ("b", "other"):
            await store.broadcasts.create(broadcast(name))
            await store.broadcasts.record([event(STARTED, name, "x")], at(1))
        await store.broadcasts.end("b", ended_utc=at(2), reason=EndReason.STOPPED)
        assert await store.broadcasts.intervals("b") == [heard("b", "x", 1, 2)]
        assert await store.broadcasts.intervals("other") == [
            heard("other", "x", 1, None)
        ]

    async def test_never_end_before_they_began(self, store: Store) -> None:
        """The wall clock was set back while the zone listened."""
        await store.broadcasts.create(broadcast("b"))
        await store.broadcasts.record([event(STARTED, "b", "x")], at(10))
        await store.broadcasts.record([event(PREEMPTED, "b", "x")], at(5))
        assert await store.broadcasts.intervals("b") == [heard("b", "x", 10, 10)]

    async def test_are_written_all_or_not_at_all(self, store: Store) -> None:
        await store.broadcasts.create(broadcast("b"))
        events = [event(STARTED, "b", "x"), event(STARTED, "never-created", "x")]
        with pytest.raises(ConflictError):
            await store.broadcasts.record(events, at(1))
        assert await store.broadcasts.intervals("b") == []

    async def test_of_ten_thousand_zones(self, store: Store) -> None:
        zone_ids = [f"zone-{number:05}" for number in range(10_000)]
        await store.broadcasts.create(broadcast("b"))
        await store.broadcasts.record([event(STARTED, "b", *zone_ids)], at(1))
        await store.broadcasts.record([event(ENDED, "b", *zone_ids[1:])], at(2))
        found = await store.broadcasts.intervals("b")
        assert [each.zone_id for each in found] == zone_ids
        assert [each.zone_id for each in found if each.to_utc is None] == ["zone-00000"]


class TestInterrupted:
    """A server that died could not say when."""

    async def test_ends_at_the_last_beat(self, store: Store) -> None:
        await store.broadcasts.create(broadcast("b"))
        await store.broadcasts.start("b", at(1))
        await store.broadcasts.record([event(STARTED, "b", "x", "y")], at(1))
        await store.broadcasts.record([event(PREEMPTED, "b", "y")], at(4))
        for second in (5, 10, 15):
            await store.broadcasts.beat(at(second))

        (ended,) = await store.broadcasts.close_interrupted(at(100))

        assert (ended.ended_utc, ended.end_reason) == (at(15), EndReason.INTERRUPTED)
        assert await store.broadcasts.get("b") == ended
        assert await store.broadcasts.intervals("b") == [
            heard("b", "x", 1, 15),
            heard("b", "y", 1, 4),
        ]

    async def test_ends_no_earlier_than_the_last_thing_known(
        self, store: Store
    ) -> None:
        await store.broadcasts.beat(at(0))
        await store.broadcasts.create(broadcast("accepted", accepted_s=1))
        await store.broadcasts.create(broadcast("started"))
        await store.broadcasts.start("started", at(2))
        await store.broadcasts.create(broadcast("heard"))
        await store.broadcasts.record([event(STARTED, "heard", "x")], at(3))
        await store.broadcasts.create(broadcast("left"))
        await store.broadcasts.record([event(STARTED, "left", "y")], at(1))
        await store.broadcasts.record([event(PREEMPTED, "left", "y")], at(4))

        ended = await store.broadcasts.close_interrupted(at(100))

        assert {each.id: each.ended_utc for each in ended} == {
            "accepted": at(1),
            "started": at(2),
            "heard": at(3),
            "left": at(4),
        }
        assert await store.broadcasts.intervals("heard") == [heard("heard", "x", 3, 3)]

    async def test_never_ends_in_the_future(self, store: Store) -> None:
        """The clock was ahead before the restart, and is right now."""
        await store.broadcasts.create(broadcast("b"))
        await store.broadcasts.beat(at(3_600))
        (ended,) = await store.broadcasts.close_interrupted(at(10))
        assert ended.ended_utc == at(10)

    async def test_leaves_alone_what_has_ended(self, store: Store) -> None:
        await store.broadcasts.create(broadcast("b"))
        done = await store.broadcasts.end(
            "b", ended_utc=at(1), reason=EndReason.COMPLETED
        )
        assert await store.broadcasts.close_interrupted(at(2)) == []
        assert await store.broadcasts.get("b") == done
