"""What the as-run log says, as values, and what was on air according to it (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from streamer.store.chain import Link, canonical
from streamer.store.columns import us_of_utc, utc_of_us

UNREADABLE = "unreadable"
"A member that only events have which the log did not write as they stand."


class AsRunKind(StrEnum):
    """What happened; at most 16 characters."""

    SERVER_STARTED = "server_started"
    "The server began; what was on air before has ended in the events before it."
    ACCEPTED = "accepted"
    "Somebody's broadcast was taken; its zones are those it is aimed at."
    REFUSED = "refused"
    "Somebody's broadcast was not taken; the cause is the rule."
    MISSED = "missed"
    "A broadcast of the schedule, or a replay, was not on the air in time."
    STARTED = "started"
    "A broadcast is heard in zones where it was not heard before."
    PREEMPTED = "preempted"
    "It is not heard there now: another one is, or a silence holds."
    RESUMED = "resumed"
    "It is heard there again."
    CACHED = "cached"
    "Speakers played it by themselves; no server had it on the air."
    ENDED = "ended"
    "With zones: it is over there. Without: it is over, and the cause says why."
    HELD = "held"
    "Its source stands still until it is heard again."
    WENT_ON = "went_on"
    "Its source runs, from where it stood or from its beginning."
    REORDERED = "reordered"
    "An operator gave waiting broadcasts another order."
    SILENCED = "silenced"
    "An admin silenced zones."
    LIFTED = "lifted"
    "An admin lifted a silence."


@dataclass(frozen=True, slots=True, kw_only=True)
class AsRunEvent:
    """Something that happened, to be written."""

    at_utc: datetime
    "When it happened, not when it was written."
    kind: AsRunKind
    broadcast_id: str | None = None
    zone_ids: tuple[str, ...] = ()
    actor: str | None = None
    "Who did it: the id of a token, or the name of a part of the server."
    cause: str | None = None
    "Why: one word."
    detail: Mapping[str, Any] = field(default_factory=dict)
    "What else is to be known; text, integers, booleans, arrays, objects."


@dataclass(frozen=True, slots=True, kw_only=True)
class AsRunEntry:
    """An event as it stands in the log."""

    serial: int
    at_utc: datetime
    kind: str
    "One of `AsRunKind`, or of a later version."
    broadcast_id: str | None
    zone_ids: tuple[str, ...]
    actor: str | None
    cause: str | None
    detail: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AsRunFilter:
    """Which events one wants; what is None does not matter."""

    broadcast_id: str | None = None
    zone_id: str | None = None
    "Named by the event itself; events of a zone above do not count."
    kinds: frozenset[str] | None = None
    actor: str | None = None
    from_utc: datetime | None = None
    until_utc: datetime | None = None
    "Not any more."
    after_serial: int = 0
    before_serial: int | None = None
    zoneless: bool = False
    "Only events that name no zone, such as the end of a broadcast as a whole."


EVERYTHING = AsRunFilter()


class AsRunReplay:
    """Follows the log and knows which broadcast every zone hears.

    A whole log leads to what the arbiter decided: the log says all.
    """

    def __init__(self) -> None:
        self._heard: dict[str, dict[str, None]] = {}

    def take(self, event: AsRunEvent | AsRunEntry) -> None:
        """Go on by one event, in the order of the log."""
        broadcast_id, zones = event.broadcast_id, dict.fromkeys(event.zone_ids)
        if broadcast_id is None:
            return
        match event.kind:
            case AsRunKind.ACCEPTED:
                self._heard.setdefault(broadcast_id, {})
            case AsRunKind.STARTED | AsRunKind.RESUMED:
                self._heard.setdefault(broadcast_id, {}).update(zones)
            case AsRunKind.ENDED if not zones:
                self._heard.pop(broadcast_id, None)
            case AsRunKind.PREEMPTED | AsRunKind.ENDED:
                heard = self._heard.get(broadcast_id, {})
                for zone_id in zones:
                    heard.pop(zone_id, None)

    def on_air(self) -> dict[str, tuple[str, ...]]:
        """Return the broadcasts that are not over, each with the zones hearing it."""
        return {each: tuple(zones) for each, zones in self._heard.items()}

    def winners(self) -> dict[str, str]:
        """Return what each zone hears, as `Assignment.winners` does."""
        return {
            zone_id: broadcast_id
            for broadcast_id, zones in self._heard.items()
            for zone_id in zones
        }


def entry_of(link: Link) -> AsRunEntry:
    """Return what *link* says.

    Of one that was tampered with so that it cannot be read, the instant, the zones
    and the detail are left out, and the detail says `unreadable`: a page of the log
    and the start of a server must not fail because of it.
    """
    try:
        at_utc = utc_of_us(link.at_utc_us)
        zone_ids, detail = json.loads(link.zone_ids), json.loads(link.detail)
        if not isinstance(zone_ids, list) or not isinstance(detail, dict):
            raise TypeError("neither zones nor a detail")
    except (ValueError, TypeError, OverflowError, RecursionError):
        at_utc, zone_ids, detail = utc_of_us(0), [], {UNREADABLE: True}
    return AsRunEntry(
        serial=link.serial,
        at_utc=at_utc,
        kind=link.kind,
        broadcast_id=link.broadcast_id,
        zone_ids=tuple(map(str, zone_ids)),
        actor=link.actor,
        cause=link.cause,
        detail=detail,
        previous_hash=link.previous_hash,
        hash=link.hash,
    )


def members_of(event: AsRunEvent) -> dict[str, Any]:
    """Return the members of `Link` that say what happened.

    Raises:
        ValueError: They hold something else than `canonical` takes.
    """
    return {
        "at_utc_us": us_of_utc(event.at_utc),
        "kind": event.kind.value,
        "broadcast_id": event.broadcast_id,
        "zone_ids": canonical(list(event.zone_ids)),
        "actor": event.actor,
        "cause": event.cause,
        "detail": canonical(dict(event.detail)),
    }
