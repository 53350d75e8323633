"""Who gets which bytes: the WebSocket fan-out without its sockets (README.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from streamer.bus.bus import AirChange, OnAir, Switch
from streamer.fanout import endings
from streamer.fanout.announce import NOBODY, Host, announcement, settings, welcome
from streamer.fanout.carried import NOTHING, Carried, Parcel, Tail
from streamer.fanout.delivery import TRANSPORT, Defer, Delivery, Ring
from streamer.fanout.endings import Ending
from streamer.fanout.group import Group
from streamer.fanout.listener import Listener, ListenerIdentity
from streamer.fanout.member import Member, playable_since_ns
from streamer.fanout.roster import SIZES, Roster
from streamer.fanout.supply import PREROLL_NS, Supply
from streamer.fanout.tuning import Tuning
from streamer.media.frame import ProgrammePacket
from streamer.metrics import Metrics
from streamer.wire.control import ProgrammeClass

REPLACED_AFTER_NS = 5_000_000_000  # make before break: the two overlap this long
_CUTS_IN = (ProgrammeClass.PRIORITY, ProgrammeClass.EMERGENCY)


class Hub:
    """Sends each packet to the listeners whose zone hears it; a bus `Subscriber`.

    Call everything on the event loop, and :meth:`tend` about every second.

    Args:
        clock_ns: The server's media clock.
        defer: ``loop.call_soon``: runs a callback in the loop's next iteration.
        metrics: Where it counts.
        host: What listeners are told of the server.
        ring: Sends to many sockets at once; None: one by one. The caller closes it.
    """

    def __init__(
        self,
        *,
        clock_ns: Callable[[], int],
        defer: Defer,
        metrics: Metrics,
        host: Host = NOBODY,
        ring: Ring | None = None,
    ) -> None:
        self._host = host
        self._clock_ns = clock_ns
        self._metrics = metrics
        self._delivery = Delivery(defer=defer, metrics=metrics, ring=ring)
        self._roster = Roster()
        self._tuning = Tuning(self._roster)
        self._supply = Supply(
            self._roster,
            self._tuning,
            self._delivery,
            clock_ns=clock_ns,
            metrics=metrics,
            greet=self._greet,
            give_up=partial(self._end, ending=endings.STALLED),
        )
        self._replaced: deque[tuple[int, Member]] = deque()

    def __len__(self) -> int:
        return len(self._roster)

    def listeners_by_zone(self) -> Mapping[str, int]:
        """Return how many speakers listen, by zone; empty zones are left out."""
        return self._roster.speakers_by_zone()

    def has_speaker(self, speaker_id: str) -> bool:
        """Return whether a speaker is connected."""
        return bool(self._roster.of_speaker(speaker_id))

    def identity_of(self, listener: Listener) -> ListenerIdentity:
        """Return what holds of *listener* now, or held when it joined if it left."""
        member = self._roster.get(listener)
        return listener.identity if member is None else member.identity

    def programmes_by_class(self) -> Mapping[str, int]:
        """Return how many programmes are on air, by class."""
        return self._tuning.by_class()

    def add(self, listener: Listener) -> None:
        """Admit *listener*: greet it, and send what it needs to sound at once."""
        older = self._roster.of_speaker(listener.identity.speaker_id)
        deadline_ns = self._clock_ns() + REPLACED_AFTER_NS
        self._replaced.extend((deadline_ns, member) for member in older[-1:])
        for member in older[:-1]:
            self._end(member, endings.REPLACED)
        member = self._roster.admit(listener)
        self._tuning.regroup(member.identity.zone_id)
        self._supply.catch_up(member)

    def remove(self, listener: Listener) -> None:
        """Forget *listener*: nothing is written to it any more; idempotent."""
        if (member := self._roster.dismiss(listener)) is not None:
            self._tuning.regroup(member.identity.zone_id)
            self._supply.forget(member)
            self._delivery.forget(member)

    def queued(self, listener: Listener) -> None:
        """Note that *listener*'s transport may hold what the hub did not write."""
        if (member := self._roster.get(listener)) is not None:
            self._delivery.note_queued(member)

    def update(self, identity: ListenerIdentity) -> None:
        """Apply a speaker's new zone, volume or delay to its connections."""
        for member in self._roster.of_speaker(identity.speaker_id):
            before = member.identity
            self._roster.amend(member, identity)
            if settings(identity) != settings(before):
                self._supply.deliver(member, Parcel(settings(identity)))
            if identity.zone_id != before.zone_id:
                self._move(member, before.zone_id)

    def set_audio(self, listener: Listener, *, enabled: bool) -> None:
        """Send *listener* control messages alone, or packets again as if it joined."""
        member = self._roster.get(listener)
        if member is None or member.audio is enabled:
            return
        member.audio, member.ssrc = enabled, None  # it lacks all that is heard
        self._tuning.regroup(member.identity.zone_id)
        supply = self._supply
        stalled = self._delivery.is_stalled(member)
        bring = supply.hold_up if stalled else supply.catch_up
        bring(member)

    def tell(self, zone_ids: Iterable[str], control: bytes) -> None:
        """Send a control message to those who listen in these very zones.

        One whose link is stalled does not get it: say nothing that must arrive.
        """
        for zone_id in zone_ids:
            members = [m for m in self._roster.zone(zone_id).members if not m.behind]
            self._delivery.fan_out(Group(members), Parcel(control))

    def revoke(self, speaker_id: str) -> None:
        """Close the connections of a speaker that may no longer listen."""
        for member in self._roster.of_speaker(speaker_id):
            self._end(member, endings.REVOKED)

    def reply(self, listener: Listener, frames: bytes) -> bool:
        """Write an answer to *listener*, unless it left or its link is stalled."""
        member = self._roster.get(listener)
        if member is None or self._delivery.is_stalled(member):
            return False
        self._delivery.write(member, Parcel(frames))
        return True

    def tend(self) -> None:
        """Bring recovered listeners up to date; close the stalled and replaced."""
        now_ns = self._clock_ns()
        self._supply.tend()
        while self._replaced and self._replaced[0][0] <= now_ns:
            member = self._replaced.popleft()[1]
            # Unless the newer one has gone meanwhile: then there is no other box.
            if self._roster.of_speaker(member.identity.speaker_id)[-1:] != (member,):
                self._end(member, endings.REPLACED)

    def on_packet(self, packet: ProgrammePacket) -> None:
        """Send *packet*, alone or bundled, to those who are due it."""
        programme = self._tuning.carried(packet.ssrc)
        if programme is None:
            self._metrics.packets_dropped.labels(TRANSPORT, "unknown_programme").inc()
            return
        programme.append(packet)
        groups = self._tuning.groups(programme)
        for size in SIZES:
            group = groups.get((size, (packet.index + 1) % size))
            if group is not None:
                self._supply.fan_out(group, programme.bundle(size), packet)
        if programme.tails:
            self._supply.send_tails(programme, packet)
        if programme.watched and all(size <= packet.index + 1 for size, _ in groups):
            programme.watched = False
            self._delivery.after_flush(partial(self._observe, programme.on_air))

    def on_air_change(self, change: AirChange) -> None:
        """Tell listeners what they hear from now on."""
        cutting_in = {s.ssrc for s in change.switches if self._tuning.interrupts(s)}
        for on_air in change.started:
            programme = self._tuning.start(on_air)
            programme.watched = (
                on_air.ssrc in cutting_in or on_air.programme_class in _CUTS_IN
            )
        for switch in change.switches:
            self._switch(switch)
        for ssrc in change.ended:
            ended = self._tuning.carried(ssrc)
            if ended is not None and ended.zone_ids:
                self._switch(Switch(tuple(ended.zone_ids), None, ended.end_ns))
            self._tuning.end(ssrc)

    def _switch(self, switch: Switch) -> None:
        new = self._tuning.carried(switch.ssrc)
        control = announcement(new.on_air if new else None, from_ns=switch.from_ns)
        for ssrc, members in self._tuning.retune(switch, control).items():
            old = self._tuning.carried(ssrc)
            self._transfer(members, (old, new), control, from_ns=switch.from_ns)

    def _transfer(
        self,
        members: Sequence[Member],
        programmes: tuple[Carried | None, Carried | None],
        control: bytes,
        *,
        from_ns: int,
    ) -> None:
        """Take *members* from the former of *programmes* to the latter, at *from_ns*.

        One write per member: what is left of the old programme, the announcement,
        and the new one's pre-roll; the same bytes for all of one size and phase.
        """
        old, new = programmes
        # What is long past is asked for to silence at once: there is nothing to play.
        since_ns = max(from_ns, playable_since_ns(members, now_ns=self._clock_ns()))
        self._tuning.cut_tails(members, from_ns)
        alike: dict[tuple[int, int, bool], list[Member]] = {}
        for member in members:
            key = member.size, member.phase, member.audio
            alike.setdefault(key, []).append(member)
        moved: list[Member] = []
        for group in alike.values():
            before = old.remainder(group[0], before_ns=from_ns) if old else NOTHING
            after = (
                new.burst(group[0], since_ns=since_ns - PREROLL_NS) if new else NOTHING
            )
            moved += self._supply.deliver_to_all(
                group, before + Parcel(control) + after
            )
        for member in moved:
            member.ssrc = new.on_air.ssrc if new else None
        if new is not None:
            new.drop_tails(members)
        if old is not None and old.end_ns < from_ns:
            # Its source is slower than the new one's: this much is still to come.
            old.tails.append(Tail(from_ns, moved))

    def _move(self, member: Member, old_zone_id: str) -> None:
        """Let *member* hear what its new zone hears, from now on."""
        identity = member.identity
        old = self._tuning.heard_in(old_zone_id)
        new = self._tuning.heard_in(identity.zone_id)
        self._tuning.regroup(old_zone_id)
        self._tuning.regroup(identity.zone_id)
        control = self._greet(identity, member.listener.ptime_ms)
        if old is new:
            self._supply.deliver(member, Parcel(control))
            return
        # A zone that hears nothing may have been silenced: what is held is cut.
        zone = self._roster.zone(identity.zone_id)
        from_ns = self._clock_ns() if new else zone.from_ns
        control += announcement(new.on_air if new else None, from_ns=from_ns)
        self._transfer([member], (old, new), control, from_ns=from_ns)

    def _greet(self, identity: ListenerIdentity, ptime_ms: int) -> bytes:
        return welcome(identity, ptime_ms=ptime_ms, host=self._host)

    def _end(self, member: Member, ending: Ending) -> None:
        if not member.gone:
            self.remove(member.listener)
            member.listener.close(ending)

    def _observe(self, on_air: OnAir) -> None:
        if on_air.accepted_ns is not None:
            latency_ns = self._clock_ns() - on_air.accepted_ns
            self._metrics.preempt_latency.labels(
                TRANSPORT, str(on_air.programme_class)
            ).observe(latency_ns / 1e9)
