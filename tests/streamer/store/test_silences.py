"""Tests of streamer.store.silences, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from streamer.store.silences import Silence
from streamer.store.store import Store


def silence(zone_id: str) -> Silence:
    return Silence(
        zone_id=zone_id,
        since_utc=datetime(2026, 11, 5, 5, 30, tzinfo=UTC),
        by="token",
        reason="Kẻ lạ đang phát",
    )


async def test_a_silence_holds_until_it_is_lifted_also_in_another_process(
    url: str, store: Store
) -> None:
    assert await store.silences.add([silence("b"), silence("a")]) == [
        silence("b"),
        silence("a"),
    ]
    async with Store(url) as restarted:
        assert await restarted.silences.all() == [silence("a"), silence("b")]
        assert await restarted.silences.lift(["a"]) == ["a"]
    assert await store.silences.all() == [silence("b")]


async def test_who_began_it_stays_known(store: Store) -> None:
    await store.silences.add([silence("a")])
    later = replace(silence("a"), by="another", reason="again")
    assert await store.silences.add([later, silence("b")]) == [silence("b")]
    assert await store.silences.all() == [silence("a"), silence("b")]


async def test_what_is_not_silent_cannot_be_lifted(store: Store) -> None:
    await store.silences.add([silence("a")])
    assert await store.silences.lift(["a", "a", "never"]) == ["a"]
    assert await store.silences.lift(["a"]) == []
    assert await store.silences.lift([]) == []
