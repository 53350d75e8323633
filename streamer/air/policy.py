"""What a zone allows: when, how long, and who may use which class (pure).

Source: issue C, rule 6; MISSION, "Rules of the air". A broadcast must be allowed by
the policies of all zones that it touches: those it is aimed at, all above them and
all below them. So a commune cannot allow what its province forbids, and aiming at
the province is no way around the quiet hours of a hospital's cluster.

Emergencies are exempt from everything that speaks of time. Who may call one is
limited only where a policy names that class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from streamer.air.walltime import DEFAULT_TIME_ZONE, local_time, time_zone
from streamer.air.window import (
    DAYS_AHEAD,
    MINUTES_A_DAY,
    Span,
    Window,
    open_spans,
    without,
)
from streamer.air.zones import ZoneTree
from streamer.wire.control import ProgrammeClass

MAX_WINDOWS = 64
"Of each kind in one policy."

_A_DAY = timedelta(days=1)
_ALWAYS = Window(frozenset(range(7)), 0, MINUTES_A_DAY)


class PolicyRule(StrEnum):
    """Which rule refuses or limits a broadcast."""

    ROLES = "roles"
    LONGEST = "longest"
    SLOTS = "slots"
    QUIET_HOURS = "quiet_hours"


@dataclass(frozen=True, slots=True)
class ClassRoles:
    """Who may use a class; those who are not named may not."""

    programme_class: ProgrammeClass
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class ZonePolicy:
    """What one zone's people have set for it and all below it.

    Raises:
        ValueError: There is no such time zone, the longest broadcast has no length,
            a class is there twice, or there are too many windows.
    """

    slots: tuple[Window, ...] = ()
    "Broadcasts are allowed within these only; without any, always."
    quiet_hours: tuple[Window, ...] = ()
    "Never within these."
    longest_s: int | None = None
    roles: tuple[ClassRoles, ...] = ()
    "A class that is not named may be used by all who may broadcast."
    time_zone: str = DEFAULT_TIME_ZONE
    "Of slots and quiet hours."

    def __post_init__(self) -> None:
        time_zone(self.time_zone)
        if self.longest_s is not None and self.longest_s < 1:
            raise ValueError("the longest broadcast lasts at least a second")
        if max(len(self.slots), len(self.quiet_hours)) > MAX_WINDOWS:
            raise ValueError(f"a policy has at most {MAX_WINDOWS} windows of a kind")
        if len({each.programme_class for each in self.roles}) < len(self.roles):
            raise ValueError("a class is named twice")

    def lets_in(self, role: str, programme_class: ProgrammeClass) -> bool:
        """Return whether *role* may use *programme_class*."""
        named = (r for r in self.roles if r.programme_class is programme_class)
        return all(role in each.roles for each in named)

    def open_spans(self, at_utc: datetime) -> tuple[Span, ...]:
        """Return when broadcasts are allowed, from *at_utc* on for a week or more."""
        zone = time_zone(self.time_zone)
        return _open_spans(self, local_time(at_utc, zone).date())

    def closed_by(self, at_utc: datetime) -> PolicyRule:
        """Return which rule of time does not allow a broadcast at *at_utc*."""
        zone = time_zone(self.time_zone)
        today = local_time(at_utc, zone).date()
        quiet = open_spans(self.quiet_hours, today, zone)
        is_quiet = any(begin <= at_utc < end for begin, end in quiet)
        return PolicyRule.QUIET_HOURS if is_quiet else PolicyRule.SLOTS


# The same all day, and asked for at each start: 1 ms each time would add up.
@lru_cache(maxsize=1024)
def _open_spans(policy: ZonePolicy, today: date) -> tuple[Span, ...]:
    zone = time_zone(policy.time_zone)
    slots = policy.slots or (_ALWAYS,)
    quiet = open_spans(policy.quiet_hours, today, zone)
    return tuple(without(open_spans(slots, today, zone), quiet))


@dataclass(frozen=True, slots=True)
class Wish:
    """A broadcast that somebody would like to start."""

    zone_ids: tuple[str, ...]
    programme_class: ProgrammeClass
    role: str
    "Of who asks."
    at_utc: datetime
    duration_s: int | None = None
    "None when nobody knows, as with a microphone."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a broadcast is not allowed, and when it would be."""

    rule: PolicyRule
    zone_id: str
    "Whose policy it is; that zone is aimed at, or stands above or below."
    allowed_from_utc: datetime | None
    """The first instant at which all zones allow it; None when no waiting helps."""
    detail: str
    "For a person."


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a broadcast may last, and who says so."""

    limit_s: int
    rule: PolicyRule
    zone_id: str


def check(
    policies: Mapping[str, ZonePolicy], tree: ZoneTree, wish: Wish
) -> Refusal | None:
    """Return why *wish* is refused, or None when it is allowed.

    Args:
        policies: By zone; zones without one inherit and add nothing.
        tree: The zones as they are.
        wish: What is asked for.

    Raises:
        UnknownZoneError: It aims at a zone that is not there.
    """
    touching = _touching(policies, tree, wish.zone_ids)
    for zone_id, policy in touching:
        refusal = _for_good(zone_id, policy, wish)
        if refusal is not None:
            return refusal
    if wish.programme_class is ProgrammeClass.EMERGENCY:
        return None
    return _by_time(touching, wish)


def limit(
    policies: Mapping[str, ZonePolicy], tree: ZoneTree, wish: Wish
) -> Limit | None:
    """Return how long a broadcast may last that starts as *wish* says, if limited.

    It ends at the longest allowed duration, when a slot ends or when quiet hours
    begin, whichever is first; the strictest zone counts. Emergencies have no limit.

    Raises:
        UnknownZoneError: It aims at a zone that is not there.
    """
    if wish.programme_class is ProgrammeClass.EMERGENCY:
        return None
    found = [
        each
        for zone_id, policy in _touching(policies, tree, wish.zone_ids)
        for each in _limits(zone_id, policy, wish.at_utc)
    ]
    return min(found, key=lambda each: each.limit_s, default=None)


def limit_s(
    policies: Mapping[str, ZonePolicy], tree: ZoneTree, wish: Wish
) -> int | None:
    """Return `limit` as seconds, or None when nothing limits it."""
    found = limit(policies, tree, wish)
    return found.limit_s if found else None


def _touching(
    policies: Mapping[str, ZonePolicy], tree: ZoneTree, zone_ids: Sequence[str]
) -> list[tuple[str, ZonePolicy]]:
    """Return the policies of the zones touched, the tree's order; equal ones once."""
    # As a set of numbers: naming ten thousand zones would hold up the loop.
    below = tree.cover(zone_ids)
    above = {each for zone_id in zone_ids for each in tree.ancestors(zone_id)}
    reached = (
        each
        for each in policies
        if each in tree and (each in above or below >> tree.number(each) & 1)
    )
    named = sorted(reached, key=tree.number)
    first: dict[ZonePolicy, str] = {}
    for zone_id in named:
        first.setdefault(policies[zone_id], zone_id)
    return [(zone_id, policy) for policy, zone_id in first.items()]


def _for_good(zone_id: str, policy: ZonePolicy, wish: Wish) -> Refusal | None:
    """Return the refusal that no waiting mends."""
    if not policy.lets_in(wish.role, wish.programme_class):
        detail = (
            f"In zone {zone_id!r} a {wish.role} may not use the class"
            f" {wish.programme_class.value}."
        )
        return Refusal(PolicyRule.ROLES, zone_id, None, detail)
    exempt = wish.programme_class is ProgrammeClass.EMERGENCY
    longest_s, duration_s = policy.longest_s, wish.duration_s
    if not exempt and longest_s is not None and (duration_s or 0) > longest_s:
        detail = (
            f"In zone {zone_id!r} a broadcast lasts {longest_s} s at most;"
            f" this one lasts {duration_s} s."
        )
        return Refusal(PolicyRule.LONGEST, zone_id, None, detail)
    return None


def _by_time(touching: Sequence[tuple[str, ZonePolicy]], wish: Wish) -> Refusal | None:
    spans = [policy.open_spans(wish.at_utc) for _, policy in touching]
    for (zone_id, policy), open_ in zip(touching, spans, strict=True):
        if not any(begin <= wish.at_utc < end for begin, end in open_):
            rule = policy.closed_by(wish.at_utc)
            allowed_from_utc = _first_common(spans, wish.at_utc)
            detail = _said(rule, zone_id, policy, allowed_from_utc)
            return Refusal(rule, zone_id, allowed_from_utc, detail)
    return None


def _first_common(spans: Sequence[Sequence[Span]], at_utc: datetime) -> datetime | None:
    """Return the first instant from *at_utc* on that is within a span of each list."""
    end_utc = _end(at_utc)
    while at_utc < end_utc:
        before_utc = at_utc
        for each in spans:
            later = (max(begin, at_utc) for begin, end in each if end > at_utc)
            at_utc = next(later, end_utc)
        if at_utc == before_utc:
            return at_utc
    return None


def _limits(zone_id: str, policy: ZonePolicy, at_utc: datetime) -> Iterator[Limit]:
    if policy.longest_s is not None:
        yield Limit(policy.longest_s, PolicyRule.LONGEST, zone_id)
    for begin, end in policy.open_spans(at_utc):
        if begin <= at_utc < end < _end(at_utc):
            left_s = (end - at_utc) // timedelta(seconds=1)
            yield Limit(left_s, policy.closed_by(end), zone_id)


def _end(at_utc: datetime) -> datetime:
    return at_utc + (DAYS_AHEAD - 1) * _A_DAY


def _said(
    rule: PolicyRule, zone_id: str, policy: ZonePolicy, from_utc: datetime | None
) -> str:
    what = {
        PolicyRule.QUIET_HOURS: "has quiet hours now",
        PolicyRule.SLOTS: "allows broadcasts in its slots only",
    }[rule]
    if from_utc is None:
        return f"Zone {zone_id!r} {what}; no time of the week is allowed."
    local = local_time(from_utc.astimezone(UTC), time_zone(policy.time_zone))
    when = local.isoformat(" ", "minutes")
    return f"Zone {zone_id!r} {what}; it would be allowed from {when} on, local time."
