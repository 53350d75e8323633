"""Tests of what is kept of the schedule and of what zones allow."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from streamer.air.policy import ClassRoles, ZonePolicy
from streamer.air.schedule import Planned, RelayItem, ToneItem
from streamer.air.timetable import OutcomeKind
from streamer.air.window import Window
from streamer.store.errors import ConflictError, NotFoundError
from streamer.store.outcomes import Outcome
from streamer.store.policies import StoredPolicy
from streamer.store.store import Store
from streamer.wire.control import ProgrammeClass
from tests.streamer.air.schedules import NOON_UTC, entry, planned

HOUR = timedelta(hours=1)


def outcome(kind: OutcomeKind = OutcomeKind.STARTING, **members: Any) -> Outcome:
    values: dict[str, Any] = {
        "entry_id": "e1",
        "start_utc": NOON_UTC,
        "kind": kind,
        "title": "Bản tin",
        "zone_ids": ("a", "b"),
        "decided_utc": NOON_UTC,
    }
    return Outcome(**values | members)


class TestEntries:
    """The entries of the schedule."""

    async def test_an_entry_comes_back_as_it_was(self, store: Store) -> None:
        rich = planned(
            entry(
                "FREQ=WEEKLY;BYDAY=MO,FR",
                items=(RelayItem("https://vov.vn", 60, "f9"), ToneItem("siren", 3)),
                except_dates=(date(2026, 4, 30),),
                except_starts=(datetime(2026, 1, 9, 5, 30),),
                skip_after_s=60,
            ),
            NOON_UTC,
            NOON_UTC + HOUR,
        )
        await store.timetable.create(rich)
        assert await store.timetable.all() == [rich]

    async def test_neither_an_id_nor_a_uid_is_there_twice(self, store: Store) -> None:
        await store.timetable.create(planned(entry(), NOON_UTC))
        for again in (entry(uid="other"), entry(id="e2")):
            with pytest.raises(ConflictError):
                await store.timetable.create(planned(again, NOON_UTC))
        assert len(await store.timetable.all()) == 1

    async def test_an_error_tells_no_value_also_where_it_is_traced(
        self, store: Store
    ) -> None:
        # The title is the first of the document, so it is in what is not cut off.
        secret = planned(entry(title="matkhau"), NOON_UTC)
        await store.timetable.create(secret)
        again = replace(secret, entry=replace(secret.entry, id="e2"))
        with pytest.raises(ConflictError) as raised:
            await store.timetable.put_many([again])
        assert "matkhau" not in "".join(traceback.format_exception(raised.value))

    async def test_a_change_sees_what_is_stored(self, store: Store) -> None:
        await store.timetable.create(planned(entry("FREQ=DAILY"), NOON_UTC))

        def except_on(day: int) -> Any:
            def change(old: Planned) -> Planned:
                dates = (*old.entry.except_dates, date(2026, 1, day))
                return replace(old, entry=replace(old.entry, except_dates=dates))

            return change

        await asyncio.gather(
            *(store.timetable.update("e1", except_on(day)) for day in range(6, 16))
        )
        (found,) = await store.timetable.all()
        assert len(found.entry.except_dates) == 10

    async def test_what_is_settled_is_noted(self, store: Store) -> None:
        await store.timetable.create(planned(entry(), NOON_UTC))
        await store.timetable.settle({"e1": NOON_UTC + HOUR, "gone": NOON_UTC})
        (found,) = await store.timetable.all()
        assert found.settled_utc == NOON_UTC + HOUR

    async def test_an_entry_that_is_not_there(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="no entry 'e1'"):
            await store.timetable.delete("e1")
        with pytest.raises(NotFoundError):
            await store.timetable.update("e1", lambda old: old)

    async def test_one_that_cannot_be_read_does_not_hide_the_others(
        self, url: str, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        for number in range(3):
            each = entry(id=f"e{number}", uid=str(number))
            await store.timetable.create(planned(each, NOON_UTC))
        driver = url.replace("sqlite:", "sqlite+aiosqlite:", 1).replace(
            "postgresql:", "postgresql+asyncpg:", 1
        )
        engine = create_async_engine(driver)
        async with engine.begin() as connection:
            await connection.execute(
                sa.text("UPDATE schedule_entries SET document = '{}' WHERE id = 'e1'")
            )
        await engine.dispose()
        assert [each.entry.id for each in await store.timetable.all()] == ["e0", "e2"]
        assert "entry e1 of the schedule cannot be read" in caplog.text


class TestOutcomes:
    """What became of each start."""

    async def test_a_start_is_claimed_once(self, store: Store) -> None:
        claims = [store.outcomes.claim(outcome(detail=str(n))) for n in range(20)]
        found = await asyncio.gather(*claims)
        assert found.count(None) == 1
        (winner,) = await store.outcomes.between(NOON_UTC, NOON_UTC)
        assert {each for each in found if each} == {winner}

    async def test_two_servers_on_one_database_claim_it_once(
        self, url: str, store: Store
    ) -> None:
        async with Store(url) as other:
            for number in range(10):
                mine = outcome(start_utc=NOON_UTC + number * HOUR)
                found = await asyncio.gather(
                    store.outcomes.claim(mine), other.outcomes.claim(mine)
                )
                assert found.count(None) == 1

    async def test_what_was_missed_may_be_claimed_and_once(self, store: Store) -> None:
        await store.outcomes.miss([outcome(OutcomeKind.MISSED, late_s=7200)])
        found = [await store.outcomes.claim(outcome()) for _ in range(2)]
        assert found == [None, outcome()]

    async def test_what_was_aired_is_not_missed_and_not_claimed(
        self, store: Store
    ) -> None:
        aired = outcome(OutcomeKind.AIRED, broadcast_id="b1")
        assert await store.outcomes.claim(outcome()) is None
        await store.outcomes.finish(aired)
        assert await store.outcomes.claim(outcome()) == aired
        later = outcome(OutcomeKind.MISSED, start_utc=NOON_UTC + HOUR)
        known = await store.outcomes.miss([outcome(OutcomeKind.MISSED), later])
        assert known == [aired]
        assert await store.outcomes.between(NOON_UTC, NOON_UTC + HOUR) == [later, aired]

    async def test_a_server_that_died_gave_up_what_it_had_begun(
        self, store: Store
    ) -> None:
        await store.outcomes.claim(outcome())
        aired = outcome(OutcomeKind.AIRED, start_utc=NOON_UTC + HOUR)
        await store.outcomes.claim(aired)
        abandon = partial(store.outcomes.abandon, NOON_UTC + HOUR)
        (given_up,) = await abandon(may_begin_again=lambda _: False)
        assert (given_up.kind, given_up.start_utc) == (OutcomeKind.FAILED, NOON_UTC)
        assert "ended while" in given_up.detail
        assert await abandon(may_begin_again=lambda _: True) == []

    async def test_what_may_begin_again_can_be_claimed_again(
        self, store: Store
    ) -> None:
        await store.outcomes.claim(outcome())
        (given_up,) = await store.outcomes.abandon(
            NOON_UTC + HOUR, may_begin_again=lambda begun: begun == outcome()
        )
        assert given_up.kind is OutcomeKind.MISSED
        found = [await store.outcomes.claim(outcome()) for _ in range(2)]
        assert found == [None, outcome()]

    async def test_outcomes_are_found_by_time_and_entry(self, store: Store) -> None:
        many = [
            outcome(
                OutcomeKind.MISSED,
                entry_id=f"e{n % 2}",
                start_utc=NOON_UTC + n * HOUR,
            )
            for n in range(1200)
        ]
        assert await store.outcomes.miss(many) == []
        last_utc = NOON_UTC + 1199 * HOUR
        latest = await store.outcomes.between(NOON_UTC, last_utc, limit=3)
        assert latest == many[:-4:-1]
        of_one = await store.outcomes.between(
            NOON_UTC, NOON_UTC + 4 * HOUR, entry_id="e0"
        )
        assert of_one == [many[4], many[2], many[0]]


class TestPolicies:
    """What zones allow."""

    async def test_a_policy_comes_back_as_it_was_set_last(self, store: Store) -> None:
        every_day = frozenset(range(7))
        policy = ZonePolicy(
            slots=(Window(frozenset({0, 6}), 330, 390), Window(every_day, 1020, 1080)),
            quiet_hours=(Window(every_day, 1320, 300), Window(every_day, 0, 1440)),
            longest_s=3600,
            roles=(
                ClassRoles(ProgrammeClass.EMERGENCY, frozenset()),
                ClassRoles(ProgrammeClass.PRIORITY, frozenset({"admin", "operator"})),
            ),
            time_zone="Europe/Berlin",
        )
        for each in (ZonePolicy(), policy):
            stored = StoredPolicy(
                zone_id="a", policy=each, changed_utc=NOON_UTC, changed_by="t1"
            )
            await store.policies.put(stored)
        assert await store.policies.all() == [stored]

    async def test_a_policy_that_is_taken_away_is_gone(self, store: Store) -> None:
        stored = StoredPolicy(
            zone_id="a", policy=ZonePolicy(), changed_utc=NOON_UTC, changed_by="t1"
        )
        await store.policies.put(stored)
        await store.policies.delete("a")
        assert await store.policies.all() == []
        with pytest.raises(NotFoundError, match="no policy 'a'"):
            await store.policies.delete("a")
