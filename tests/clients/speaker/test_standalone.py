"""The whole speaker without its server, in virtual time: when, and never twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.speaker.notebook import Notebook
from streamer.wire.control import Ordered, ProgrammeClass
from streamer.wire.documents import Order, serialize
from tests.clients.speaker.standalone import (
    CHIRPS,
    START_US,
    Prepared,
    prepare,
    switched_on,
)


async def test_after_a_reboot_the_plan_is_kept_by_the_mended_wall_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock is known to be 3 s fast; nobody is there to say so again."""
    prepared = await prepare(tmp_path, offset_us=-3_000_000)
    async with switched_on(prepared, monkeypatch, -6, wall_error_us=3_000_000) as box:
        await box.run(22)
    assert box.numbers() == CHIRPS


async def test_a_power_cut_in_a_bulletin_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await prepare(tmp_path)
    async with switched_on(prepared, monkeypatch, -6) as box:
        await box.run(10)
    before = box.numbers()
    assert before == CHIRPS[: len(before)]
    assert len(before) >= 8
    async with switched_on(prepared, monkeypatch, 4) as box:
        await box.run(13)
    after = box.numbers()
    assert after == CHIRPS[-len(after) :]
    assert 35 <= after[0] <= 37, "after 5 s of grace, in the middle"
    async with switched_on(prepared, monkeypatch, 8) as box:
        await box.run(8)
    assert box.numbers() == [], "it was played"


async def test_a_link_lost_in_a_bulletin_costs_a_second_and_its_return_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await prepare(tmp_path)
    async with switched_on(prepared, monkeypatch, -6) as box:
        box.connect()
        await box.run(6)
        box.put_on_air(prepared.stream(START_US, box.time))
        await box.run(3)
        box.lose_link()
        await box.run(4)
        assert box.stand_in.offline.playing == "bulletin"
        box.connect(prepared.stream(START_US, box.time))
        assert box.stand_in.offline.playing is None
        await box.run(10)
    heard = box.numbers()
    assert sorted(set(heard)) == heard, "never twice"
    missed = sorted(set(CHIRPS) - set(heard))
    assert len(missed) <= 5
    assert all(12 <= each <= 17 for each in missed), "between the loss and the disk"


async def test_a_server_that_begins_anew_is_not_heard_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await prepare(tmp_path)
    async with switched_on(prepared, monkeypatch, -6) as box:
        await box.run(10)
        box.connect()
        await box.run(1)
        box.put_on_air(prepared.stream(START_US + 5_000_000, box.time))
        await box.run(17)
    assert box.numbers() == [each for each in CHIRPS if each != 15], "at the connection"


@pytest.mark.parametrize("is_silenced", [False, True])
async def test_a_zone_that_was_silenced_stays_so_without_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_silenced: bool
) -> None:
    """Also before the manifest could say so, and after a reboot."""
    prepared = await prepare(tmp_path)
    async with switched_on(prepared, monkeypatch, -8) as box:
        box.connect()
        await box.run(2)
        if is_silenced:
            box.silence()
        await box.run(0.2)
        box.lose_link()
        await box.run(9)
    assert (box.chirps() == []) is is_silenced
    async with switched_on(prepared, monkeypatch, 3) as box:
        await box.run(8)
    assert (box.chirps() == []) is is_silenced


async def test_a_silence_ends_an_order_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await prepare(tmp_path)
    async with switched_on(prepared, monkeypatch, -60) as box:
        box.connect()
        await box.run(0.5)
        box.speaker.on_order(Ordered(order(prepared, box.time.utc_us)))
        await box.run(4.5)
        before = box.chirps()
        assert len(before) >= 8
        box.silence()
        await box.run(25)
    assert len(box.chirps()) == len(before)
    notebook = Notebook(prepared.directory / "notebook")
    notebook.load()
    assert notebook.notes.played["o"].done


def order(prepared: Prepared, utc_us: int) -> str:
    message = Order(
        id="o",
        serial=7,
        title="Lũ",
        programme_class=ProgrammeClass.EMERGENCY,
        sha256=prepared.file.sha256,
        issued_utc_us=utc_us,
        expires_utc_us=utc_us + 60_000_000,
        repeat=3,
        zone_ids=("p",),
    )
    return serialize(message, prepared.sign).decode()


@pytest.mark.parametrize("is_there", [False, True])
async def test_what_a_server_that_was_there_left_out_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """It was refused, or stopped by hand; one that was lost before had no say."""
    prepared = await prepare(tmp_path)
    async with switched_on(prepared, monkeypatch, -4) as box:
        box.connect()
        await box.run(3)
        if not is_there:
            box.lose_link()
        for _ in range(3):
            await box.run(4)
            if is_there:
                box.pong()
        await box.run(0.2)
        if is_there:
            box.lose_link()
        await box.run(4)
    assert (box.chirps() == []) is is_there


async def test_what_was_left_out_is_gone_on_with_when_it_was_aired_after_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await prepare(tmp_path)
    async with switched_on(prepared, monkeypatch, -4) as box:
        box.connect()
        for _ in range(4):
            await box.run(3.7)
            box.pong()
        await box.run(0.2)
        box.put_on_air(prepared.stream(START_US, box.time))
        await box.run(1)
        box.lose_link()
        await box.run(4)
    assert box.numbers()[-1] == CHIRPS[-1]
