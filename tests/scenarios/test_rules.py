"""What happens to the one cut off: mornings told in virtual time.

Beside who is heard where, these follow what every source does: when it runs, stands
still and goes on, and how much of it was heard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from streamer.air.arbiter import Arbiter
from streamer.air.conduct import OrderKind
from streamer.air.coverage import GapCause, Played, Standing, coverage
from streamer.air.difference import AirEvent, AirStep
from streamer.air.errors import ZonesHeldError
from streamer.air.lifecycle import History
from streamer.air.policy import PolicyRule, Refusal, Wish, ZonePolicy, check
from streamer.air.priority import AirProgramme, Comeback, Conflict, Origin
from streamer.air.replay import missed_parts, stretches
from streamer.air.walltime import instant, time_zone
from streamer.air.window import Window
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.wire.control import ProgrammeClass
from tests.scenarios.test_morning import BAC_NINH, SECOND_NS, at

BACKGROUND, NORMAL, PRIORITY, EMERGENCY = (
    ProgrammeClass.BACKGROUND,
    ProgrammeClass.NORMAL,
    ProgrammeClass.PRIORITY,
    ProgrammeClass.EMERGENCY,
)
COMMUNE, PROVINCE, CENTRAL = Origin.COMMUNE, Origin.PROVINCE, Origin.CENTRAL


@dataclass
class Reel:
    """A source: how much of it has run, and since when it runs."""

    played_s: int = 0
    since_ns: int | None = None

    def go(self, at_ns: int, *, restart: bool) -> None:
        assert self.since_ns is None, "it runs already"
        self.since_ns = at_ns
        if restart:
            self.played_s = 0

    def hold(self, at_ns: int) -> None:
        assert self.since_ns is not None, "it stands still already"
        self.played_s += (at_ns - self.since_ns) // SECOND_NS
        self.since_ns = None


@dataclass
class Station:
    """A province's air, its sources, and what a listener at each place wrote down."""

    zones: tuple[Zone, ...] = BAC_NINH
    silences: tuple[str, ...] = ()
    heard: dict[str, list[str]] = field(default_factory=dict)
    reels: dict[str, Reel] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)
    events: list[AirEvent] = field(default_factory=list)
    accepted: int = 0

    def __post_init__(self) -> None:
        self.arbiter = Arbiter(ZoneTree(self.zones), silences=self.silences)
        self.history = History()

    def begin(
        self,
        clock: str,
        name: str,
        kind: ProgrammeClass,
        *zone_ids: str,
        **more: object,
    ) -> None:
        self.accepted += 1
        self.reels[name] = Reel()
        settings = {"origin": COMMUNE, **more}
        programme = AirProgramme(
            name,
            kind,
            zone_ids=zone_ids,
            accepted_order=self.accepted,
            **settings,  # type: ignore[arg-type]
        )
        self._note(clock, self.arbiter.add(programme, at_ns=at(clock)))

    def end(self, clock: str, name: str) -> None:
        self._note(clock, self.arbiter.remove(name, at_ns=at(clock)))
        if self.reels[name].since_ns is not None:
            self.reels[name].hold(at(clock))
        self.over[name] = clock

    def silence(self, clock: str, *zone_ids: str) -> None:
        self._note(clock, self.arbiter.silence(zone_ids, at_ns=at(clock)))

    def lift(self, clock: str, *zone_ids: str) -> None:
        self._note(clock, self.arbiter.lift(zone_ids, at_ns=at(clock)))

    def reorder(self, clock: str, *names: str) -> None:
        self._note(clock, self.arbiter.reorder(names, at_ns=at(clock)))

    def rebuild(self, clock: str, tree: ZoneTree) -> None:
        self._note(clock, self.arbiter.replace_tree(tree, at_ns=at(clock)))

    def wait_until(self, clock: str) -> None:
        """Let the clock run, and whatever it brings."""
        while (deadline_ns := self.arbiter.next_deadline_ns) is not None:
            if deadline_ns > at(clock):
                return
            self._take(self.arbiter.expire(deadline_ns), "late")

    def _note(self, clock: str, step: AirStep) -> None:
        assert step.at_ns == at(clock)
        self._take(step, clock)

    def _take(self, step: AirStep, clock: str) -> None:
        self.history.follow(step.events)  # nothing impossible is ever logged
        self.events += step.events
        for switch in step.switches:
            for zone_id in switch.zone_ids:
                told = f"{clock} {switch.programme_id or '-'}"
                self.heard.setdefault(zone_id, []).append(told)
        for order in step.orders:
            reel = self.reels[order.programme_id]
            if order.kind is OrderKind.GO:
                reel.go(order.at_ns, restart=order.restart)
            elif reel.since_ns is not None:
                reel.hold(order.at_ns)
            if order.cause is not None:
                self.over[order.programme_id] = f"{clock} {order.cause}"


def test_a_morning_slot_with_relay_bulletin_storm_warning_and_return() -> None:
    station = Station()
    station.begin("05:30:00", "relay", NORMAL, "bac-ninh", origin=PROVINCE)
    station.begin(
        "05:45:00",
        "bulletin",
        PRIORITY,
        "dai-dong",
        comeback=Comeback.RESUME,
        can_hold=True,
    )
    station.begin("05:50:00", "storm", EMERGENCY, "bac-ninh", origin=PROVINCE)
    station.end("05:53:00", "storm")
    # The bulletin lasts ten minutes: five were heard before the storm.
    assert station.reels["bulletin"].played_s == 5 * 60
    station.end("05:58:00", "bulletin")
    station.end("06:30:00", "relay")
    assert station.reels["bulletin"].played_s == 10 * 60, "every word of it"
    assert station.reels["relay"].played_s == 60 * 60, "live goes on"
    assert station.heard["thon-tay"] == [
        "05:30:00 relay",
        "05:45:00 bulletin",
        "05:50:00 storm",
        "05:53:00 bulletin",
        "05:58:00 relay",
        "06:30:00 -",
    ]
    assert station.heard["lim"] == [
        "05:30:00 relay",
        "05:50:00 storm",
        "05:53:00 relay",
        "06:30:00 -",
    ]


def test_nested_interruptions_unwind_in_order() -> None:
    station = Station()
    held = {"comeback": Comeback.RESUME, "can_hold": True}
    station.begin("06:00:00", "music", BACKGROUND, "dai-dong", **held)
    station.begin("06:10:00", "news", NORMAL, "dai-dong", **held)
    station.begin("06:15:00", "notice", PRIORITY, "dai-dong", **held)
    station.begin("06:16:00", "flood", EMERGENCY, "dai-dong")
    reels = station.reels
    assert [name for name in reels if reels[name].since_ns is not None] == ["flood"]
    station.end("06:20:00", "flood")
    assert reels["news"].since_ns is None, "what was paused before stays paused"
    station.end("06:21:00", "notice")
    station.end("06:26:00", "news")
    station.end("06:56:00", "music")
    played = {name: reel.played_s // 60 for name, reel in reels.items()}
    assert played == {"music": 40, "news": 10, "notice": 2, "flood": 4}
    assert station.history.winners == {}
    assert station.history.interrupted == frozenset()


def test_a_stuck_microphone_neither_blocks_the_next_warning_nor_the_kill_switch() -> (
    None
):
    station = Station()
    station.begin("05:30:00", "stuck", EMERGENCY, "dai-dong")
    station.begin("05:31:00", "flood", EMERGENCY, "thon-tay")
    assert station.heard["thon-tay"][-1] == "05:31:00 flood"
    station.end("05:33:00", "flood")
    assert station.heard["thon-tay"][-1] == "05:33:00 stuck", "it still shouts"
    station.silence("05:34:00", "dai-dong")
    assert station.heard["thon-tay"][-1] == "05:34:00 -"
    # Who has the keys of the switch decides; the highest voice waits, too.
    station.begin("05:35:00", "dyke", EMERGENCY, "bac-ninh", origin=CENTRAL)
    assert station.heard["lim"] == ["05:35:00 dyke"]
    assert station.heard["thon-tay"][-1] == "05:34:00 -"
    station.end("05:36:00", "stuck")
    station.lift("05:37:00", "dai-dong")
    assert station.heard["thon-tay"][-1] == "05:37:00 dyke"


def test_a_silence_outlives_the_server() -> None:
    station = Station(silences=("dai-dong",))
    station.begin("05:30:00", "dyke", EMERGENCY, "bac-ninh", origin=CENTRAL)
    assert "thon-tay" not in station.heard
    assert station.heard["lim"] == ["05:30:00 dyke"]


def test_a_half_covered_province_hears_the_rest_afterwards() -> None:
    """A warning in one commune; the province's news is replayed there, exactly."""
    station = Station()
    station.begin(
        "17:00:00",
        "news",
        NORMAL,
        "bac-ninh",
        origin=PROVINCE,
        comeback=Comeback.REPLAY,
        can_hold=True,
    )
    station.begin("17:05:00", "fire", EMERGENCY, "tien-du")
    station.end("17:12:00", "fire")
    station.end("17:30:00", "news")
    assert station.reels["news"].played_s == 30 * 60, "it ran on for the others"
    heard = stretches(station.events, "news", until_ns=at("17:30:00"))
    whole = at("17:00:00"), at("17:30:00")
    everywhere = [zone.id for zone in BAC_NINH]
    (part,) = missed_parts(everywhere, heard, whole)
    assert part.zone_ids == ("tien-du", "lim")
    assert (part.from_ns, part.to_ns) == (at("17:05:00"), at("17:12:00"))
    # The commune's own programme goes first: the replay waits its turn.
    station.begin("17:30:01", "market", NORMAL, "tien-du")
    station.begin(
        "17:30:02",
        "again",
        NORMAL,
        *part.zone_ids,
        comeback=Comeback.RESUME,
        can_hold=True,
        exact=True,
    )
    assert station.reels["again"].since_ns is None
    station.end("17:40:00", "market")
    station.end("17:47:00", "again")
    assert station.heard["lim"][-3:] == [
        "17:30:01 market",
        "17:40:00 again",
        "17:47:00 -",
    ]
    assert station.reels["again"].played_s == 7 * 60
    assert "17:40:00 again" not in station.heard["thon-tay"]
    assert missed_parts(everywhere, heard, whole, replay_share=0.25) == ()


def test_a_half_covered_province_is_told_speaker_by_speaker() -> None:
    """A fire elsewhere, a pole without mains, a SIM card that ran out, and one well."""
    station = Station()
    station.begin("17:00:00", "news", NORMAL, "bac-ninh", origin=PROVINCE)
    station.begin("17:05:00", "fire", EMERGENCY, "tien-du")
    station.end("17:12:00", "fire")
    station.end("17:30:00", "news")
    heard = stretches(station.events, "news", until_ns=at("17:30:00"))
    places = {"loa-1": "lim", "loa-2": "thon-dong", "loa-3": "thon-tay"}
    standings = [
        Standing(*each, 0) for each in (places | {"loa-4": "dai-dong"}).items()
    ]
    report = coverage(
        [(us("17:00:00"), us("17:30:00"))],
        {zone_id: [_in_us(*span) for span in heard[zone_id]] for zone_id in heard},
        standings,
        {
            "loa-1": [
                _played("17:00:00", "17:05:00", done=True),
                _played("17:12:00", "17:30:00", done=True),
            ],
            "loa-2": [_played("17:00:00", "17:19:55", done=False)],
            "loa-3": [_played("17:00:00", "17:30:00", done=True)],
        },
    )
    told = {
        speaker.speaker_id: [
            (gap.cause, gap.from_us, gap.to_us, gap.unconfirmed_us)
            for gap in speaker.gaps
        ]
        for zone in report.incomplete_zones
        for speaker in zone.incomplete
    }
    missed, ten_s = GapCause.NOT_RECEIVED, 10_000_000
    assert told == {
        "loa-1": [(GapCause.PREEMPTED, us("17:05:00"), us("17:12:00"), 0)],
        "loa-2": [(missed, us("17:19:55"), us("17:30:00"), ten_s)],
        "loa-4": [(missed, us("17:00:00"), us("17:30:00"), 0)],
    }
    assert (report.tally.complete, report.tally.speakers) == (1, 4)
    assert report.tally.percent == 60.76, "23, 20, 30 and 0 of 30 minutes"


def us(clock: str) -> int:
    return at(clock) // 1000


def _in_us(from_ns: int, to_ns: int) -> tuple[int, int]:
    return from_ns // 1000, to_ns // 1000


def _played(first: str, last: str, *, done: bool) -> Played:
    return Played(us(first), us(last), us(last) - us(first), done)


def test_two_priorities_collide_and_the_operator_decides() -> None:
    station = Station()
    station.begin("06:00:00", "health", PRIORITY, "dai-dong")
    station.begin("06:01:00", "harvest", PRIORITY, "dai-dong")
    station.begin("06:02:00", "school", PRIORITY, "thon-tay")
    station.reorder("06:03:00", "school", "harvest")
    assert station.heard["thon-tay"] == ["06:00:00 health"], "nobody is cut off by it"
    station.end("06:10:00", "health")
    assert station.heard["thon-tay"][-1] == "06:10:00 school"
    assert station.heard["thon-dong"][-1] == "06:10:00 harvest", "zones one by one"
    with pytest.raises(ZonesHeldError) as caught:
        station.begin("06:11:00", "tax", PRIORITY, "dai-dong", conflict=Conflict.REFUSE)
    assert caught.value.held == {
        "dai-dong": "harvest",
        "thon-dong": "harvest",
        "thon-tay": "school",
    }
    station.begin(
        "06:12:00", "vaccine", PRIORITY, "thon-dong", conflict=Conflict.TAKE_OVER
    )
    assert station.heard["thon-dong"][-1] == "06:12:00 vaccine"
    station.end("06:13:00", "vaccine")
    assert station.heard["thon-dong"][-1] == "06:13:00 harvest"


def test_what_would_be_too_late_is_left_out() -> None:
    station = Station()
    station.begin("05:30:00", "storm", EMERGENCY, "bac-ninh", origin=PROVINCE)
    for name, minutes in (("greeting", 5), ("news", 30)):
        station.begin(
            "05:31:00",
            name,
            NORMAL,
            "dai-dong",
            comeback=Comeback.RESUME,
            can_hold=True,
            skip_after_ns=minutes * 60 * SECOND_NS,
        )
    station.begin("05:32:00", "song", BACKGROUND, "lim", comeback=Comeback.DROP)
    station.wait_until("05:59:00")
    assert station.over == {"greeting": "late skipped"}
    station.end("06:00:00", "storm")
    assert station.heard["thon-tay"][-1] == "06:00:00 news"
    assert station.heard["lim"][-1] == "06:00:00 song", "it had lost nothing yet"
    station.begin("06:05:00", "flood", EMERGENCY, "lim")
    assert station.over["song"] == "06:05:00 dropped"


def test_the_commune_sleeps_but_a_warning_wakes_it() -> None:
    """Quiet hours refuse and say from when on; an emergency is not asked."""
    tree, zone = ZoneTree(BAC_NINH), time_zone("Asia/Ho_Chi_Minh")
    night = Window(frozenset(range(7)), 21 * 60, 5 * 60 + 30)
    policies = {"dai-dong": ZonePolicy(quiet_hours=(night,))}

    def asked(minute: int, kind: ProgrammeClass, zone_id: str) -> Refusal | None:
        local = datetime(2026, 1, 5, 5, minute)
        return check(
            policies, tree, Wish((zone_id,), kind, "operator", instant(local, zone))
        )

    refusal = asked(0, NORMAL, "bac-ninh")
    assert refusal is not None
    assert (refusal.rule, refusal.zone_id) == (PolicyRule.QUIET_HOURS, "dai-dong")
    assert refusal.allowed_from_utc == instant(datetime(2026, 1, 5, 5, 30), zone)
    assert asked(0, NORMAL, "tien-du") is None
    assert asked(0, EMERGENCY, "bac-ninh") is None
    assert asked(30, NORMAL, "thon-tay") is None


def test_a_village_is_dissolved_while_its_file_is_held() -> None:
    station = Station()
    station.begin(
        "17:00:00",
        "file",
        NORMAL,
        "thon-tay",
        comeback=Comeback.RESUME,
        can_hold=True,
    )
    tree = ZoneTree(zone for zone in BAC_NINH if zone.id != "thon-tay")
    station.rebuild("17:05:00", tree)
    assert station.reels["file"].since_ns is None, "nobody is left to hear it"
    back = ZoneTree([*tree, Zone("thon-tay", "tien-du", "Tây", ZoneLevel.VILLAGE)])
    station.rebuild("17:06:00", back)
    station.end("17:07:00", "file")
    assert station.reels["file"].played_s == 6 * 60, "it goes on where it stood"
