"""Keying an amplifier: decided in virtual time, done by a real command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.gateway import Gateway, OnAirCommand
from clients.speaker.keying import OFF, Coming, Keyed, Keyer

MS = 1_000_000
NEWS = Coming("normal", "b-1")
ALARM = Coming("emergency", "b-2")


def transitions(
    keyer: Keyer, seen: dict[int, Coming | None], *, until_ms: int, step_ms: int = 50
) -> list[tuple[int, Keyed]]:
    """Look each *step_ms*; *seen* says from which instant on what is coming."""
    coming, told = None, []
    for now_ms in range(0, until_ms, step_ms):
        coming = seen.get(now_ms, coming)
        keyed = keyer.look(coming, now_ns=now_ms * MS)
        if keyed is not None:
            told.append((now_ms, keyed))
    return told


class TestKeyer:
    """Instants in, transitions out."""

    def test_on_as_soon_as_it_is_coming_off_after_the_post_delay(self) -> None:
        seen = {1_000: NEWS, 5_000: None}
        assert transitions(Keyer(post_ms=700), seen, until_ms=10_000) == [
            (1_000, Keyed(True, "normal", "b-1")),
            (5_650, OFF),  # 700 ms after it was seen last, at 4,950
        ]

    def test_a_gap_shorter_than_the_post_delay_is_bridged(self) -> None:
        seen = {0: NEWS, 2_000: None, 2_500: NEWS, 4_000: None}
        told = transitions(Keyer(post_ms=1_000), seen, until_ms=8_000)
        assert [keyed.on for _, keyed in told] == [True, False]

    def test_an_emergency_that_cuts_in_is_told(self) -> None:
        seen = {0: NEWS, 2_000: ALARM, 4_000: NEWS, 5_000: None}
        told = transitions(Keyer(post_ms=100), seen, until_ms=8_000)
        assert [keyed.broadcast for _, keyed in told] == ["b-1", "b-2", "b-1", ""]

    def test_nothing_is_told_while_nothing_sounds(self) -> None:
        assert transitions(Keyer(), {}, until_ms=60_000) == []

    @given(
        st.lists(st.sampled_from([NEWS, ALARM, None]), max_size=200),
        st.integers(0, 3_000),
    )
    def test_law_keyed_whenever_it_sounds_and_never_long_after(
        self, seen: list[Coming | None], post_ms: int
    ) -> None:
        keyer, on, sounded_ms = Keyer(post_ms=post_ms), False, None
        before = OFF
        for step, coming in enumerate(seen):
            now_ms = step * 50
            keyed = keyer.look(coming, now_ns=now_ms * MS)
            if keyed is not None:
                assert keyed != before
                before, on = keyed, keyed.on
            if coming is not None:
                sounded_ms = now_ms
                assert on
            elif on:
                assert sounded_ms is not None
                assert now_ms - sounded_ms < post_ms
            else:
                assert sounded_ms is None or now_ms - sounded_ms >= post_ms


SCRIPT = """
import os, sys, time
with open(sys.argv[1], "a") as file:
    state = [os.environ.get("LOACAST_" + n, "-") for n in sys.argv[3:]]
    file.write(" ".join(state) + "\\n")
time.sleep(float(sys.argv[2]))
"""


def command(tmp_path: Path, *, hangs_s: float = 0) -> str:
    script = tmp_path / "key it.py"  # words are split as a shell would
    script.write_text(SCRIPT)
    names = "ON_AIR CLASS BROADCAST CREDENTIAL"
    return f"{sys.executable} '{script}' {tmp_path}/log {hangs_s} {names}"


async def logged(tmp_path: Path, lines: int) -> list[str]:
    async with asyncio.timeout(10):
        while True:
            log = tmp_path / "log"
            told = log.read_text().splitlines() if log.exists() else []
            if len(told) >= lines:
                return told
            await asyncio.sleep(0.01)


async def test_a_real_command_is_run_off_first_and_off_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOACAST_CREDENTIAL", "loas_7_secret")
    coming: Coming | None = None
    on_air = OnAirCommand(command(tmp_path), post_ms=0)
    async with Gateway(on_air, lambda _: coming):
        await logged(tmp_path, 1)
        coming = ALARM
        await logged(tmp_path, 2)
        coming = None
        await logged(tmp_path, 3)
        coming = NEWS
        await logged(tmp_path, 4)
    off = "0   -"  # nobody is told the credential
    assert await logged(tmp_path, 5) == [
        off,
        "1 emergency b-2 -",
        off,
        "1 normal b-1 -",
        off,
    ]


async def test_a_command_that_hangs_is_killed_and_the_newest_state_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coming: Coming | None = NEWS
    looks = 0

    def look(ahead_ms: int) -> Coming | None:
        nonlocal looks
        looks += 1
        assert ahead_ms >= 300
        return coming

    on_air = OnAirCommand(command(tmp_path, hangs_s=60), post_ms=0)
    async with Gateway(on_air, look, timeout_s=0.4):
        await logged(tmp_path, 1)
        coming = ALARM
        assert (await logged(tmp_path, 2))[-1] == "1 emergency b-2 -"
        assert looks > 3  # nobody waited for it
        assert "hung" in caplog.text


async def test_a_command_that_is_not_there_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Gateway(OnAirCommand("/nowhere/key --on"), lambda _: None):
        await asyncio.sleep(0.1)
    assert "cannot be run" in caplog.text


@pytest.mark.parametrize("words", ["", "  ", "unclosed 'quote"])
def test_a_command_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"empty|quotation"):
        Gateway(OnAirCommand(words), lambda _: None)
