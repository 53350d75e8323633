"""Handing bytes to listeners, and telling a stalled link from one just written to.

With a `Ring` the sockets of a whole group are handed a parcel by one system call.
That may only be done to a socket whose transport holds nothing, or bytes would overtake
each other. So whatever may have been queued in a transport is noted, and such a member
is written to by its transport until that is seen to hold nothing.

uvloop keeps what a transport's `write` is given until the loop's iteration ends. So
unsent bytes mean a stalled link only if they are older than this iteration, here called
a turn: a member remembers the turn in which its transport was last written to, and none
is written to while it is stalled.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from streamer.fanout.carried import Parcel
from streamer.fanout.group import Group
from streamer.fanout.member import Member
from streamer.fanout.uring import Results
from streamer.metrics import Metrics

TRANSPORT = "websocket"

Defer: TypeAlias = Callable[[Callable[[], None]], object]
"Runs a callback in the loop's next iteration: ``loop.call_soon``."


class Ring(Protocol):
    """Hands bytes to many sockets at once; `streamer.fanout.uring.SendRing` does."""

    def send(self, descriptors: npt.NDArray[np.int32], data: bytes) -> Results:
        """Return, per socket, the bytes taken or a negative errno; never wait."""
        ...


class Delivery:
    """Writes parcels, counts them, knows the turn.

    Args:
        defer: Runs a callback once this turn's writes reached the kernel.
        metrics: Where it counts; once per turn, not per listener.
        ring: Sends to many sockets at once; None where the kernel has none.
    """

    def __init__(
        self, *, defer: Defer, metrics: Metrics, ring: Ring | None = None
    ) -> None:
        self._defer = defer
        self._packets_sent = metrics.packets_sent.labels(TRANSPORT)
        self._ring = ring
        self._turn = 0
        self._turn_is_open = False
        self._sent = 0
        self._after_flush: list[Callable[[], None]] = []
        self._queued: set[Member] = set()  # whose transport may hold bytes

    def fan_out(self, group: Group, parcel: Parcel) -> list[Member]:
        """Hand *parcel* to *group*; return those that are or were stalled."""
        self._open_turn()
        if self._ring is None:
            held_up = self._write_each(group.members, parcel.data)
        else:
            held_up = self._send_at_once(self._ring, group, parcel.data)
        self._sent += parcel.packets * (len(group) - len(held_up))
        return held_up

    def is_stalled(self, member: Member) -> bool:
        """Whether the link holds bytes written in an earlier turn."""
        return member.turn != self._turn and member.unsent() > 0

    def write(self, member: Member, parcel: Parcel) -> None:
        """Write *parcel* to a member that is not stalled."""
        if not parcel.data:
            return
        self._open_turn()
        self._write(member, parcel.data)
        self._sent += parcel.packets

    def note_queued(self, member: Member) -> None:
        """Note that somebody else may have written to the member's transport."""
        if self._ring is not None:
            self._open_turn()
            self._queued.add(member)

    def forget(self, member: Member) -> None:
        """Let go of a member that left."""
        self._queued.discard(member)

    def after_flush(self, callback: Callable[[], None]) -> None:
        """Call *callback* once what was written in this turn reached the kernel."""
        self._open_turn()
        self._after_flush.append(callback)

    def _send_at_once(self, ring: Ring, group: Group, data: bytes) -> list[Member]:
        """The hot path: 50 times a second over every listener."""
        reachable, descriptors = group.reachable, group.descriptors
        careful = [each for each in self._queued if each in group.rows]
        if careful:
            left_out = [group.rows[each] for each in careful]
            descriptors = np.delete(descriptors, left_out)
        results = ring.send(descriptors, data)
        if np.any(results != len(data)):
            if careful:
                reachable = [each for each in reachable if each not in self._queued]
            self._finish(reachable, results, data)
        return self._write_each([*careful, *group.others], data)

    def _finish(self, members: list[Member], results: Results, data: bytes) -> None:
        """Queue what the kernel did not take; a broken link's connection tells it."""
        for row in np.flatnonzero(results != len(data)):
            taken = int(results[row])
            if taken >= 0 or taken == -errno.EAGAIN:
                self._write(members[row], data[max(taken, 0) :])

    def _write_each(self, members: Iterable[Member], data: bytes) -> list[Member]:
        """Write to transports; where there is no ring this is the hot path."""
        turn = self._turn
        held_up: list[Member] = []
        for member in members:
            if (member.unsent() and member.turn != turn) or member.behind:
                held_up.append(member)
                continue
            try:
                member.write(data)
            except (OSError, RuntimeError):
                continue  # it broke; its connection tells the hub
            member.turn = turn
        return held_up

    def _write(self, member: Member, data: bytes) -> None:
        self._queued.add(member)
        try:
            member.write(data)
        except (OSError, RuntimeError):
            return  # as above
        member.turn = self._turn

    def _open_turn(self) -> None:
        if not self._turn_is_open:
            self._turn_is_open = True
            self._defer(self._end_turn)

    def _end_turn(self) -> None:
        self._turn += 1
        self._turn_is_open = False
        self._packets_sent.inc(self._sent)
        self._sent = 0
        self._queued = {each for each in self._queued if each.unsent() or each.behind}
        callbacks, self._after_flush = self._after_flush, []
        for callback in callbacks:
            callback()
