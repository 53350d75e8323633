"""Slots that a server's end cut off: the next one goes on; a clock the tests set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.air.schedule import FileItem, Fill, RelayItem, ToneItem, played
from streamer.air.timetable import OutcomeKind
from streamer.store.database import sqlite_url
from streamer.store.errors import StoreUnavailableError
from streamer.store.outcomes import Outcome
from streamer.studio.cutoff import NOT_AIRED, CutOff
from streamer.studio.errors import SourceRefusedError, TooManyProgrammesError
from streamer.studio.planning import Planning
from tests.streamer.air.schedules import OWNER, entry
from tests.streamer.studio.test_timetable import HALF_PAST_FIVE, World, hanoi

MINUTE = timedelta(minutes=1)
RELAY = RelayItem("https://vov.vn/live", 600)
MORNING = entry("FREQ=DAILY", items=(RELAY, FileItem("f1")))


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(sqlite_url(tmp_path / "loacast.db"))


async def start_and_die(world: World, **members: Any) -> None:
    """Start the morning's slot; the server dies three minutes into it."""
    async with world.server() as (keeper, planning):
        await planning.create(entry(**{"items": MORNING.items} | members), OWNER)
        await world.at(keeper, hanoi("05:30"))
    world.cut["b1"] = CutOff(hanoi("05:33"), first_late_s=0, played_s=180)


async def outcome(planning: Planning) -> Outcome:
    at_utc = HALF_PAST_FIVE.start_utc
    (found,) = await planning.outcomes.between(at_utc, at_utc)
    return found


async def test_what_is_left_of_the_slot_goes_on(world: World) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:35")
    async with world.server() as (keeper, planning):
        await keeper.settled()
        _, rest = world.studio.started
        assert (rest.goes_on, rest.played_s, rest.first_late_s) == ("b1", 180, 0)
        assert (rest.late_s, rest.slot_s) == (300, 300)
        assert rest.items == MORNING.items, "what of them is over, the opener knows"
        found = await outcome(planning)
        assert (found.kind, found.broadcast_id) == (OutcomeKind.AIRED, "b2")
        assert "went on 300 s after" in found.detail
        await world.at(keeper, hanoi("05:36"))
        assert len(world.studio.started) == 2, "once"


async def test_it_goes_on_after_a_second_death_too(world: World) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:35")
    async with world.server() as (keeper, _):
        await keeper.settled()
    world.cut["b2"] = CutOff(hanoi("05:36"), first_late_s=0, played_s=240)
    world.now_utc = hanoi("05:37")
    async with world.server() as (keeper, planning):
        await keeper.settled()
        assert world.studio.started[-1].goes_on == "b2"
        assert world.studio.started[-1].played_s == 240
        assert (await outcome(planning)).broadcast_id == "b3"


async def test_a_slot_without_an_enforced_end_plays_on_to_its_items_end(
    world: World,
) -> None:
    await start_and_die(world, fill=Fill.NONE)
    world.now_utc = hanoi("05:35")
    async with world.server() as (keeper, _):
        await keeper.settled()
    assert world.studio.started[-1].slot_s is None


async def lost(world: World, says: str) -> None:
    """Restart twice: it does not go on, and that is told once."""
    for _ in range(2):
        async with world.server() as (keeper, planning):
            await keeper.settled()
            found = await outcome(planning)
    assert found.kind is OutcomeKind.AIRED, "a part of it was"
    assert found.detail.startswith(NOT_AIRED)
    assert says in found.detail
    told = [each for each in world.told if each.kind is OutcomeKind.MISSED]
    assert [each.detail for each in told] == [found.detail]


async def test_a_slot_that_is_over_is_told(world: World) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:40")
    await lost(world, "its slot is over")
    assert len(world.studio.started) == 1


async def test_what_cannot_be_opened_any_more_is_told(world: World) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:35")
    world.studio.error = SourceRefusedError("unknown-file", "There is no file.")
    await lost(world, "There is no file.")


async def test_a_full_studio_is_asked_until_the_slot_is_over(world: World) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:39")
    world.studio.error = TooManyProgrammesError("16 are on air")
    await lost(world, "its slot is over")


@pytest.mark.parametrize("change", ["cancelled", "deleted", "changed"])
async def test_what_people_have_changed_since_does_not_go_on(
    world: World, change: str
) -> None:
    await start_and_die(world)
    async with world.server() as (_, planning):
        world.now_utc = hanoi("05:32")
        match change:
            case "cancelled":
                day = MORNING.starts_local.date()
                await planning.cancel_day("e1", day)
            case "deleted":
                await planning.delete("e1")
            case "changed":
                await planning.replace(entry(title="B"), OWNER)
        world.studio.started.clear()
    world.studio.started.clear()
    world.now_utc = hanoi("05:35")
    async with world.server() as (keeper, _):
        await keeper.settled()
    assert world.studio.started == []


async def test_what_ended_by_itself_or_by_hand_stays_over(world: World) -> None:
    await start_and_die(world)
    world.cut.clear()
    world.now_utc = hanoi("05:35")
    async with world.server() as (keeper, planning):
        await keeper.settled()
        assert (await outcome(planning)).detail == ""
    assert len(world.studio.started) == 1


async def test_a_database_that_is_away_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:35")
    answers, asked = world.find_cut_off, []

    async def find_cut_off(broadcast_id: str) -> CutOff | None:
        asked.append(broadcast_id)
        if len(asked) < 4:
            raise StoreUnavailableError("restarting")
        return await answers(broadcast_id)

    monkeypatch.setattr(world, "find_cut_off", find_cut_off)
    async with world.server() as (keeper, planning):
        await keeper.settled()
        assert world.studio.started[-1].late_s == 315, "three times five seconds"
        assert (await outcome(planning)).broadcast_id == "b2"


async def test_a_database_that_stays_away_is_not_asked_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start_and_die(world)

    async def find_cut_off(_: str) -> CutOff | None:
        world.now_utc += timedelta(hours=5)
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(world, "find_cut_off", find_cut_off)
    async with world.server() as (keeper, _):
        await keeper.settled()
    assert len(world.studio.started) == 1


async def test_what_went_on_is_written_when_the_database_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:35")
    async with world.server() as (keeper, planning):
        finish = planning.outcomes.finish

        async def gone(_: Outcome) -> None:
            raise StoreUnavailableError("gone")

        monkeypatch.setattr(planning.outcomes, "finish", gone)
        await keeper.settled()
        assert len(world.studio.started) == 2, "it is on the air whatever is written"
        assert (await outcome(planning)).broadcast_id == "b1"
        monkeypatch.setattr(planning.outcomes, "finish", finish)
        await world.at(keeper, hanoi("05:36"))
        assert (await outcome(planning)).broadcast_id == "b2"
    assert len(world.studio.started) == 2


async def test_what_is_deleted_while_the_studio_is_full_does_not_go_on(
    world: World,
) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:35")
    world.studio.error = TooManyProgrammesError("16 are on air")
    world.studio.holds = asyncio.Event()
    async with world.server() as (keeper, planning):
        await world.studio.asked.acquire()
        await world.studio.asked.acquire()
        await planning.delete("e1")
        world.studio.holds.set()
        await keeper.settled()
        world.studio.error = None
        assert "was deleted" in (await outcome(planning)).detail


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_clock_that_jumped_meanwhile_does_no_harm(
    world: World, hours: int
) -> None:
    await start_and_die(world)
    world.now_utc = hanoi("05:35") + timedelta(hours=hours)
    async with world.server() as (keeper, planning):
        await keeper.settled()
        found = await outcome(planning)
    starts = len(world.studio.started)
    assert (starts, found.detail.startswith(NOT_AIRED)) == (
        (1, True) if hours > 0 else (2, False)
    )


def lengths(items: Iterable[ToneItem]) -> list[float | None]:
    return [float(each.duration_s) for each in items]


@given(
    st.lists(st.integers(1, 20).map(lambda s: ToneItem("music", s)), max_size=6),
    st.integers(0, 130),
)
def test_law_what_was_played_and_what_is_left_make_the_whole(
    items: list[ToneItem], played_s: int
) -> None:
    whole = tuple(items)
    left, offset_s = played(whole, lengths(items), played_s)
    assert whole[len(whole) - len(left) :] == left
    left_s = sum(each.duration_s for each in left if isinstance(each, ToneItem))
    assert left_s - offset_s == max(0, sum(e.duration_s for e in items) - played_s)
    assert not left or isinstance(left[0], ToneItem)
    assert offset_s == 0 or offset_s < lengths(items)[len(whole) - len(left)]  # type: ignore[operator]


def test_an_item_of_unknown_length_gives_way_to_the_next() -> None:
    items = (ToneItem("music", 5), FileItem("f1"), FileItem("f2"))
    assert played(items, [5.0, None, 9.0], 7) == ((FileItem("f2"),), 0.0)
