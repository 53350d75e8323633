"""Tests of streamer.air.lifecycle: its table as drawn, and a log read back by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.air import lifecycle
from streamer.air.conduct import MOTIONS
from streamer.air.difference import AirEvent, AirEventKind
from streamer.air.lifecycle import TRANSITIONS, History, ImpossibleEventError, Pair
from tests.streamer.air.rig import EMERGENCY, Air

README = (Path(lifecycle.__file__).parent / "README.md").read_text()
STARTED, PREEMPTED = AirEventKind.STARTED, AirEventKind.PREEMPTED


def test_readme_draws_what_the_table_of_a_programme_in_a_zone_says() -> None:
    drawn = [
        f"    {former} --> {row.to}: {event.name}"
        for (former, event), row in TRANSITIONS.items()
    ]
    rows = [
        f"| {former} | `{event.name}` | {row.to} | {row.when} |"
        for (former, event), row in TRANSITIONS.items()
    ]
    assert "\n".join(["stateDiagram-v2", *drawn, "```"]) in README
    assert "\n".join(["|---|---|---|---|", *rows, ""]) in README


def test_readme_draws_what_the_table_of_a_source_says() -> None:
    drawn = [
        f"    {former} --> {row.motion}: {turn} / {row.order.name}"
        for (former, turn), row in MOTIONS.items()
    ]
    rows = [
        f"| {former} | {turn} | {row.motion} | `{row.order.name}` | {row.when} |"
        for (former, turn), row in MOTIONS.items()
    ]
    assert "\n".join(["stateDiagram-v2", *drawn, "```"]) in README
    assert "\n".join(["|---|---|---|---|---|", *rows, ""]) in README


def test_a_log_read_back_says_who_is_heard_and_who_is_owed() -> None:
    air, history = Air(), History()
    for step in (
        air.add("news", "p"),
        air.add("flood", "a", EMERGENCY),
        air.arbiter.silence(["b"], at_ns=9),
    ):
        history.follow(step.events)
    assert history.winners == {"p": "news", "a": "flood", "a1": "flood"}
    assert history.interrupted == {("news", "a"), ("news", "a1"), ("news", "b")}


def test_two_in_one_zone_are_impossible() -> None:
    history = History()
    history.follow([AirEvent(1, STARTED, "news", ("a",))])
    second = AirEvent(2, STARTED, "notice", ("b", "a"))
    with pytest.raises(ImpossibleEventError, match="'news' is heard there") as caught:
        history.follow([second])
    assert (caught.value.event, caught.value.zone_id) == (second, "a")
    assert history.winners == {"a": "news", "b": "notice"}


@given(st.lists(st.sampled_from(AirEventKind), max_size=6))
def test_law_a_history_takes_exactly_the_paths_of_the_table(
    kinds: list[AirEventKind],
) -> None:
    history, here = History(), Pair.WAITING
    for kind in kinds:
        event = AirEvent(1, kind, "news", ("a",))
        row = TRANSITIONS.get((here, kind))
        if row is None:
            with pytest.raises(ImpossibleEventError, match=f"{kind} while"):
                history.follow([event])
        else:
            history.follow([event])
            here = row.to
        assert ("a" in history.winners) == (here is Pair.HEARD)
        assert (("news", "a") in history.interrupted) == (here is Pair.INTERRUPTED)
