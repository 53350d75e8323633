"""Writing to listeners, and telling a stalled link from one just written to.

uvloop keeps what `write` is given until the loop's iteration ends. So unsent bytes
mean a stalled link only if they are older than this iteration, here called a turn:
a member remembers the turn in which it was last written to, and none is written to
while it is stalled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from streamer.fanout.carried import Parcel
from streamer.fanout.member import Member
from streamer.metrics import Metrics

TRANSPORT = "websocket"

Defer: TypeAlias = Callable[[Callable[[], None]], object]
"Runs a callback in the loop's next iteration: ``loop.call_soon``."


class Delivery:
    """Writes parcels, counts them, knows the turn.

    Args:
        defer: Runs a callback once this turn's writes reached the kernel.
        metrics: Where it counts; once per turn, not per listener.
    """

    def __init__(self, *, defer: Defer, metrics: Metrics) -> None:
        self._defer = defer
        self._packets_sent = metrics.packets_sent.labels(TRANSPORT)
        self._turn = 0
        self._turn_is_open = False
        self._sent = 0
        self._after_flush: list[Callable[[], None]] = []

    def fan_out(self, members: Sequence[Member], parcel: Parcel) -> list[Member]:
        """Write *parcel* to *members*; return those that are or were stalled.

        The hot path: this loop runs 50 times a second over every listener.
        """
        self._open_turn()
        turn, data = self._turn, parcel.data
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
        self._sent += parcel.packets * (len(members) - len(held_up))
        return held_up

    def is_stalled(self, member: Member) -> bool:
        """Whether the link holds bytes written in an earlier turn."""
        return member.turn != self._turn and member.unsent() > 0

    def write(self, member: Member, parcel: Parcel) -> None:
        """Write *parcel* to a member that is not stalled."""
        if not parcel.data:
            return
        self._open_turn()
        try:
            member.write(parcel.data)
        except (OSError, RuntimeError):
            return  # as above
        member.turn = self._turn
        self._sent += parcel.packets

    def after_flush(self, callback: Callable[[], None]) -> None:
        """Call *callback* once what was written in this turn reached the kernel."""
        self._open_turn()
        self._after_flush.append(callback)

    def _open_turn(self) -> None:
        if not self._turn_is_open:
            self._turn_is_open = True
            self._defer(self._end_turn)

    def _end_turn(self) -> None:
        self._turn += 1
        self._turn_is_open = False
        self._packets_sent.inc(self._sent)
        self._sent = 0
        callbacks, self._after_flush = self._after_flush, []
        for callback in callbacks:
            callback()
