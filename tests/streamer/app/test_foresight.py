"""What would be refused at its start: the same rules, asked of a later instant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streamer.air.policy import ClassRoles, ZonePolicy
from streamer.air.priority import Origin
from streamer.air.schedule import FileItem, Fill, Owner, Planned, ScheduleEntry
from streamer.air.window import Window
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.api.tokens import TokenRegistry
from streamer.app.foresight import KnownRules
from streamer.store.database import sqlite_url
from streamer.store.records import Role
from streamer.store.store import Store
from streamer.studio.errors import OwnerRefusedError, UnknownZoneError
from streamer.studio.policies import PolicyKeeper, PolicyRefusedError
from streamer.wire.control import ProgrammeClass

START = datetime(2027, 3, 1, 14, 50, tzinfo=UTC)  # 21:50 in Vietnam
TREE = ZoneTree(
    [
        Zone("p", None, "p", ZoneLevel.PROVINCE),
        Zone("a", "p", "a", ZoneLevel.COMMUNE),
        Zone("b", "p", "b", ZoneLevel.COMMUNE),
    ]
)
NIGHT = ZonePolicy(quiet_hours=(Window(frozenset(range(7)), 22 * 60, 23 * 60),))
"From 22:00 on."


def planned_by(token_id: str, **changes: object) -> Planned:
    entry = ScheduleEntry(
        id="e",
        uid="e@x",
        title="Bản tin",
        zone_ids=("a",),
        programme_class=ProgrammeClass.NORMAL,
        items=(FileItem("f"),),
        starts_local=datetime(2027, 3, 1, 21, 50),
        duration_s=1800,
        fill=Fill.NONE,
    )
    owner = Owner(token_id, "xã", "operator", Origin.COMMUNE)
    entry = replace(entry, **changes)  # type: ignore[arg-type]
    return Planned(entry, owner, START, START)


class Case:
    """A store with a token of commune a, valid for a day beyond the start."""

    def __init__(self, store: Store) -> None:
        self.tokens = TokenRegistry(store.tokens)
        self.policies = PolicyKeeper(store.policies, lambda: TREE)
        self.rules = KnownRules(lambda: TREE, self.tokens, self.policies)
        self.token_id = ""

    async def limit_s(self, **changes: object) -> int | None:
        return await self.rules.limit_s(planned_by(self.token_id, **changes), START)


@asynccontextmanager
async def case(directory: Path) -> AsyncIterator[Case]:
    async with Store(sqlite_url(directory / "loacast.db")) as store:
        await store.zones.create_many(list(TREE))
        found = Case(store)
        token, _ = await found.tokens.create(
            name="xã",
            role=Role.OPERATOR,
            zone_id="a",
            expires_utc=START + timedelta(days=1),
        )
        found.token_id = token.id
        yield found


async def test_what_nothing_forbids_is_held_as_long_as_it_is(tmp_path: Path) -> None:
    async with case(tmp_path) as known:
        assert await known.limit_s() is None


async def test_quiet_hours_cut_off_what_they_do_not_forbid(tmp_path: Path) -> None:
    async with case(tmp_path) as known:
        facts = known.rules.facts()
        await known.policies.put("p", NIGHT, changed_by="t")
        assert known.rules.facts() != facts, "another manifest is to be made"
        assert await known.limit_s() == 600
        later = START + timedelta(minutes=10)
        with pytest.raises(PolicyRefusedError):
            await known.rules.limit_s(planned_by(known.token_id), later)
        emergency = planned_by(known.token_id, programme_class=ProgrammeClass.EMERGENCY)
        assert await known.rules.limit_s(emergency, later) is None


async def test_who_may_not_use_the_class_is_refused(tmp_path: Path) -> None:
    async with case(tmp_path) as known:
        roles = ClassRoles(ProgrammeClass.NORMAL, frozenset({"admin"}))
        await known.policies.put("a", ZonePolicy(roles=(roles,)), changed_by="t")
        with pytest.raises(PolicyRefusedError):
            await known.limit_s()


async def test_the_right_is_that_of_the_start(tmp_path: Path) -> None:
    """A token that will have expired is no right, nor is one that was revoked."""
    async with case(tmp_path) as known:
        with pytest.raises(OwnerRefusedError):
            await known.limit_s(zone_ids=("b",))
        planned, later = planned_by(known.token_id), START + timedelta(days=1)
        with pytest.raises(OwnerRefusedError):
            await known.rules.limit_s(planned, later)
        facts = known.rules.facts()
        await known.tokens.delete(known.token_id)
        assert known.rules.facts() != facts
        with pytest.raises(OwnerRefusedError):
            await known.limit_s()


async def test_a_zone_that_is_gone_refuses_the_start_everywhere(tmp_path: Path) -> None:
    async with case(tmp_path) as known:
        with pytest.raises(UnknownZoneError):
            await known.limit_s(zone_ids=("a", "gone"))
