"""Tests of streamer.studio.receiptwriter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from streamer.store.errors import InvalidValueError, StoreUnavailableError
from streamer.store.receipts import StoredReceipt
from streamer.studio.receiptwriter import UNKNOWN_TRIES, ReceiptWriter
from streamer.wire.control import Receipt


def utc_of(instant_ns: int) -> datetime:
    begin = datetime(2026, 11, 5, 5, 30, tzinfo=UTC)
    return begin + timedelta(microseconds=instant_ns // 1000)


def receipt(seconds: int, *, broadcast: str = "b", first_us: int | None = 7) -> Receipt:
    return Receipt(
        broadcast=broadcast,
        packets_received=50 * seconds,
        total_samples_received=48_000 * seconds,
        played_samples=48_000 * seconds,
        concealed_samples=0,
        complete=False,
        first_played_us=first_us,
        last_played_us=None if first_us is None else first_us + 1_000_000 * seconds,
    )


class FakeReceipts:
    """A table in memory that can be away, and knows some broadcasts only."""

    def __init__(self) -> None:
        self.batches: list[list[StoredReceipt]] = []
        self.error: Exception | None = None
        self.unknown = {"unknown"}
        self.called = asyncio.Event()

    async def put(self, receipts: Iterable[StoredReceipt]) -> list[StoredReceipt]:
        if self.error is not None:
            raise self.error
        self.called.set()
        batch = list(receipts)
        self.batches.append([e for e in batch if e.broadcast_id not in self.unknown])
        return [each for each in batch if each.broadcast_id in self.unknown]


@pytest.fixture
def table() -> FakeReceipts:
    return FakeReceipts()


def writer(table: FakeReceipts, *, capacity: int = 100) -> ReceiptWriter:
    return ReceiptWriter(table.put, utc_of=utc_of, interval_s=0, capacity=capacity)


async def test_what_a_speaker_says_is_stored_by_the_wall_clock(
    table: FakeReceipts,
) -> None:
    under_test = writer(table)
    under_test.take("s", "z", receipt(2))
    await under_test.flush()
    assert table.batches == [
        [
            StoredReceipt(
                broadcast_id="b",
                speaker_id="s",
                run_us=7,
                zone_id="z",
                packets_received=100,
                total_samples_received=96_000,
                played_samples=96_000,
                concealed_samples=0,
                first_played_utc=utc_of(7_000),
                last_played_utc=utc_of(2_000_007_000),
                complete=False,
            )
        ]
    ]


async def test_many_are_one_batch_and_the_latest_of_each_counts(
    table: FakeReceipts,
) -> None:
    under_test = writer(table)
    for seconds in (1, 3, 2):
        for number in range(50):
            under_test.take(f"s{number}", "z", receipt(seconds))
    await under_test.flush()
    await under_test.flush()
    (batch,) = table.batches
    assert [each.packets_received for each in batch] == [150] * 50


async def test_a_database_that_is_away_loses_nothing(table: FakeReceipts) -> None:
    under_test = writer(table)
    table.error = StoreUnavailableError("away")
    under_test.take("s", "z", receipt(2))
    await under_test.flush()
    under_test.take("s", "z", receipt(1))
    under_test.take("t", "z", receipt(3))
    table.error = None
    await under_test.flush()
    (batch,) = table.batches
    assert {e.speaker_id: e.packets_received for e in batch} == {"s": 100, "t": 150}
    assert under_test.lost == 0


async def test_what_can_never_be_written_does_not_come_again(
    table: FakeReceipts,
) -> None:
    under_test = writer(table)
    under_test.take("s", "z", receipt(2))
    table.error = InvalidValueError("a number too large")
    await under_test.flush()
    table.error = None
    await under_test.flush()
    assert (table.batches, under_test.lost) == ([], 1)


async def test_a_broadcast_that_is_not_written_yet_is_waited_for(
    table: FakeReceipts,
) -> None:
    under_test = writer(table)
    under_test.take("s", "z", receipt(2, broadcast="unknown"))
    await under_test.flush()
    table.unknown.clear()
    await under_test.flush()
    assert [each.broadcast_id for each in table.batches[-1]] == ["unknown"]


async def test_but_not_for_ever(table: FakeReceipts) -> None:
    under_test = writer(table)
    under_test.take("s", "z", receipt(2, broadcast="unknown"))
    for _ in range(UNKNOWN_TRIES):
        assert under_test.lost == 0
        await under_test.flush()
    assert under_test.lost == 1
    table.unknown.clear()
    await under_test.flush()
    assert not any(table.batches)


async def test_no_more_than_the_capacity_waits(table: FakeReceipts) -> None:
    under_test = writer(table, capacity=2)
    for name in ("s", "t", "u", "s"):
        under_test.take(name, "z", receipt(3))
    await under_test.flush()
    assert [each.speaker_id for each in table.batches[0]] == ["s", "t"]
    assert under_test.lost == 1


async def test_without_instants_and_with_absurd_ones(table: FakeReceipts) -> None:
    under_test = writer(table)
    under_test.take("s", "z", receipt(1, first_us=None))
    under_test.take("t", "z", receipt(1, first_us=2**62))
    await under_test.flush()
    assert [each.first_played_utc for each in table.batches[0]] == [None, None]


async def test_it_writes_by_itself_and_at_its_end(table: FakeReceipts) -> None:
    async with writer(table) as under_test:
        under_test.take("s", "z", receipt(1))
        await table.called.wait()
        under_test.take("t", "z", receipt(1))
    assert [each.speaker_id for batch in table.batches for each in batch] == ["s", "t"]
