"""What a listener is sent when its link takes it, and when it does not.

README.md, "Slow listeners": who is stalled is skipped, told everything anew when it
recovers, sent what it lacks and can still play, and given up after ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.fanout.announce import settings
from streamer.fanout.carried import NOTHING, Carried, Parcel, pack
from streamer.fanout.delivery import TRANSPORT, Delivery
from streamer.fanout.group import Group
from streamer.fanout.listener import ListenerIdentity
from streamer.fanout.member import Member
from streamer.fanout.roster import Roster
from streamer.fanout.tuning import Tuning
from streamer.media.frame import FRAME_NS, ProgrammePacket
from streamer.metrics import Metrics

PREROLL_NS = 4 * FRAME_NS  # lets the decoder settle before the first heard sample
STALL_LIMIT_NS = 10_000_000_000


class Supply:
    """Sends to members, or notes what they lack.

    Args:
        roster: Who listens.
        tuning: What they hear.
        delivery: Hands over the bytes.
        clock_ns: The server's media clock.
        metrics: Where it counts.
        greet: Makes the welcome's frame, by identity and packet time in ms.
        give_up: Ends the connection of a member that was stalled for too long.
    """

    def __init__(
        self,
        roster: Roster,
        tuning: Tuning,
        delivery: Delivery,
        *,
        clock_ns: Callable[[], int],
        metrics: Metrics,
        greet: Callable[[ListenerIdentity, int], bytes],
        give_up: Callable[[Member], None],
    ) -> None:
        self._roster = roster
        self._tuning = tuning
        self._delivery = delivery
        self._clock_ns = clock_ns
        self._metrics = metrics
        self._skipped = metrics.packets_skipped.labels(TRANSPORT)
        self._greet = greet
        self._give_up = give_up
        self._behind: dict[Member, None] = {}

    def tend(self) -> None:
        """Bring recovered members up to date; give up the stalled."""
        for member in tuple(self._behind):
            if self._delivery.is_stalled(member):
                self.hold_up(member)
            else:
                self.catch_up(member)

    def forget(self, member: Member) -> None:
        """Let go of a member that left."""
        self._behind.pop(member, None)

    def fan_out(self, group: Group, parcel: Parcel, packet: ProgrammePacket) -> None:
        """Send *parcel*, of which *packet* is the last, to those who are due it."""
        for member in self._delivery.fan_out(group, parcel):
            if self._delivery.is_stalled(member):
                self._skipped.inc(parcel.packets)
                self.hold_up(member, newest=packet.index - 1)
            else:
                self.catch_up(member, newest=packet.index - 1)
                self._delivery.write(member, parcel)

    def send_tails(self, programme: Carried, packet: ProgrammePacket) -> None:
        """Send *packet* to those who left *programme* and still play so far."""
        programme.tails = [t for t in programme.tails if packet.capture_ns < t.until_ns]
        for tail in programme.tails:
            members = [
                m for m in tail.members if m.audio and not m.gone and not m.stale
            ]
            self._delivery.fan_out(Group(members), pack([packet]))

    def deliver(self, member: Member, parcel: Parcel) -> bool:
        """Write a control message; one that cannot be written makes *member* stale."""
        if self._delivery.is_stalled(member):
            self.hold_up(member)
            member.stale = True
            return False
        if member.behind:
            member.stale = True
            self.catch_up(member)
            return False
        self._delivery.write(member, parcel)
        return True

    def deliver_to_all(self, members: Sequence[Member], parcel: Parcel) -> set[Member]:
        """Write a control message to each; return those it was written to."""
        held_up = self._delivery.fan_out(Group(members), parcel)
        for member in held_up:
            self.deliver(member, parcel)
        return set(members).difference(held_up)

    def hold_up(self, member: Member, *, newest: int | None = None) -> None:
        """Note a stall; after ten seconds of it, end the connection.

        *newest* is the newest packet that *member* was sent or is not due yet.
        """
        now_ns = self._clock_ns()
        if not member.behind:
            programme = self._tuning.carried(member.ssrc)
            if newest is None:
                newest = programme.newest if programme else -1
            member.fall_behind(newest, now_ns=now_ns)
            self._behind[member] = None
            self._metrics.stalls.labels(TRANSPORT).inc()
        elif now_ns - member.stalled_ns >= STALL_LIMIT_NS:
            self._give_up(member)

    def catch_up(self, member: Member, *, newest: int | None = None) -> None:
        """Send a member that joins or recovers what it lacks and can still play."""
        identity = member.identity
        zone = self._roster.zone(identity.zone_id)
        parcel = NOTHING
        if member.stale:
            hello = self._greet(identity, member.listener.ptime_ms)
            parcel = Parcel(hello + settings(identity) + zone.control)
        if (programme := self._tuning.carried(zone.ssrc)) is not None:
            playable_ns = self._clock_ns() - identity.playout_delay_ms * 1_000_000
            parcel += programme.burst(
                member,
                since_ns=max(zone.from_ns, playable_ns) - PREROLL_NS,
                first=member.missing_index if member.ssrc == zone.ssrc else 0,
                newest=newest,
            )
        self._behind.pop(member, None)
        member.recover(zone.ssrc)
        self._delivery.write(member, parcel)
