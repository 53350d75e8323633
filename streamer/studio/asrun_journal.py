"""What happens on the air, put into the words of the as-run log (pure).

The journal calls these at the very places where it writes to the other tables, and
appends what they return, in that order. The log then tells all: read back by
`AsRunReplay` it leads to what the arbiter decided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamer.air.conduct import AirOrder, OrderKind
from streamer.air.difference import AirEvent, AirEventKind, AirStep
from streamer.store.asrunevents import AsRunEntry, AsRunEvent, AsRunKind

_OF_EVENT = {
    AirEventKind.STARTED: AsRunKind.STARTED,
    AirEventKind.PREEMPTED: AsRunKind.PREEMPTED,
    AirEventKind.RESUMED: AsRunKind.RESUMED,
    AirEventKind.ENDED: AsRunKind.ENDED,
}
_OF_ORDER = {OrderKind.HOLD: AsRunKind.HELD, OrderKind.GO: AsRunKind.WENT_ON}

CAUSE_BROADCAST = "broadcast"
"Of what was preempted: another broadcast took the zones; the detail's `by` names it."
CAUSE_SILENCE = "silence"
CAUSE_INTERRUPTED = "interrupted"
"The server died."


@dataclass(frozen=True, slots=True, kw_only=True)
class Airing:
    """What the log tells of a broadcast when it is taken or refused."""

    title: str
    programme_class: str
    origin: str
    source_kind: str
    source_detail: str
    zone_ids: tuple[str, ...]
    "What it is aimed at."
    actor: str
    "Id of the token, or the name of a part of the server: `schedule`, `replay`."
    actor_name: str
    "For people, and for the time when the token is gone."

    def detail(self) -> dict[str, Any]:
        """Return what has no column of its own."""
        return {
            "title": self.title,
            "class": self.programme_class,
            "origin": self.origin,
            "source_kind": self.source_kind,
            "source_detail": self.source_detail,
            "actor_name": self.actor_name,
        }


def accepted(
    broadcast_id: str,
    airing: Airing,
    *,
    at_utc: datetime,
    cause: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> AsRunEvent:
    """Return that a broadcast was taken; before the step that puts it on the air.

    Args:
        broadcast_id: Its id.
        airing: What it is.
        at_utc: When.
        cause: Why, if nobody asked for it just now: `schedule`, `replay`.
        more: Further members of the detail, such as the id of the schedule's entry.
    """
    return AsRunEvent(
        at_utc=at_utc,
        kind=AsRunKind.ACCEPTED,
        broadcast_id=broadcast_id,
        zone_ids=airing.zone_ids,
        actor=airing.actor,
        cause=cause,
        detail=airing.detail() | dict(more or {}),
    )


def refused(
    airing: Airing,
    *,
    at_utc: datetime,
    rule: str,
    more: Mapping[str, Any] | None = None,
) -> AsRunEvent:
    """Return that a broadcast was not taken, by which rule, and what else was said."""
    return AsRunEvent(
        at_utc=at_utc,
        kind=AsRunKind.REFUSED,
        zone_ids=airing.zone_ids,
        actor=airing.actor,
        cause=rule,
        detail=airing.detail() | dict(more or {}),
    )


def missed(
    airing: Airing,
    *,
    at_utc: datetime,
    cause: str,
    more: Mapping[str, Any] | None = None,
) -> AsRunEvent:
    """Return that the schedule could not start a broadcast in time, and why."""
    return AsRunEvent(
        at_utc=at_utc,
        kind=AsRunKind.MISSED,
        zone_ids=airing.zone_ids,
        actor=airing.actor,
        cause=cause,
        detail=airing.detail() | dict(more or {}),
    )


def stepped(
    step: AirStep, *, at_utc: datetime, actor: str | None = None
) -> list[AsRunEvent]:
    """Return what a step of the air was, zone by zone, and what sources did.

    Args:
        step: As the arbiter gave it.
        at_utc: The wall time of the step's instant.
        actor: Who caused it, where that is known.
    """
    found = [_of_event(each, at_utc, actor) for each in step.events]
    found += [
        _of_order(each, at_utc, actor) for each in step.orders if each.kind in _OF_ORDER
    ]
    return found


def ended(
    broadcast_id: str,
    *,
    at_utc: datetime,
    reason: str,
    detail: str = "",
    actor: str | None = None,
) -> AsRunEvent:
    """Return that a broadcast is over as a whole; after the step that took it off.

    Args:
        broadcast_id: Its id.
        at_utc: When.
        reason: A word: completed, stopped, failed, interrupted, dropped, skipped.
        detail: More of it, for people.
        actor: Who stopped it.
    """
    return AsRunEvent(
        at_utc=at_utc,
        kind=AsRunKind.ENDED,
        broadcast_id=broadcast_id,
        actor=actor,
        cause=reason,
        detail={"reason": detail} if detail else {},
    )


def silenced(
    zone_ids: Collection[str], *, at_utc: datetime, actor: str, reason: str
) -> AsRunEvent:
    """Return that zones, and all below them, were silenced; before the step."""
    return AsRunEvent(
        at_utc=at_utc,
        kind=AsRunKind.SILENCED,
        zone_ids=tuple(sorted(zone_ids)),
        actor=actor,
        detail={"reason": reason},
    )


def lifted(zone_ids: Collection[str], *, at_utc: datetime, actor: str) -> AsRunEvent:
    """Return that silences were lifted; before the step."""
    return AsRunEvent(
        at_utc=at_utc,
        kind=AsRunKind.LIFTED,
        zone_ids=tuple(sorted(zone_ids)),
        actor=actor,
    )


def reordered(
    broadcast_ids: Sequence[str], *, at_utc: datetime, actor: str
) -> AsRunEvent:
    """Return that an operator put waiting broadcasts in this order."""
    return AsRunEvent(
        at_utc=at_utc,
        kind=AsRunKind.REORDERED,
        actor=actor,
        detail={"order": list(broadcast_ids)},
    )


def server_started(
    unfinished: Mapping[str, Sequence[str]],
    *,
    ended_utc: Mapping[str, datetime],
    now_utc: datetime,
    version: str,
) -> list[AsRunEvent]:
    """Return what to append, in one go, before anything is on the air.

    Nothing that was on the air when a server died is forgotten: each broadcast ends
    in its zones and as a whole, as interrupted, at the last instant known of it.

    Args:
        unfinished: What `AsRunLog.unfinished` found.
        ended_utc: When each ended, by what else is known: `close_interrupted`.
        now_utc: Now; also the end of those of which nothing else is known.
        version: Of the server.
    """
    found: list[AsRunEvent] = []
    for broadcast_id, zone_ids in unfinished.items():
        at_utc = min(now_utc, ended_utc.get(broadcast_id, now_utc))
        if zone_ids:
            found.append(
                AsRunEvent(
                    at_utc=at_utc,
                    kind=AsRunKind.ENDED,
                    broadcast_id=broadcast_id,
                    zone_ids=tuple(zone_ids),
                    cause=CAUSE_INTERRUPTED,
                )
            )
        found.append(ended(broadcast_id, at_utc=at_utc, reason=CAUSE_INTERRUPTED))
    started = AsRunEvent(
        at_utc=now_utc, kind=AsRunKind.SERVER_STARTED, detail={"version": version}
    )
    return [*found, started]


def source_turns(
    events: Iterable[AsRunEntry],
) -> list[tuple[datetime, bool]]:
    """Return when a broadcast's source began to run (True) and stood still (False).

    Args:
        events: Of one broadcast, in the order of the log.
    """
    runs = {AsRunKind.WENT_ON.value: True, AsRunKind.HELD.value: False}
    return [(each.at_utc, runs[each.kind]) for each in events if each.kind in runs]


def _of_event(event: AirEvent, at_utc: datetime, actor: str | None) -> AsRunEvent:
    cause = event.cause.value if event.cause else None
    if event.kind is AirEventKind.PREEMPTED:
        cause = CAUSE_SILENCE if event.by is None else CAUSE_BROADCAST
    return AsRunEvent(
        at_utc=at_utc,
        kind=_OF_EVENT[event.kind],
        broadcast_id=event.programme_id,
        zone_ids=event.zone_ids,
        actor=actor,
        cause=cause,
        detail={"by": event.by} if event.by else {},
    )


def _of_order(order: AirOrder, at_utc: datetime, actor: str | None) -> AsRunEvent:
    return AsRunEvent(
        at_utc=at_utc,
        kind=_OF_ORDER[order.kind],
        broadcast_id=order.programme_id,
        actor=actor,
        detail={"restart": True} if order.restart else {},
    )
