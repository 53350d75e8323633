"""Tests of streamer.studio.asrun_journal: the log says all that happened on the air."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.air.arbiter import Arbiter
from streamer.air.conduct import OrderKind
from streamer.air.difference import AirStep
from streamer.air.errors import ZonesHeldError
from streamer.air.priority import (
    CLASS_ORDER,
    ORIGIN_ORDER,
    AirProgramme,
    Comeback,
    Conflict,
    Origin,
)
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.store.asrunevents import (
    AsRunEvent,
    AsRunKind,
    AsRunReplay,
    entry_of,
    members_of,
)
from streamer.store.chain import Head, Link, follow
from streamer.store.database import sqlite_url
from streamer.store.store import Store
from streamer.store.verifier import verify
from streamer.studio import asrun_journal
from streamer.studio.asrun_journal import Airing
from streamer.wire.control import ProgrammeClass

NAMES = ("p", "a", "a1", "b")
ZONES = tuple(
    Zone(each, above, each, ZoneLevel.VILLAGE)
    for each, above in zip(NAMES, (None, "p", "a", "p"), strict=True)
)


def at(instant: int) -> datetime:
    return datetime(2026, 11, 5, 5, 30, tzinfo=UTC) + timedelta(seconds=instant)


def airing(*zone_ids: str, **more: str) -> Airing:
    values: dict[str, Any] = {
        "title": "Bản tin",
        "programme_class": "normal",
        "origin": "commune",
        "source_kind": "file",
        "source_detail": "f",
        "actor": "token",
        "actor_name": "Chị Hoa",
    }
    return Airing(zone_ids=zone_ids, **values | more)


class Desk:
    """An arbiter and a log, as the studio and its journal hold them."""

    def __init__(self) -> None:
        self.arbiter = Arbiter(ZoneTree(ZONES))
        self.links: list[Link] = []
        self.instant = 0
        self.accepted = 0

    def write(self, *events: AsRunEvent) -> None:
        for each in events:
            head = (
                Head(self.links[-1].serial, self.links[-1].hash)
                if self.links
                else Head()
            )
            self.links.append(follow(head, members_of(each)))

    def step(self, step: AirStep) -> None:
        now_utc = at(step.at_ns)
        self.write(*asrun_journal.stepped(step, at_utc=now_utc))
        for order in step.orders:
            if order.kind is OrderKind.END:
                assert order.cause is not None
                self.end(order.programme_id, order.cause.value)

    def end(self, name: str, reason: str) -> None:
        now_utc = at(self.instant)
        self.write(asrun_journal.ended(name, at_utc=now_utc, reason=reason))

    def add(self, programme: AirProgramme) -> None:
        told = airing(*programme.zone_ids)
        try:
            step = self.arbiter.add(programme, at_ns=self.instant)
        except ZonesHeldError as error:
            held = {"held": dict(error.held)}
            now_utc = at(self.instant)
            self.write(
                asrun_journal.refused(told, at_utc=now_utc, rule="held", more=held)
            )
            return
        self.write(asrun_journal.accepted(programme.id, told, at_utc=at(self.instant)))
        self.step(step)

    def remove(self, name: str) -> None:
        self.step(self.arbiter.remove(name, at_ns=self.instant))
        self.end(name, "stopped")

    def replay(self) -> AsRunReplay:
        """Read the log, as text, from its beginning."""
        found = AsRunReplay()
        for link in self.links:
            found.take(entry_of(link))
        return found


def act(desk: Desk, data: st.DataObject) -> None:
    """Do any one thing that can be done to the air."""
    zone_ids = tuple(data.draw(st.sets(st.sampled_from(NAMES), min_size=1)))
    known = sorted(desk.arbiter.programmes)
    here = [each.id for each in desk.arbiter.tree]
    named = [each for each in zone_ids if each in here]
    match data.draw(
        st.sampled_from(["add", "add", "remove", "silence", "lift", "tree"])
    ):
        case "add" if named:
            desk.accepted += 1
            desk.add(
                AirProgramme(
                    f"b{desk.accepted}",
                    data.draw(st.sampled_from(CLASS_ORDER)),
                    data.draw(st.sampled_from(ORIGIN_ORDER)),
                    tuple(named),
                    desk.accepted,
                    conflict=data.draw(st.sampled_from(Conflict)),
                    comeback=data.draw(st.sampled_from(Comeback)),
                    can_hold=data.draw(st.booleans()),
                    skip_after_ns=data.draw(st.none() | st.integers(0, 3)),
                )
            )
        case "remove" if known:
            desk.remove(data.draw(st.sampled_from(known)))
        case "silence" if named:
            who = {"at_utc": at(desk.instant), "actor": "admin"}
            desk.write(asrun_journal.silenced(named, reason="", **who))  # type: ignore[arg-type]
            desk.step(desk.arbiter.silence(named, at_ns=desk.instant))
        case "lift":
            who = {"at_utc": at(desk.instant), "actor": "admin"}
            desk.write(asrun_journal.lifted(zone_ids, **who))  # type: ignore[arg-type]
            desk.step(desk.arbiter.lift(zone_ids, at_ns=desk.instant))
        case "tree":
            kept = data.draw(st.integers(1, len(ZONES)))
            tree = ZoneTree(ZONES[:kept])
            desk.step(desk.arbiter.replace_tree(tree, at_ns=desk.instant))


@settings(max_examples=60)
@given(st.data())
def test_law_the_log_replays_to_the_assignment(data: st.DataObject) -> None:
    """After every act, and the chain of what was written is sound."""
    desk = Desk()
    for _ in range(data.draw(st.integers(1, 10))):
        desk.instant += data.draw(st.integers(0, 2))
        act(desk, data)
        replay = desk.replay()
        assert replay.winners() == desk.arbiter.assignment.winners()
        assert replay.on_air().keys() == desk.arbiter.programmes.keys()
    assert verify(desk.links).fault is None


def test_a_bulletin_a_storm_and_a_silence_as_the_log_tells_them() -> None:
    desk = Desk()
    normal, emergency = ProgrammeClass.NORMAL, ProgrammeClass.EMERGENCY
    bulletin = AirProgramme(
        "bulletin",
        normal,
        Origin.COMMUNE,
        ("a",),
        1,
        comeback=Comeback.RESUME,
        can_hold=True,
    )
    storm = AirProgramme("storm", emergency, Origin.PROVINCE, ("p",), 2)
    desk.add(bulletin)
    desk.instant = 20
    desk.add(storm)
    desk.instant = 30
    desk.write(
        asrun_journal.silenced({"b"}, at_utc=at(30), actor="admin", reason="Kẻ lạ")
    )
    desk.step(desk.arbiter.silence(["b"], at_ns=30))
    desk.instant = 40
    desk.remove("storm")
    desk.instant = 50
    desk.remove("bulletin")

    lines = [
        f"{(entry.at_utc - at(0)).seconds:2} {entry.broadcast_id} {entry.kind} "
        f"{entry.cause} {'+'.join(entry.zone_ids)} {entry.detail.get('by')}"
        for entry in map(entry_of, desk.links)
    ]
    assert lines == [
        " 0 bulletin accepted None a None",
        " 0 bulletin started None a+a1 None",
        " 0 bulletin went_on None  None",
        "20 storm accepted None p None",
        "20 bulletin preempted broadcast a+a1 storm",
        "20 storm started None p+a+a1+b None",
        "20 bulletin held None  None",
        "20 storm went_on None  None",
        "30 None silenced None b None",
        "30 storm preempted silence b None",
        "40 storm ended None p+a+a1+b None",
        "40 bulletin resumed None a+a1 None",
        "40 bulletin went_on None  None",
        "40 storm ended stopped  None",
        "50 bulletin ended None a+a1 None",
        "50 bulletin ended stopped  None",
    ]
    turns = asrun_journal.source_turns(
        entry for entry in map(entry_of, desk.links) if entry.broadcast_id == "bulletin"
    )
    assert turns == [(at(0), True), (at(20), False), (at(40), True)]


def test_what_was_taken_refused_and_missed_says_who_and_why() -> None:
    told = airing("a", source_detail="nine")
    taken = asrun_journal.accepted(
        "b", told, at_utc=at(0), cause="schedule", more={"entry": "e"}
    )
    assert (taken.kind, taken.actor, taken.cause) == (
        AsRunKind.ACCEPTED,
        "token",
        "schedule",
    )
    assert taken.detail == {
        "title": "Bản tin",
        "class": "normal",
        "origin": "commune",
        "source_kind": "file",
        "source_detail": "nine",
        "actor_name": "Chị Hoa",
        "entry": "e",
    }
    refused = asrun_journal.refused(told, at_utc=at(0), rule="quiet_hours")
    assert (refused.kind, refused.broadcast_id, refused.cause) == (
        AsRunKind.REFUSED,
        None,
        "quiet_hours",
    )
    missed = asrun_journal.missed(told, at_utc=at(0), cause="grace_over")
    assert (missed.kind, missed.zone_ids, missed.cause) == (
        AsRunKind.MISSED,
        ("a",),
        "grace_over",
    )
    order = asrun_journal.reordered(["x", "y"], at_utc=at(0), actor="operator")
    assert (order.actor, order.detail) == ("operator", {"order": ["x", "y"]})


async def test_after_a_crash_nothing_that_was_on_air_is_forgotten(
    tmp_path: Path,
) -> None:
    url = sqlite_url(tmp_path / "loacast.db")
    desk = Desk()
    for number, zone_id in enumerate(("a", "b", "a1")):
        kind = ProgrammeClass.PRIORITY
        desk.add(AirProgramme(f"b{number}", kind, Origin.COMMUNE, (zone_id,), number))
    desk.remove("b1")
    async with Store(url) as store:
        written = [
            AsRunEvent(
                at_utc=each.at_utc,
                kind=AsRunKind(each.kind),
                broadcast_id=each.broadcast_id,
                zone_ids=each.zone_ids,
                cause=each.cause,
            )
            for each in map(entry_of, desk.links)
        ]
        await store.asrun.append(written)

    async with Store(url) as store:  # the next start
        unfinished = await store.asrun.unfinished()
        assert unfinished == {"b0": ("a", "a1"), "b2": ()}
        events = asrun_journal.server_started(
            unfinished, ended_utc={"b0": at(7)}, now_utc=at(100), version="1"
        )
        await store.asrun.append(events)
        added = await store.asrun.read(limit=10, latest_first=True)
        told = [(each.broadcast_id, each.kind, each.cause) for each in added[:4]]
        assert told[::-1] == [
            ("b0", "ended", "interrupted"),
            ("b0", "ended", "interrupted"),
            ("b2", "ended", "interrupted"),
            (None, "server_started", None),
        ]
        assert added[3].zone_ids == ("a", "a1")
        assert [each.at_utc for each in added[3::-1]] == [
            at(7),
            at(7),
            at(100),
            at(100),
        ]
        assert await store.asrun.unfinished() == {}
        assert (await store.asrun.verify()).fault is None
