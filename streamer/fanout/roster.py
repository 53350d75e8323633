"""Who listens where: the hub's books. No bytes, no time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from streamer.fanout.announce import announcement
from streamer.fanout.listener import Listener, ListenerIdentity
from streamer.fanout.member import PACKET_MS, Member
from streamer.wire.control import PTIMES_MS

SIZES = tuple(ptime_ms // PACKET_MS for ptime_ms in PTIMES_MS)


class Zone:
    """What a zone hears, and by whom."""

    __slots__ = ("control", "from_ns", "members", "ssrc")

    def __init__(self) -> None:
        self.members: dict[Member, None] = {}
        self.ssrc: int | None = None
        self.from_ns = 0
        "Media instant since which it hears `ssrc`, or nothing."
        self.control = announcement(None, from_ns=0)
        "The frame that says so."


class Roster:
    """Members by listener, by speaker and by zone; shares out the phases."""

    def __init__(self) -> None:
        self._zones: dict[str, Zone] = {}
        self._members: dict[Listener, Member] = {}
        self._speakers: dict[str, list[Member]] = {}
        self._phase_loads = {size: [0] * size for size in SIZES}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    def zone(self, zone_id: str) -> Zone:
        """Return a zone; one never heard of is silent."""
        zone = self._zones.get(zone_id)
        if zone is None:
            zone = self._zones[zone_id] = Zone()
        return zone

    def get(self, listener: Listener) -> Member | None:
        """Return a listener's member, or None when it left."""
        return self._members.get(listener)

    def of_speaker(self, speaker_id: str) -> tuple[Member, ...]:
        """Return a speaker's members, the oldest connection first."""
        return tuple(self._speakers.get(speaker_id, ()))

    def admit(self, listener: Listener) -> Member:
        """Enter *listener*, in the phase that has the fewest of its message size."""
        loads = self._phase_loads[listener.ptime_ms // PACKET_MS]
        phase = loads.index(min(loads))
        loads[phase] += 1
        member = self._members[listener] = Member(listener, phase=phase)
        self._speakers.setdefault(member.identity.speaker_id, []).append(member)
        self.zone(member.identity.zone_id).members[member] = None
        return member

    def dismiss(self, listener: Listener) -> Member | None:
        """Strike *listener* out; return its member if it was there."""
        member = self._members.pop(listener, None)
        if member is None:
            return None
        member.gone = True
        self._phase_loads[member.size][member.phase] -= 1
        del self.zone(member.identity.zone_id).members[member]
        siblings = self._speakers[member.identity.speaker_id]
        siblings.remove(member)
        if not siblings:
            del self._speakers[member.identity.speaker_id]
        return member

    def amend(self, member: Member, identity: ListenerIdentity) -> None:
        """Give *member* its speaker's new *identity*; enter it where that says."""
        del self.zone(member.identity.zone_id).members[member]
        member.identity = identity
        self.zone(identity.zone_id).members[member] = None

    def speakers_by_zone(self) -> Mapping[str, int]:
        """Return how many speakers are connected, by zone; empty zones are left out."""
        return Counter(
            members[-1].identity.zone_id for members in self._speakers.values()
        )
