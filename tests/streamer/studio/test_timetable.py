"""Tests of the schedule's keeper: a real store, and a clock that the tests set."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from streamer.air.entrycheck import ScheduleError
from streamer.air.policy import PolicyRule, Wish, ZonePolicy
from streamer.air.schedule import Occurrence, RelayItem
from streamer.air.timetable import OutcomeKind
from streamer.air.walltime import instant, time_zone
from streamer.air.window import Window
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.store.database import sqlite_url
from streamer.store.errors import ConflictError, NotFoundError, StoreUnavailableError
from streamer.store.outcomes import Outcome
from streamer.store.store import Store
from streamer.studio import planning as planning_module
from streamer.studio.cutoff import AGAIN, CutOff
from streamer.studio.errors import (
    SourceRefusedError,
    StudioClosedError,
    TooManyProgrammesError,
    UnknownZoneError,
)
from streamer.studio.planning import Planning, ScheduleFullError
from streamer.studio.policies import PolicyKeeper, PolicyRefusedError
from streamer.studio.scheduled import ScheduledStart
from streamer.studio.timetable import ScheduleKeeper
from streamer.wire.control import ProgrammeClass
from tests.streamer.air.schedules import OWNER, entry

HANOI = time_zone("Asia/Ho_Chi_Minh")
MINUTE = timedelta(minutes=1)
AIRED, MISSED = OutcomeKind.AIRED, OutcomeKind.MISSED
REFUSED, FAILED = OutcomeKind.REFUSED, OutcomeKind.FAILED


def hanoi(text: str, day: int = 5) -> datetime:
    hour, minute = map(int, text.split(":"))
    return instant(datetime(2026, 1, day, hour, minute), HANOI)


HALF_PAST_FIVE = Occurrence(hanoi("05:30"), "e1")


class Studio:
    """Takes starts, and is full or broken when a test says so."""

    def __init__(self) -> None:
        self.started: list[ScheduledStart] = []
        self.error: Exception | None = None
        self.holds: asyncio.Event | None = None
        self.asked = asyncio.Semaphore(0)
        "Released for each start that is asked for."

    async def start(self, wanted: ScheduledStart) -> str:
        self.asked.release()
        if self.holds is not None:
            await self.holds.wait()
        if self.error is not None:
            raise self.error
        self.started.append(wanted)
        return f"b{len(self.started)}"


class World:
    """A clock, a studio and a database; servers come and go."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now_utc = hanoi("05:00")
        self.studio = Studio()
        self.told: list[Outcome] = []
        self.cut: dict[str, CutOff] = {}
        "Broadcasts that the end of a server cut off."

    @asynccontextmanager
    async def server(self) -> AsyncIterator[tuple[ScheduleKeeper, Planning]]:
        async with Store(self.url, patience_s=0.2) as store:
            keeper = ScheduleKeeper(
                store.timetable,
                store.outcomes,
                start=self.studio.start,
                on_outcome=self.told.append,
                find_cut_off=self.find_cut_off,
                clock=lambda: self.now_utc,
                wait=self.wait,
            )
            async with keeper:
                yield keeper, Planning(keeper, store.timetable, store.outcomes)

    async def find_cut_off(self, broadcast_id: str) -> CutOff | None:
        return self.cut.get(broadcast_id)

    async def wait(self, seconds: float) -> None:
        """Let time pass only for what tries again; turns are the tests' own."""
        if seconds == 5.0:
            self.now_utc += timedelta(seconds=seconds)
            await asyncio.sleep(0)
        else:
            await asyncio.Event().wait()

    async def at(self, keeper: ScheduleKeeper, now_utc: datetime) -> None:
        """Set the clock and take turns until nothing is left to do."""
        self.now_utc = now_utc
        while await keeper.turn():
            pass
        await keeper.settled()

    def kinds(self) -> list[tuple[OutcomeKind, int]]:
        return [(each.kind, each.late_s) for each in self.told]


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(sqlite_url(tmp_path / "loacast.db"))


DAILY = entry("FREQ=DAILY")


class TestStarts:
    """What is started, and what is written down."""

    async def test_a_start_is_made_on_time_and_recorded(self, world: World) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            await world.at(keeper, hanoi("05:29"))
            assert world.studio.started == []
            await world.at(keeper, hanoi("05:30"))
            (started,) = world.studio.started
            assert (started.entry, started.owner) == (DAILY, OWNER)
            assert (started.late_s, started.slot_s) == (0, 600)
            (found,) = await planning.outcomes.between(world.now_utc, world.now_utc)
            assert (found.kind, found.broadcast_id) == (AIRED, "b1")
            assert world.told == [found]

    async def test_the_loop_takes_its_turns_by_itself(self, tmp_path: Path) -> None:
        """In real time: an entry that starts in the next second."""
        studio = Studio()
        async with Store(sqlite_url(tmp_path / "loacast.db")) as store:
            keeper = ScheduleKeeper(store.timetable, store.outcomes, start=studio.start)
            async with keeper:
                planning = Planning(keeper, store.timetable, store.outcomes)
                soon = keeper.now_utc().replace(microsecond=0, tzinfo=None)
                soon += timedelta(seconds=2)
                now = entry(starts_local=soon, time_zone="UTC")
                await planning.create(now, OWNER)
                async with asyncio.timeout(10):
                    await studio.asked.acquire()
        assert keeper.now_utc().replace(tzinfo=None) >= soon

    async def test_a_late_start_says_what_is_left(self, world: World) -> None:
        relay = RelayItem("https://vov.vn/live", 600)
        async with world.server() as (keeper, planning):
            await planning.create(entry(items=(relay,)), OWNER)
            await world.at(keeper, hanoi("05:33"))
        (started,) = world.studio.started
        assert (started.late_s, started.slot_s) == (180, 420)
        assert started.items == (RelayItem("https://vov.vn/live", 420),)

    async def test_a_full_studio_is_asked_again_within_the_grace(
        self, world: World
    ) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            world.studio.error = TooManyProgrammesError("16 are on air")
            world.now_utc = hanoi("05:30")
            await keeper.turn()
            for _ in range(4):
                await world.studio.asked.acquire()
            world.studio.error = None
            await keeper.settled()
            ((kind, late_s),) = world.kinds()
            assert kind is AIRED
            assert late_s >= 15

    async def test_a_studio_that_stays_full_makes_a_miss_with_its_reason(
        self, world: World
    ) -> None:
        world.studio.error = TooManyProgrammesError("16 are on air")
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            await world.at(keeper, hanoi("05:30"))
        assert [(each.kind, each.detail) for each in world.told] == [
            (MISSED, "16 are on air")
        ]

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (UnknownZoneError("Not in the zone tree: 'a'."), REFUSED),
            (SourceRefusedError("unknown-file", "There is no file 'f1'."), FAILED),
            (RuntimeError("a bug"), FAILED),
        ],
    )
    async def test_what_cannot_be_is_not_tried_again(
        self, world: World, error: Exception, kind: OutcomeKind
    ) -> None:
        world.studio.error = error
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            await world.at(keeper, hanoi("05:30"))
            world.studio.error = None
            await world.at(keeper, hanoi("05:32"))
        assert [(each.kind, each.detail) for each in world.told] == [(kind, str(error))]
        assert world.studio.started == []

    async def test_sources_are_opened_side_by_side(self, world: World) -> None:
        async with world.server() as (keeper, planning):
            for number in range(3):
                each = entry(id=f"e{number}", uid=str(number))
                await planning.create(each, OWNER)
            world.studio.holds = asyncio.Event()
            world.now_utc = hanoi("05:30")
            await keeper.turn()
            for _ in range(3):
                await world.studio.asked.acquire()
            assert world.studio.started == []
            world.studio.holds.set()
            await keeper.settled()
        assert {each.entry.id for each in world.studio.started} == {"e0", "e1", "e2"}


class TestRestarts:
    """Servers that die, and servers beside each other."""

    async def test_what_was_aired_is_not_aired_again(self, world: World) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            await world.at(keeper, hanoi("05:30"))
        async with world.server() as (keeper, _):
            await world.at(keeper, hanoi("05:31"))
        assert len(world.studio.started) == 1

    async def test_a_start_that_no_server_saw_is_made_up_for(
        self, world: World
    ) -> None:
        async with world.server() as (_, planning):
            await planning.create(DAILY, OWNER)
        world.now_utc = hanoi("05:34")
        async with world.server() as (keeper, _):
            await world.at(keeper, hanoi("05:34"))
        assert world.kinds() == [(AIRED, 240)]

    async def test_days_without_a_server_are_recorded_as_missed(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with world.server() as (_, planning):
            await planning.create(DAILY, OWNER)
        with caplog.at_level(logging.WARNING):
            async with world.server() as (keeper, _):
                await world.at(keeper, hanoi("12:00", day=7))
        assert world.kinds() == [
            (MISSED, 2 * 86_400 + 6 * 3600 + 1800),
            (MISSED, 86_400 + 6 * 3600 + 1800),
            (MISSED, 6 * 3600 + 1800),
        ]
        assert "'Bản tin sáng'" in caplog.text

    async def test_the_clock_two_hours_ahead_back_and_a_restart(
        self, world: World
    ) -> None:
        """What was taken for missed is aired, once, and the store says so."""
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            await world.at(keeper, hanoi("07:00"))
            assert world.kinds() == [(MISSED, 5400)]
        async with world.server() as (keeper, planning):
            await world.at(keeper, hanoi("05:31"))
            await world.at(keeper, hanoi("03:31"))
            await world.at(keeper, hanoi("05:30"))
            found = await planning.outcomes.between(hanoi("00:00"), hanoi("23:00"))
        assert [each.kind for each in found] == [AIRED]
        assert len(world.studio.started) == 1

    async def test_a_clock_set_back_while_a_start_is_tried_again(
        self, world: World
    ) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            world.studio.error = TooManyProgrammesError("full")
            world.now_utc = hanoi("05:30")
            await keeper.turn()
            for _ in range(2):
                await world.studio.asked.acquire()
            world.now_utc = hanoi("03:30")
            await keeper.settled()
            world.studio.error = None
            await world.at(keeper, hanoi("03:31"))
            assert world.told == []
            await world.at(keeper, hanoi("05:30"))
        assert world.kinds() == [(AIRED, 0)]

    async def test_two_servers_make_a_start_once(self, world: World) -> None:
        async with world.server() as (one, planning):
            await planning.create(DAILY, OWNER)
            async with world.server() as (two, _):
                world.now_utc = hanoi("05:30")
                await asyncio.gather(one.turn(), two.turn())
                await asyncio.gather(one.settled(), two.settled())
        assert len(world.studio.started) == 1
        assert world.kinds() == [(AIRED, 0)]

    async def test_a_server_that_ends_while_it_opens_leaves_the_start_to_the_next(
        self, world: World
    ) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            world.studio.holds = asyncio.Event()
            world.now_utc = hanoi("05:30")
            await keeper.turn()
            await world.studio.asked.acquire()
        world.studio.holds = None
        async with world.server() as (keeper, _):
            await world.at(keeper, hanoi("05:31"))
        assert world.kinds() == [(AIRED, 60)]

    async def test_a_closing_studio_is_no_outcome(self, world: World) -> None:
        world.studio.error = StudioClosedError("The server is shutting down.")
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            world.now_utc = hanoi("05:30")
            await keeper.turn()
            await keeper.settled()
            assert world.told == []
        world.studio.error = None
        async with world.server() as (keeper, _):
            await world.at(keeper, hanoi("05:31"))
        assert world.kinds() == [(AIRED, 60)]

    async def killed_while_starting(self, world: World, detail: str = "") -> None:
        async with world.server() as (_, planning):
            await planning.create(DAILY, OWNER)
            claimed = Outcome(
                entry_id="e1",
                start_utc=hanoi("05:30"),
                kind=OutcomeKind.STARTING,
                title="Bản tin",
                zone_ids=("a",),
                detail=detail,
                decided_utc=hanoi("05:30"),
            )
            await planning.outcomes.claim(claimed)

    async def test_a_start_that_a_server_was_killed_in_begins_again(
        self, world: World
    ) -> None:
        await self.killed_while_starting(world)
        world.now_utc = hanoi("05:31")
        world.studio.holds = asyncio.Event()
        async with world.server() as (keeper, planning):
            await keeper.turn()
            await world.studio.asked.acquire()
            at_utc = HALF_PAST_FIVE.start_utc
            (begun,) = await planning.outcomes.between(at_utc, at_utc)
            assert (begun.kind, begun.detail) == (OutcomeKind.STARTING, AGAIN)
            world.studio.holds.set()
            await keeper.settled()
            (aired,) = await planning.outcomes.between(at_utc, at_utc)
            assert (aired.kind, aired.detail) == (AIRED, "")
        assert world.kinds() == [(AIRED, 60)]

    async def test_a_server_that_was_killed_while_starting_leaves_a_failure(
        self, world: World
    ) -> None:
        await self.killed_while_starting(world, AGAIN)
        world.now_utc = hanoi("05:31")
        async with world.server() as (keeper, _):
            await world.at(keeper, hanoi("05:31"))
        assert [each.kind for each in world.told] == [FAILED]
        assert world.studio.started == []

    async def test_a_start_that_a_server_was_killed_in_can_be_too_late(
        self, world: World
    ) -> None:
        await self.killed_while_starting(world)
        world.now_utc = hanoi("06:30")
        async with world.server() as (keeper, _):
            await world.at(keeper, hanoi("06:30"))
        assert [each.kind for each in world.told] == [FAILED]
        assert world.studio.started == []


class TestTheDatabaseIsAway:
    """A store that cannot be written."""

    async def test_a_reason_that_is_no_text_keeps_nothing_back(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        # What is logged is sent from process to process, when tests run in several.
        caplog.set_level(logging.CRITICAL, "streamer.studio")
        world.studio.error = SourceRefusedError("unknown-file", "No file \ud800.")
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            await world.at(keeper, hanoi("05:30"))
            at_utc = HALF_PAST_FIVE.start_utc
            (found,) = await planning.outcomes.between(at_utc, at_utc)
        assert (found.kind, found.detail) == (FAILED, "No file \\ud800.")

    async def test_a_start_waits_for_it(self, world: World, tmp_path: Path) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            async with _locked(tmp_path / "loacast.db"):
                world.now_utc = hanoi("05:30")
                await keeper.turn()
                await keeper.settled()
                assert world.studio.started == []
            await world.at(keeper, hanoi("05:31"))
        assert world.kinds() == [(AIRED, 60)]

    async def test_a_miss_waits_for_it(self, world: World, tmp_path: Path) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            world.now_utc = hanoi("09:00")
            async with _locked(tmp_path / "loacast.db"):
                with pytest.raises(StoreUnavailableError):
                    await keeper.turn()
            await world.at(keeper, hanoi("09:01"))
        assert [each.kind for each in world.told] == [MISSED]

    async def test_what_is_on_the_air_is_written_down_later(
        self, world: World, tmp_path: Path
    ) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            world.studio.holds = asyncio.Event()
            world.now_utc = hanoi("05:30")
            await keeper.turn()
            await world.studio.asked.acquire()
            async with _locked(tmp_path / "loacast.db"):
                world.studio.holds.set()
                await keeper.settled()
            await world.at(keeper, hanoi("05:31"))
            (found,) = await planning.outcomes.between(hanoi("05:00"), hanoi("06:00"))
        assert found.kind is AIRED


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Hold the database's lock, as another program may."""
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


class TestChanges:
    """What people do with the schedule."""

    async def test_an_entry_that_cannot_be_is_refused(self, world: World) -> None:
        async with world.server() as (_, planning):
            with pytest.raises(ScheduleError, match="never starts"):
                await planning.create(entry("FREQ=DAILY;UNTIL=20200101"), OWNER)
            await planning.create(DAILY, OWNER)
            with pytest.raises(ConflictError):
                await planning.create(entry(id="e2"), OWNER)
            with pytest.raises(NotFoundError):
                await planning.replace(entry(id="e3", uid="3"), OWNER)
            assert [each.entry.id for each in planning.all()] == ["e1"]

    async def test_a_schedule_has_a_bound(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(planning_module, "MAX_ENTRIES", 2)
        async with world.server() as (_, planning):
            await planning.create(DAILY, OWNER)
            three = [entry(id=f"e{n}", uid=f"u{n}") for n in (2, 3)]
            with pytest.raises(ScheduleFullError):
                await planning.take(three, OWNER)
            await planning.take([three[0], DAILY], OWNER)
            assert len(planning.all()) == 2

    async def test_a_change_does_not_lose_what_was_due_before_it(
        self, world: World
    ) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            world.now_utc = hanoi("12:00", day=8)
            moved = entry("FREQ=DAILY", starts_local=datetime(2026, 1, 5, 17, 0))
            await planning.replace(moved, OWNER)
            assert [each.kind for each in world.told] == [MISSED] * 4
            await world.at(keeper, hanoi("17:00", day=8))
            assert [each.kind for each in world.told][4:] == [AIRED]
            await planning.delete("e1")
            await world.at(keeper, hanoi("23:00", day=9))
            assert len(world.told) == 5

    async def test_a_day_is_cancelled_and_restored(self, world: World) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            for day in (5, 6):
                await planning.cancel_day("e1", date(2026, 1, day))
            await planning.cancel_day("e1", date(2026, 1, 6))
            await planning.restore_day("e1", date(2026, 1, 6))
            await world.at(keeper, hanoi("05:30"))
            assert world.told == []
            await world.at(keeper, hanoi("05:30", day=6))
            assert world.kinds() == [(AIRED, 0)]
            with pytest.raises(ScheduleError, match="does not start on 2026-01-04"):
                await planning.cancel_day("e1", date(2026, 1, 4))
        async with world.server() as (_, planning):
            assert planning.get("e1").entry.except_dates == (date(2026, 1, 5),)

    async def test_two_operators_cancel_different_days_in_the_same_moment(
        self, world: World
    ) -> None:
        async with world.server() as (_, planning):
            await planning.create(DAILY, OWNER)
            days = [date(2026, 1, day) for day in range(6, 26)]
            await asyncio.gather(*(planning.cancel_day("e1", day) for day in days))
            assert planning.get("e1").entry.except_dates == tuple(days)

    async def test_what_is_coming_is_told_with_what_became_of_it(
        self, world: World
    ) -> None:
        async with world.server() as (keeper, planning):
            await planning.create(DAILY, OWNER)
            evening = entry(
                "FREQ=DAILY", id="e2", uid="2", starts_local=datetime(2026, 1, 5, 17)
            )
            await planning.create(evening, OWNER)
            await world.at(keeper, hanoi("05:30"))
            coming = await planning.coming(hanoi("00:00"), hanoi("23:00", 6), limit=3)
        assert [(each.entry.id, each.outcome is not None) for each in coming] == [
            *(("e1", True), ("e2", False), ("e1", False)),
        ]


class TestPolicies:
    """What zones allow, kept in memory."""

    async def test_policies_hold_at_once_and_after_a_restart(
        self, tmp_path: Path
    ) -> None:
        tree = ZoneTree([Zone("a", None, "a", ZoneLevel.COMMUNE)])
        night = Window(frozenset(range(7)), 22 * 60, 5 * 60)
        policy = ZonePolicy(quiet_hours=(night,), longest_s=600)

        def wish(at_utc: datetime) -> Wish:
            return Wish(("a",), ProgrammeClass.NORMAL, "admin", at_utc)

        async with Store(sqlite_url(tmp_path / "loacast.db")) as store:
            keeper = PolicyKeeper(store.policies, lambda: tree)
            await keeper.load()
            keeper.demand(wish(hanoi("23:00")))
            await keeper.put("a", policy, changed_by="t1")
            again = PolicyKeeper(store.policies, lambda: tree)
            await again.load()
            for each in (keeper, again):
                assert each.get("a") == policy
                assert each.limit_s(wish(hanoi("12:00"))) == 600
                with pytest.raises(PolicyRefusedError) as caught:
                    each.demand(wish(hanoi("23:00")))
                refusal = caught.value.refusal
                assert refusal.rule is PolicyRule.QUIET_HOURS
                assert refusal.allowed_from_utc == hanoi("05:00", day=6)
            await keeper.delete("a")
            keeper.demand(wish(hanoi("23:00")))
            for forget in (keeper.delete("a"), keeper.delete("b")):
                with pytest.raises(NotFoundError):
                    await forget
            assert keeper.all() == {}
