"""Laws of what is still owed when a server has ended, as the as-run log tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.air.arbiter import Arbiter
from streamer.air.difference import AirEvent, AirStep
from streamer.air.priority import Comeback, Origin
from streamer.air.replay import missed_parts, stretches
from streamer.air.zones import ZoneTree
from streamer.store.asrunevents import AsRunEntry, AsRunEvent, entry_of, members_of
from streamer.store.chain import Head, follow
from streamer.studio import asrun_journal as asrun
from streamer.studio.broadcast import BroadcastRequest, RecordingPart
from streamer.studio.owed import LONGEST_AGO, Left, Owed, candidates, owed
from streamer.studio.replays import CAUSE, replay_of, worthwhile
from streamer.wire.control import ProgrammeClass
from tests.streamer.air.rig import EMERGENCY, ZONES, programme

TREE = ZoneTree(ZONES)
START_UTC = datetime(2026, 11, 5, 5, 30, tzinfo=UTC)
SECOND_NS = 1_000_000_000
WAS = BroadcastRequest(
    source=None,
    source_kind="file",
    source_detail="f",
    zone_ids=("p",),
    programme_class=ProgrammeClass.PRIORITY,
    origin=Origin.COMMUNE,
    title="Bản tin",
    chime=False,
    started_by="Lan",
    token_id="t1",
    role="operator",
    comeback=Comeback.REPLAY,
    replay_share=0.25,
)


def at(seconds: float) -> datetime:
    return START_UTC + timedelta(seconds=seconds)


class Log:
    """Writes as the journal does, and is read as it is stored."""

    def __init__(self) -> None:
        self.entries: list[AsRunEntry] = []
        self._head = Head()

    def write(self, *events: AsRunEvent) -> None:
        for event in events:
            link = follow(self._head, members_of(event))
            self._head = Head(link.serial, link.hash)
            self.entries.append(entry_of(link))

    def accept(self, name: str, request: BroadcastRequest, seconds: float) -> None:
        more = {"comeback": request.comeback.value, **request.more}
        if request.comeback is Comeback.REPLAY:
            more |= {"replay_permille": round(request.replay_share * 1000)}
            more |= {"role": request.role}
        if request.exact:
            more["exact"] = True
        airing = asrun.Airing(
            title=request.title,
            programme_class=request.programme_class.value,
            origin=request.origin.value,
            source_kind=request.source_kind,
            source_detail=request.source_detail,
            zone_ids=request.zone_ids,
            actor=request.token_id,
            actor_name=request.started_by,
        )
        told = asrun.accepted(
            name, airing, at_utc=at(seconds), cause=request.cause, more=more
        )
        self.write(told)

    def step(self, step: AirStep, seconds: float) -> None:
        self.write(*asrun.stepped(step, at_utc=at(seconds)))

    def end(self, name: str, seconds: float, reason: str = "interrupted") -> None:
        self.write(asrun.ended(name, at_utc=at(seconds), reason=reason))

    def of(self, name: str) -> Left:
        return Left([each for each in self.entries if each.broadcast_id == name])

    def owed(self, name: str, seconds: float = 999) -> list[Owed]:
        return owed(self.of(name), self.entries, TREE, at(seconds))


def aired(warnings: Sequence[str], reason: str = "interrupted") -> tuple[Log, Any]:
    """News for all; every ten seconds a warning of five in some zone; then the end."""
    log, arbiter = Log(), Arbiter(TREE)
    events: list[AirEvent] = []

    def take(step: AirStep, seconds: float) -> None:
        events.extend(step.events)
        log.step(step, seconds)

    log.accept("news", WAS, 0)
    news = programme("news", "p", 0, ProgrammeClass.PRIORITY, comeback=Comeback.REPLAY)
    take(arbiter.add(news, at_ns=0), 0)
    for number, zone_id in enumerate(warnings, 1):
        name, from_s = f"w{number}", 10 * number
        warned = programme(name, zone_id, number, EMERGENCY)
        take(arbiter.add(warned, at_ns=from_s * SECOND_NS), from_s)
        take(arbiter.remove(name, at_ns=(from_s + 5) * SECOND_NS), from_s + 5)
    end_s = 10 * len(warnings) + 12
    take(arbiter.remove("news", at_ns=end_s * SECOND_NS), end_s)
    log.end("news", end_s, reason)
    mine = [each for each in events if each.programme_id == "news"]
    heard = stretches(mine, "news", until_ns=end_s * SECOND_NS)
    everywhere = [each.id for each in ZONES]
    whole = (0, end_s * SECOND_NS)
    return log, worthwhile(missed_parts(everywhere, heard, whole, replay_share=0.25))


def parts_of(found: Iterable[Owed]) -> list[tuple[tuple[str, ...], int, int]]:
    parts = []
    for each in found:
        source = each.request.source
        assert isinstance(source, RecordingPart)
        assert source.stop_samples is not None
        start, stop = source.start_samples, source.stop_samples
        parts.append((each.request.zone_ids, start // 48_000, stop // 48_000))
    return parts


WARNINGS = st.lists(st.sampled_from(["p", "a", "a1", "b"]), min_size=1, max_size=6)


@given(WARNINGS)
def test_law_the_log_owes_what_the_live_server_would_have_replayed(
    warnings: list[str],
) -> None:
    log, parts = aired(warnings)
    expected = [
        (e.zone_ids, e.from_ns // SECOND_NS, e.to_ns // SECOND_NS) for e in parts
    ]
    found = log.owed("news")
    assert parts_of(found) == expected
    for each in found:
        request = each.request
        assert (request.cause, request.exact, request.role) == (CAUSE, True, "operator")
        assert (request.title, request.token_id) == ("Bản tin", "t1")
        assert request.programme_class is ProgrammeClass.PRIORITY
        assert request.comeback is Comeback.RESUME
        assert not each.too_late


@given(WARNINGS, st.data())
def test_law_what_was_settled_is_owed_no_more_and_the_rest_is(
    warnings: list[str], data: st.DataObject
) -> None:
    log, _ = aired(warnings, "completed")
    found = log.owed("news")
    done = data.draw(st.sets(st.sampled_from(range(len(found))))) if found else set()
    for number in done:
        log.accept(f"r{number}", found[number].request, 100)
    left = [each for number, each in enumerate(found) if number not in done]
    assert log.owed("news") == left


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=5))
def test_law_a_replay_goes_on_where_its_source_stood(
    runs: list[tuple[int, int]],
) -> None:
    log = Log()
    part = replay_of(WAS, "news", ("a", "gone", "b"), (480_000, 480_000 + 20 * 48_000))
    log.accept("r", part, 0)
    arbiter, second = Arbiter(TREE), 0
    silent = arbiter.silence(["p"], at_ns=0)
    log.step(silent, 0)
    held = programme("r", "a b", 1, comeback=Comeback.RESUME, can_hold=True)
    log.step(arbiter.add(held, at_ns=0), 0)
    for wait_s, run_s in runs:
        second += wait_s
        log.step(arbiter.lift(["p"], at_ns=second * SECOND_NS), second)
        second += run_s
        log.step(arbiter.silence(["p"], at_ns=second * SECOND_NS), second)
    log.end("r", second)
    ran_s = sum(run_s for _, run_s in runs)
    expected = [(("a", "b"), 10 + ran_s, 30)] if ran_s < 20 else []
    found = log.owed("r")
    assert parts_of(found) == expected
    for each in found:
        assert each.request.more["continues"] == "r"
        log.accept("r2", each.request, second + 1)
    assert log.owed("r") == [], "it is taken up once"


def test_a_replay_that_was_running_goes_on_from_its_end() -> None:
    log, arbiter = Log(), Arbiter(TREE)
    log.accept("r", replay_of(WAS, "news", ("a",), (0, 20 * 48_000)), 0)
    running = programme("r", "a", 1, comeback=Comeback.RESUME, can_hold=True)
    log.step(arbiter.add(running, at_ns=0), 0)
    log.end("r", 7)
    assert parts_of(log.owed("r")) == [(("a",), 7, 20)]


@pytest.mark.parametrize("reason", ["completed", "stopped", "failed"])
def test_a_replay_that_ended_by_itself_or_by_hand_is_over(reason: str) -> None:
    log = Log()
    log.accept("r", replay_of(WAS, "news", ("a",), (0, 20 * 48_000)), 0)
    log.end("r", 7, reason)
    assert log.owed("r") == []


def test_after_a_day_it_is_too_late() -> None:
    log, _ = aired(["a", "a"])
    day_s = LONGEST_AGO.total_seconds()
    assert not any(each.too_late for each in log.owed("news", 32 + day_s))
    assert all(each.too_late for each in log.owed("news", 33 + day_s))


def test_what_was_skipped_or_never_heard_or_wants_no_replay_owes_nothing() -> None:
    log, _ = aired(["a", "a"], "skipped")
    assert log.owed("news") == []
    log = Log()
    log.accept("news", WAS, 0)
    log.end("news", 9)
    assert log.owed("news") == []
    log.accept("music", replace(WAS, comeback=Comeback.RESUME), 0)
    log.end("music", 9)
    assert log.owed("music") == []


def test_only_what_the_end_of_the_server_left_is_looked_at() -> None:
    log = Log()
    for name, request, reason, seconds in (
        ("long-ago", WAS, "completed", 0),
        ("just-ended", WAS, "completed", 590),
        ("cut-off", WAS, "interrupted", 0),
        ("music", replace(WAS, comeback=Comeback.REJOIN), "interrupted", 599),
        ("replay", replay_of(WAS, "x", ("a",), (0, 9)), "interrupted", 599),
    ):
        log.accept(name, request, 0)
        log.end(name, seconds, reason)
    log.end("unknown", 599)
    accepted = [each for each in log.entries if each.kind == "accepted"]
    ended = [each for each in log.entries if each.kind == "ended"]
    assert candidates(accepted, ended, at(600)) == [
        *("just-ended", "cut-off", "replay", "unknown")
    ]
