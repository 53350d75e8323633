"""Tests of streamer.store.receipts, on every database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from streamer.air.priority import Origin
from streamer.store.receipts import StoredReceipt, merged
from streamer.store.records import Broadcast, SourceKind
from streamer.store.store import Store
from streamer.wire.control import ProgrammeClass

BEGIN_UTC = datetime(2026, 11, 5, 22, 30, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN_UTC + timedelta(seconds=seconds)


def receipt(speaker_id: str = "s", seconds: int = 10, **more: object) -> StoredReceipt:
    values: dict[str, object] = {
        "broadcast_id": "b",
        "speaker_id": speaker_id,
        "run_us": 1_000_000,
        "zone_id": "a",
        "packets_received": 50 * seconds,
        "total_samples_received": 48_000 * seconds,
        "played_samples": 47_000 * seconds,
        "concealed_samples": 1_000 * seconds,
        "first_played_utc": at(0),
        "last_played_utc": at(seconds),
        "complete": False,
    }
    return StoredReceipt(**values | more)  # type: ignore[arg-type]


async def broadcast(store: Store, name: str = "b") -> None:
    await store.broadcasts.create(
        Broadcast(
            id=name,
            title="Bản tin",
            programme_class=ProgrammeClass.NORMAL,
            origin=Origin.COMMUNE,
            source_kind=SourceKind.TONE,
            zone_ids=("a",),
            started_by="token",
            accepted_utc=at(0),
        )
    )


RECEIPTS = st.builds(
    receipt,
    seconds=st.integers(0, 3),
    zone_id=st.sampled_from("ab"),
    packets_received=st.integers(0, 3),
    complete=st.booleans(),
    first_played_utc=st.sampled_from([None, at(0), at(1)]),
    last_played_utc=st.sampled_from([None, at(1), at(2)]),
)


@given(st.lists(RECEIPTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_law_copies_and_disorder_do_no_harm(
    receipts: list[StoredReceipt], disorder: random.Random
) -> None:
    again = receipts + disorder.choices(receipts, k=3)
    disorder.shuffle(again)
    assert reduce(merged, again) == reduce(merged, receipts)


async def test_the_database_merges_as_the_law_says(store: Store) -> None:
    """One by one, so that each meets what is stored."""
    await broadcast(store)
    disorder = random.Random(4)
    for round_ in range(20):
        told = [
            receipt(
                f"s{round_}",
                disorder.randrange(3),
                zone_id=disorder.choice("ab"),
                packets_received=disorder.randrange(3),
                complete=disorder.random() < 0.5,
                first_played_utc=disorder.choice([None, at(0), at(1)]),
                last_played_utc=disorder.choice([None, at(1), at(2)]),
            )
            for _ in range(5)
        ]
        for each in told:
            assert await store.receipts.put([each]) == []
        found = await store.receipts.of_broadcast("b")
        expected = reduce(merged, told)
        assert [each for each in found if each.speaker_id == f"s{round_}"] == [expected]


async def test_many_at_once_and_the_same_speaker_twice(store: Store) -> None:
    await broadcast(store)
    speakers = [f"s{number:04}" for number in range(1_200)]
    await store.receipts.put(receipt(each, 10) for each in speakers)
    await store.receipts.put(
        receipt(each, seconds) for each in speakers for seconds in (20, 30, 10)
    )
    found = await store.receipts.of_broadcast("b")
    assert found == [receipt(each, 30) for each in speakers]


async def test_a_process_that_began_anew_is_a_run_of_its_own(store: Store) -> None:
    await broadcast(store)
    runs = [receipt(run_us=1), receipt(run_us=2, seconds=5, complete=True)]
    await store.receipts.put(runs)
    assert await store.receipts.of_broadcast("b") == runs


async def test_what_broadcast_it_is_must_be_known(store: Store) -> None:
    await broadcast(store)
    stranger = receipt(broadcast_id="invented")
    assert await store.receipts.put([stranger, receipt()]) == [stranger]
    assert await store.receipts.of_broadcast("invented") == []
    assert await store.receipts.of_broadcast("b") == [receipt()]
    assert await store.receipts.put([]) == []
