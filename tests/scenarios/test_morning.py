"""A morning on the air of Bắc Ninh, told in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.air.arbiter import Arbiter
from streamer.air.difference import AirEventKind, AirStep
from streamer.air.priority import AirProgramme, Origin
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.wire.control import ProgrammeClass

BAC_NINH = (
    Zone("bac-ninh", None, "Bắc Ninh", ZoneLevel.PROVINCE),
    Zone("dai-dong", "bac-ninh", "Xã Đại Đồng", ZoneLevel.COMMUNE),
    Zone("thon-dong", "dai-dong", "Thôn Đông", ZoneLevel.VILLAGE),
    Zone("thon-tay", "dai-dong", "Thôn Tây", ZoneLevel.VILLAGE),
    Zone("tien-du", "bac-ninh", "Xã Tiên Du", ZoneLevel.COMMUNE),
    Zone("lim", "tien-du", "Thôn Lim", ZoneLevel.VILLAGE),
)
SECOND_NS = 1_000_000_000


def at(clock: str) -> int:
    """Return the media instant of a wall-clock time such as "05:30:00"."""
    hours, minutes, seconds = map(int, clock.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) * SECOND_NS


@dataclass
class Morning:
    """The province's air, and what a listener at each place wrote down."""

    arbiter: Arbiter = field(default_factory=lambda: Arbiter(ZoneTree(BAC_NINH)))
    heard: dict[str, list[str]] = field(
        default_factory=lambda: {zone.id: [] for zone in BAC_NINH}
    )
    log: list[str] = field(default_factory=list)
    accepted: int = 0

    def begin(
        self,
        clock: str,
        name: str,
        programme_class: ProgrammeClass,
        origin: Origin,
        *zone_ids: str,
    ) -> None:
        self.accepted += 1
        programme = AirProgramme(name, programme_class, origin, zone_ids, self.accepted)
        self._note(clock, self.arbiter.add(programme, at_ns=at(clock)))

    def end(self, clock: str, name: str) -> None:
        self._note(clock, self.arbiter.remove(name, at_ns=at(clock)))

    def delete_zone(self, clock: str, zone_id: str) -> None:
        kept = ZoneTree(zone for zone in self.arbiter.tree if zone.id != zone_id)
        self._note(clock, self.arbiter.replace_tree(kept, at_ns=at(clock)))

    def _note(self, clock: str, step: AirStep) -> None:
        assert step.at_ns == at(clock)
        for switch in step.switches:
            for zone_id in switch.zone_ids:
                self.heard[zone_id].append(f"{clock} {switch.programme_id or '-'}")
        for event in step.events:
            by = f" by {event.by}" if event.kind is AirEventKind.PREEMPTED else ""
            where = " ".join(event.zone_ids)
            self.log.append(f"{clock} {event.programme_id} {event.kind}{by}: {where}")


def test_music_bulletin_storm_and_back() -> None:
    morning = Morning()
    background, normal = ProgrammeClass.BACKGROUND, ProgrammeClass.NORMAL
    emergency = ProgrammeClass.EMERGENCY

    morning.begin("05:30:00", "music", background, Origin.PROVINCE, "bac-ninh")
    morning.begin("05:40:00", "bulletin", normal, Origin.COMMUNE, "dai-dong")
    morning.begin("05:45:10", "storm", emergency, Origin.PROVINCE, "bac-ninh")
    morning.end("05:47:00", "storm")
    morning.end("05:50:00", "bulletin")
    morning.end("06:30:00", "music")

    assert morning.heard["thon-tay"] == [
        "05:30:00 music",
        "05:40:00 bulletin",
        "05:45:10 storm",
        "05:47:00 bulletin",
        "05:50:00 music",
        "06:30:00 -",
    ]
    assert morning.heard["lim"] == [
        "05:30:00 music",
        "05:45:10 storm",
        "05:47:00 music",
        "06:30:00 -",
    ]
    everywhere = "bac-ninh dai-dong thon-dong thon-tay tien-du lim"
    assert morning.log == [
        f"05:30:00 music started: {everywhere}",
        "05:40:00 music preempted by bulletin: dai-dong thon-dong thon-tay",
        "05:40:00 bulletin started: dai-dong thon-dong thon-tay",
        "05:45:10 bulletin preempted by storm: dai-dong thon-dong thon-tay",
        "05:45:10 music preempted by storm: bac-ninh tien-du lim",
        f"05:45:10 storm started: {everywhere}",
        f"05:47:00 storm ended: {everywhere}",
        "05:47:00 bulletin resumed: dai-dong thon-dong thon-tay",
        "05:47:00 music resumed: bac-ninh tien-du lim",
        "05:50:00 bulletin ended: dai-dong thon-dong thon-tay",
        "05:50:00 music resumed: dai-dong thon-dong thon-tay",
        f"06:30:00 music ended: {everywhere}",
    ]


def test_the_bulletin_ends_under_the_storm_and_the_music_returns() -> None:
    morning = Morning()
    morning.begin(
        "05:30:00", "music", ProgrammeClass.BACKGROUND, Origin.PROVINCE, "bac-ninh"
    )
    morning.begin(
        "05:40:00", "bulletin", ProgrammeClass.NORMAL, Origin.COMMUNE, "dai-dong"
    )
    morning.begin(
        "05:45:10", "storm", ProgrammeClass.EMERGENCY, Origin.PROVINCE, "bac-ninh"
    )
    morning.end("05:46:00", "bulletin")
    morning.end("05:47:00", "storm")

    assert morning.heard["thon-tay"] == [
        "05:30:00 music",
        "05:40:00 bulletin",
        "05:45:10 storm",
        "05:47:00 music",
    ]
    assert "05:46:00 bulletin ended: dai-dong thon-dong thon-tay" in morning.log, (
        "it was owed its return, and is owed it no more"
    )


def test_a_stuck_microphone_does_not_block_the_next_warning() -> None:
    morning = Morning()
    emergency, commune = ProgrammeClass.EMERGENCY, Origin.COMMUNE

    morning.begin("05:30:00", "stuck", emergency, commune, "dai-dong")
    morning.begin("05:31:00", "flood", emergency, commune, "thon-tay")
    morning.begin("05:32:00", "dyke", emergency, Origin.PROVINCE, "bac-ninh")
    morning.begin("05:33:00", "late", emergency, commune, "thon-tay")
    morning.end("05:34:00", "dyke")

    assert morning.heard["thon-tay"] == [
        "05:30:00 stuck",
        "05:31:00 flood",
        "05:32:00 dyke",
        "05:34:00 late",
    ]
    assert morning.heard["thon-dong"][-1] == "05:34:00 stuck"


def test_two_communes_want_the_same_hour() -> None:
    """The one on air keeps its zones; the other has what is free, and waits."""
    morning = Morning()
    normal = ProgrammeClass.NORMAL

    morning.begin("17:00:00", "news", normal, Origin.COMMUNE, "dai-dong")
    morning.begin("17:05:00", "notice", normal, Origin.PROVINCE, "bac-ninh")
    morning.end("17:15:00", "news")

    assert morning.heard["lim"] == ["17:05:00 notice"]
    assert morning.heard["thon-tay"] == ["17:00:00 news", "17:15:00 notice"]


def test_a_village_is_dissolved_while_it_listens() -> None:
    morning = Morning()
    normal, commune = ProgrammeClass.NORMAL, Origin.COMMUNE

    morning.begin("17:00:00", "news", normal, commune, "dai-dong")
    morning.begin("17:01:00", "notice", normal, commune, "thon-tay")
    morning.delete_zone("17:05:00", "thon-tay")
    morning.end("17:10:00", "news")
    morning.end("17:11:00", "notice")

    assert morning.heard["thon-tay"] == ["17:00:00 news", "17:05:00 -"]
    assert morning.log == [
        "17:00:00 news started: dai-dong thon-dong thon-tay",
        "17:05:00 news ended: thon-tay",
        "17:10:00 news ended: dai-dong thon-dong",
    ], "the notice was never heard, and its zone is gone"
