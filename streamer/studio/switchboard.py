"""Carries out what the arbiter decides: sources, the bus, the journal.

Nothing in here awaits, so each change is decided, published and written down before
anything else happens. What a step tells other programmes is obeyed with it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

from streamer.air.arbiter import Arbiter
from streamer.air.conduct import AirOrder, EndCause, OrderKind
from streamer.air.difference import SILENCE_REACH_NS, AirStep, AirSwitch
from streamer.air.priority import AirProgramme, Comeback
from streamer.bus.bus import AirChange, Bus, OnAir, Switch
from streamer.media.frame import ProgrammePacket
from streamer.metrics import Metrics
from streamer.programme.programme import ProgrammeEnd
from streamer.studio.airing import Airing
from streamer.studio.broadcast import End, Reason
from streamer.studio.journals import Journal
from streamer.studio.live import Live

MAX_EVENTS = 5_000
"Of a broadcast that is to be replayed; beyond it what was missed is not known."

_BEGINNING_ANEW = (Comeback.RESTART, Comeback.DROP)
_REASONS = {EndCause.DROPPED: Reason.DROPPED, EndCause.SKIPPED: Reason.SKIPPED}

logger = logging.getLogger(__name__)


class Switchboard:
    """The air as it is, and the only one that publishes; a `Ground`.

    Args:
        arbiter: Changed by this alone.
        bus: Where packets and changes of the air go.
        journal: Is told what happened.
        metrics: Where it counts.
        on_end: Is told of each broadcast that is over.
        clock_ns: The media clock.
    """

    def __init__(
        self,
        arbiter: Arbiter,
        *,
        bus: Bus,
        journal: Journal,
        metrics: Metrics,
        on_end: Callable[[Live], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.arbiter = arbiter
        self._bus = bus
        self._journal = journal
        self._metrics = metrics
        self._on_end = on_end
        self._clock_ns = clock_ns
        self._ssrcs: set[int] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self.live: dict[str, Live] = {}
        "On the air, heard or not, by id."

    def put(self, live: Live, programme: AirProgramme, *, at_ns: int) -> None:
        """Put a broadcast on the air; its `airing` is set.

        Raises:
            ProgrammeError: The arbiter refuses it; nothing was changed.
        """
        step = self.arbiter.add(programme, at_ns=at_ns)
        self.live[live.id] = live
        self._carry_out(step, accepted=live)

    def apply(self, step: AirStep, silent: tuple[str, ...] = ()) -> None:
        """Carry out a step of the arbiter.

        Args:
            step: What it answered.
            silent: Zones that were just silenced: also those that heard nothing are
                told, for their listeners may hold what has not sounded yet.
        """
        self._carry_out(step, silent=silent)

    def take_off(
        self, live: Live, reason: Reason, detail: str = "", *, at_ns: int | None = None
    ) -> None:
        """End a broadcast of which nothing more will be made."""
        end_ns = self._clock_ns() if at_ns is None else at_ns
        self._leave(live, end_ns, reason, detail)

    def close(self) -> None:
        """Expire nobody any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    # --- what airings tell: see `Ground` ------------------------------------------

    def packet(self, packet: ProgrammePacket) -> None:
        """Publish a packet."""
        self._metrics.frames_encoded.inc()
        self._bus.publish_packet(packet)

    def take_ended(self, ssrc: int) -> None:
        """Publish that no packet of a take follows."""
        self._ssrcs.discard(ssrc)
        self._bus.publish_air_change(AirChange(ended=(ssrc,)))

    def ended(self, live: Live, ssrc: int, end: ProgrammeEnd) -> None:
        """Take a broadcast off the air, after its last packet."""
        self._ssrcs.discard(ssrc)
        reason, detail = Reason(end.reason), end.detail
        if live.stopped_by is not None and reason is Reason.STOPPED:
            reason, detail = live.stopped_by, live.stop_detail or detail
        self._leave(live, end.end_ns, reason, detail, ended=(ssrc,))

    # --- steps --------------------------------------------------------------------

    def _leave(
        self,
        live: Live,
        end_ns: int,
        reason: Reason,
        detail: str,
        *,
        ended: tuple[int, ...] = (),
    ) -> None:
        step = self.arbiter.remove(live.id, at_ns=end_ns)
        self._carry_out(step, ended=ended)
        self._finish(live, end_ns, reason, detail)

    def _carry_out(
        self,
        step: AirStep,
        *,
        accepted: Live | None = None,
        ended: tuple[int, ...] = (),
        silent: tuple[str, ...] = (),
    ) -> None:
        self._remember(step)
        started, broken = self._obey(step)
        switches = [
            Switch(each.zone_ids, self._ssrc(each), step.at_ns - each.reach_ns)
            for each in step.switches
        ]
        if silent:
            switches.append(Switch(silent, None, step.at_ns - SILENCE_REACH_NS))
        self._bus.publish_air_change(AirChange(tuple(started), tuple(switches), ended))
        for on_air in started:
            self._airing(on_air.broadcast_id).begin()
        if accepted is not None:
            self._journal.started(accepted)
        self._journal.stepped(step)
        for order in step.orders:
            if order.cause is not None:
                self._finish(self.live[order.programme_id], step.at_ns, order.cause)
        self._arm()
        for live in broken:
            self._leave(live, step.at_ns, Reason.FAILED, "It could not be encoded.")

    def _obey(self, step: AirStep) -> tuple[list[OnAir], list[Live]]:
        """Let sources stand still and go; return what began, and what could not."""
        started: list[OnAir] = []
        broken: list[Live] = []
        for order in step.orders:
            self._metrics.air_orders.labels(order.kind.value).inc()
            live = self.live[order.programme_id]
            if order.kind is OrderKind.HOLD:
                unheard_ns = self._cut_by_silence_ns(step, live.id)
                self._airing(live.id).hold(
                    order.at_ns - unheard_ns,
                    restarts=live.request.comeback in _BEGINNING_ANEW,
                )
                live.held = True
            elif order.kind is OrderKind.GO:
                try:
                    started.append(self._go(live, order))
                except Exception:
                    logger.exception("a take of %s could not be made", live.id)
                    live.ssrc = None
                    broken.append(live)
        return started, broken

    def _go(self, live: Live, order: AirOrder) -> OnAir:
        while (ssrc := secrets.randbits(32)) in self._ssrcs:
            pass  # RFC 3550, section 8.1: random, and nobody else's
        on_air = self._airing(live.id).go(
            ssrc=ssrc, at_ns=order.at_ns, restart=order.restart
        )
        self._ssrcs.add(ssrc)
        live.ssrc, live.held = ssrc, False
        return on_air

    def _airing(self, broadcast_id: str) -> Airing:
        airing = self.live[broadcast_id].airing
        assert airing is not None, "it is there as long as the broadcast is on air"
        return airing

    def _ssrc(self, switch: AirSwitch) -> int | None:
        live = self.live.get(switch.programme_id or "")
        return None if live is None else live.ssrc

    def _cut_by_silence_ns(self, step: AirStep, programme_id: str) -> int:
        """Return how much of a programme that was silenced had not sounded yet.

        A silence cuts what listeners hold, and they hold as much as their zone's D.
        """
        zone_ids = (
            zone_id
            for event in step.events
            if event.programme_id == programme_id and event.silenced
            for zone_id in event.zone_ids
        )
        delay_ms = self.arbiter.tree.effective_playout_delay_ms
        # Of ten thousand zones a thousand tell.
        return min(map(delay_ms, islice(zone_ids, 1_000)), default=0) * 1_000_000

    def _finish(
        self, live: Live, at_ns: int, why: Reason | EndCause, detail: str = ""
    ) -> None:
        """Let go of a broadcast that the arbiter does not know any more."""
        del self.live[live.id]
        if live.limit is not None:
            live.limit.cancel()
        if live.airing is not None:
            live.airing.drop(at_ns)
        reason = _REASONS[why] if isinstance(why, EndCause) else why
        if live.interrupted and reason is not Reason.FAILED:
            reason, detail = Reason.INTERRUPTED, "The server was shut down."
        live.held = False
        live.end = End(datetime.now(UTC), reason, detail)
        live.ended.set()
        self._on_end(live)
        self._bus.publish_air_change(AirChange(over=(live.id,)))
        self._journal.ended(live)

    def _remember(self, step: AirStep) -> None:
        """Keep what happens to those of whom missed parts are to be replayed."""
        for event in step.events:
            live = self.live.get(event.programme_id)
            if live is not None and live.request.comeback is Comeback.REPLAY:
                live.events.append(event)
                del live.events[MAX_EVENTS:]

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        deadline_ns = self.arbiter.next_deadline_ns
        if deadline_ns is None:
            return
        # A millisecond more: the loop counts in them, and early is for nothing.
        wait_s = max(0, deadline_ns - self._clock_ns()) / 1e9 + 0.001
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(wait_s, self._expire)

    def _expire(self) -> None:
        self._carry_out(self.arbiter.expire(self._clock_ns()))
