"""Tests of streamer.studio.records."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from streamer.studio.records import RecordWriter


class AwayError(Exception):
    """The database of these tests is away."""


def writer(**settings: int) -> RecordWriter:
    return RecordWriter(unavailable=AwayError, retry_s=0, **settings)


def into(done: list[int], number: int) -> Callable[[], Awaitable[None]]:
    async def write() -> None:
        await asyncio.sleep(0)
        done.append(number)

    return write


async def test_writes_are_done_in_order() -> None:
    done: list[int] = []
    async with writer() as records:
        for number in range(50):
            records.put("a record", into(done, number))
        await records.written()
    assert done == list(range(50))


async def test_leaving_waits_for_what_is_not_written() -> None:
    done: list[int] = []
    async with writer() as records:
        records.put("a record", into(done, 1))
    assert done == [1]


async def test_an_absent_database_delays_but_keeps_the_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []
    failures = 3

    async def flaky() -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise AwayError("gone")
        done.append(0)

    async with writer() as records:
        records.put("the first", flaky)
        records.put("the second", into(done, 1))
        await records.written()
    assert done == [0, 1]
    assert "the first waits for the database: gone" in caplog.text


async def test_a_faulty_write_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    async def faulty() -> None:
        raise ValueError("a bug")

    async with writer() as records:
        records.put("the faulty one", faulty)
        records.put("the next", into(done, 1))
        await records.written()
    assert done == [1]
    assert "the faulty one could not be written" in caplog.text


async def test_the_oldest_is_lost_when_too_many_wait() -> None:
    done: list[int] = []
    async with writer(capacity=2) as records:
        for number in range(5):
            records.put("a record", into(done, number))
        await records.written()
        assert (done, records.lost) == ([3, 4], 3)


async def test_leaving_gives_up_on_an_absent_database(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise AwayError("gone")

    monkeypatch.setattr("streamer.studio.records.FLUSH_S", 0.01)
    with caplog.at_level(logging.ERROR):
        async with writer() as records:
            records.put("a record", away)
    assert "1 records were not written" in caplog.text
