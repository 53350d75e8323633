"""Which programme each zone hears, and who is due its packets. No bytes, no time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from streamer.bus.bus import OnAir, Switch
from streamer.fanout.carried import Carried
from streamer.fanout.group import Group
from streamer.fanout.member import Member
from streamer.fanout.roster import Roster


class Tuning:
    """The programmes on air, and the zones of *roster* tuned to them."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._programmes: dict[int, Carried] = {}

    def start(self, on_air: OnAir) -> Carried:
        """Carry a new programme; no zone hears it yet."""
        carried = self._programmes[on_air.ssrc] = Carried(on_air)
        return carried

    def end(self, ssrc: int) -> None:
        """Drop a programme that no zone hears any more."""
        self._programmes.pop(ssrc, None)

    def carried(self, ssrc: int | None) -> Carried | None:
        """Return a programme on air, or None."""
        return None if ssrc is None else self._programmes.get(ssrc)

    def heard_in(self, zone_id: str) -> Carried | None:
        """Return what a zone hears."""
        return self.carried(self._roster.zone(zone_id).ssrc)

    def interrupts(self, switch: Switch) -> bool:
        """Whether *switch* will take a zone from another programme."""
        heard = {self._roster.zone(zone_id).ssrc for zone_id in switch.zone_ids}
        return switch.ssrc is not None and bool(heard - {None, switch.ssrc})

    def retune(self, switch: Switch, control: bytes) -> dict[int | None, list[Member]]:
        """Tune zones as *switch* says; return those who change, by what they heard.

        A zone that hears nothing changes when it shall have heard nothing for longer:
        its listeners still play what they hold.
        """
        new = self.carried(switch.ssrc)
        leaving: dict[int | None, list[Member]] = {}
        for zone_id in switch.zone_ids:
            zone = self._roster.zone(zone_id)
            sooner = new is None and switch.from_ns < zone.from_ns
            if zone.ssrc == switch.ssrc and not sooner:
                continue
            leaving.setdefault(zone.ssrc, []).extend(zone.members)
            if (old := self.carried(zone.ssrc)) is not None:
                old.zone_ids.discard(zone_id)
                old.groups = None
            if new is not None:
                new.zone_ids.add(zone_id)
                new.groups = None
            zone.ssrc, zone.from_ns, zone.control = switch.ssrc, switch.from_ns, control
        return leaving

    def cut_tails(self, members: Sequence[Member], at_ns: int) -> None:
        """Let *members* get nothing that they will not hear, captured from then on."""
        for programme in self._programmes.values():
            if programme.tails:
                programme.cut_tails(members, at_ns)

    def regroup(self, zone_id: str) -> None:
        """Note that a zone's members changed."""
        if (programme := self.heard_in(zone_id)) is not None:
            programme.groups = None

    def groups(self, programme: Carried) -> dict[tuple[int, int], Group]:
        """Return who is due *programme*, by (size, phase); built when it changed."""
        if programme.groups is None:
            due: dict[tuple[int, int], list[Member]] = {}
            for zone_id in programme.zone_ids:
                for member in self._roster.zone(zone_id).members:
                    if member.audio:
                        due.setdefault((member.size, member.phase), []).append(member)
            programme.groups = {key: Group(members) for key, members in due.items()}
        return programme.groups

    def by_class(self) -> Mapping[str, int]:
        """Return how many programmes are on air, by class."""
        return Counter(
            str(carried.on_air.programme_class) for carried in self._programmes.values()
        )
