"""What is played without a server: on time, once, and the weightier first."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.speaker.choosing import AHEAD_US, choose, join_live, obeyed
from clients.speaker.notebook import Played
from streamer.wire.control import Programme, ProgrammeClass
from streamer.wire.documents import Item, Manifest, Order

SECOND = 1_000_000
START = 1_800_000_000 * SECOND
ITEM = Item("b", "Bản tin", ProgrammeClass.NORMAL, "ab" * 32, 1, 48_000 * 60, START)
ORDER = Order(
    id="o",
    serial=7,
    title="Lũ",
    programme_class=ProgrammeClass.EMERGENCY,
    sha256="ab" * 32,
    issued_utc_us=START,
    expires_utc_us=START + 600 * SECOND,
    zone_ids=("p",),
)
MANIFEST = Manifest("v", 1, 1, 400, False, zone_ids=("v", "c", "p"))
LIVE = Programme("b", ProgrammeClass.NORMAL, "Bản tin", 1, 111, 0, 0, 0)


@settings(max_examples=200)
@given(at_us=st.integers(START - 5 * SECOND, START + 70 * SECOND))
def test_law_a_file_is_played_by_the_plan_and_only_while_it_lasts(at_us: int) -> None:
    choice = choose([ITEM], {}, at_us)
    if not START - AHEAD_US <= at_us < START + 60 * SECOND:
        assert choice is None
        return
    assert choice is not None
    late = max(0, at_us - START)
    assert choice.from_samples == late * 48_000 // SECOND


@settings(max_examples=200)
@given(
    steps=st.lists(st.integers(-30 * SECOND, 30 * SECOND), max_size=30),
    lasts=st.integers(1, 20),
)
def test_law_no_sample_is_chosen_twice_whatever_the_clock_does(
    steps: list[int], lasts: int
) -> None:
    played: dict[str, Played] = {}
    now_us, heard = START, 0
    for step in steps:
        now_us += step
        choice = choose([ITEM], played, now_us)
        if choice is not None:
            assert choice.from_samples >= heard
            heard = min(ITEM.samples, choice.from_samples + lasts * 48_000)
            record = Played(START, until_samples=heard, done=heard == ITEM.samples)
            played = {ITEM.id: record}


def test_the_weightier_first_then_the_earlier() -> None:
    later = replace(ITEM, id="l", start_utc_us=START + SECOND)
    urgent = replace(later, id="u", programme_class=ProgrammeClass.PRIORITY)
    at_us = START + 2 * SECOND

    def chosen(*items: Item) -> str:
        choice = choose(items, {}, at_us)
        assert choice is not None
        return choice.item.id

    assert chosen(later, ITEM) == "b"
    assert chosen(ITEM, later, urgent) == "u"


def test_what_may_have_been_played_before_the_notebook_was_lost_is_not() -> None:
    at_us = START + 5 * SECOND
    assert choose([ITEM], {}, at_us, blank_since_utc_us=START + 1) is None
    assert choose([ITEM], {}, at_us, blank_since_utc_us=START) is not None


def test_an_order_is_obeyed_once_in_time_and_by_whom_it_is_for() -> None:
    def why(order: Order = ORDER, serial: int = 6, at_us: int = START) -> str | None:
        return obeyed(order, MANIFEST, "s1", serial, at_us)

    assert why() is None
    assert why(serial=7) == "it was obeyed before"
    assert why(serial=8) == "it was obeyed before"
    assert why(at_us=ORDER.expires_utc_us) == "it has expired"
    assert why(replace(ORDER, zone_ids=("q",))) == "it is for others"
    assert why(replace(ORDER, zone_ids=(), speaker_ids=("s1",))) is None
    silenced = replace(MANIFEST, silenced=True)
    assert obeyed(ORDER, silenced, "s1", 6, START) == "the zone is silenced"


def at(seconds: float) -> int:
    return round(seconds * SECOND)


def test_live_goes_on_where_the_file_is() -> None:
    live = replace(LIVE, clock_us=at(10.1), from_us=at(10.1))
    joining = join_live(live, ("b", at(10)), {}, now_us=at(30))
    assert joining.ends_file
    assert joining.programme is not None
    # Live is 0.1 s behind: the file ends at 30 s, live is heard from 30.1 s on.
    assert joining.programme.from_us == at(30.1)
    ahead = join_live(replace(live, clock_us=at(9.9)), ("b", at(10)), {}, at(30))
    assert ahead.programme is not None
    assert ahead.programme.from_us == at(30)


def test_a_server_that_begins_anew_does_not_repeat_what_the_file_has_played() -> None:
    live = replace(LIVE, clock_us=at(40), from_us=at(40))
    joining = join_live(live, ("b", at(10)), {}, now_us=at(41))
    assert joining.programme is None
    assert not joining.ends_file
    whole = Played(START, until_samples=ITEM.samples, done=True)
    assert join_live(live, None, {"b": whole}, at(80)).programme is None
    half = Played(START, until_samples=48_000 * 30)
    rest = join_live(live, None, {"b": half}, at(41)).programme
    assert rest is not None
    assert rest.from_us >= at(70)


def test_another_live_programme_cuts_in_at_once() -> None:
    live = replace(LIVE, broadcast="x", clock_us=at(40), from_us=at(40))
    joining = join_live(live, ("b", at(10)), {}, now_us=at(41))
    assert joining.programme == live
    assert joining.ends_file
