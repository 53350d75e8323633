"""Tests of streamer.store.enrolments as the speakers keep them, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from streamer.air.zones import Zone, ZoneLevel
from streamer.store.enrolments import Enrolment
from streamer.store.errors import NotFoundError
from streamer.store.records import Speaker
from streamer.store.speakers import Speakers
from streamer.store.store import Store


def at(seconds: float) -> datetime:
    return datetime(2026, 11, 5, 5, 30, tzinfo=UTC) + timedelta(seconds=seconds)


def stood(name: str, zone_id: str, from_s: float, to_s: float | None) -> Enrolment:
    to_utc = None if to_s is None else at(to_s)
    return Enrolment(
        speaker_id=name, zone_id=zone_id, from_utc=at(from_s), to_utc=to_utc
    )


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> datetime:
        return at(self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def speakers(store: Store, clock: Clock) -> Speakers:
    """Two speakers, enrolled in zone ``a`` one after the other."""
    await store.zones.create_many(
        [Zone(each, None, each, ZoneLevel.VILLAGE) for each in "ab"]
    )
    found = Speakers(store._database, now_utc=clock)
    await found.create_many([speaker("one", 0), speaker("two", 5)])
    return found


def speaker(name: str, created_s: float) -> Speaker:
    return Speaker(
        id=name, name=name, zone_id="a", secret_hash="", created_utc=at(created_s)
    )


async def test_where_speakers_stood_is_kept(
    store: Store, speakers: Speakers, clock: Clock
) -> None:
    clock.seconds = 10
    await speakers.update("one", zone_id="b", name="another name")
    clock.seconds = 20
    await speakers.update("one", volume_percent=5)
    await speakers.delete("two")
    assert await store.enrolments.between(at(-1), at(100)) == [
        stood("one", "a", 0, 10),
        stood("two", "a", 5, 20),
        stood("one", "b", 10, None),
    ]
    assert await store.enrolments.between(at(0), at(5)) == [stood("one", "a", 0, 10)]
    assert await store.enrolments.between(at(20), at(21)) == [
        stood("one", "b", 10, None)
    ]


async def test_a_clock_set_back_makes_no_time_that_ends_before_it_began(
    store: Store, speakers: Speakers, clock: Clock
) -> None:
    clock.seconds = -50
    await speakers.update("two", zone_id="b")
    assert await store.enrolments.between(at(4), at(6)) == [
        stood("one", "a", 0, None),
        stood("two", "a", 5, 5),
        stood("two", "b", -50, None),
    ]


async def test_a_move_that_fails_changes_nothing(
    store: Store, speakers: Speakers
) -> None:
    with pytest.raises(NotFoundError):
        await speakers.update("one", zone_id="nowhere")
    with pytest.raises(NotFoundError):
        await speakers.delete("three")
    assert await store.enrolments.between(at(0), at(1)) == [stood("one", "a", 0, None)]
