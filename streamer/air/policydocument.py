"""Policies of zones as JSON: for the store and the API (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from streamer.air.policy import ClassRoles, ZonePolicy
from streamer.air.window import Window
from streamer.wire.control import ProgrammeClass

Document: TypeAlias = dict[str, Any]
"A JSON object."

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")


def policy_document(policy: ZonePolicy) -> Document:
    """Return *policy* as JSON."""
    return {
        "time_zone": policy.time_zone,
        "slots": [_window_document(each) for each in policy.slots],
        "quiet_hours": [_window_document(each) for each in policy.quiet_hours],
        "longest_s": policy.longest_s,
        "roles": {
            each.programme_class.value: sorted(each.roles) for each in policy.roles
        },
    }


def policy_of(document: Mapping[str, Any]) -> ZonePolicy:
    """Return the policy that `policy_document` made *document* of.

    Raises:
        ValueError: It is impossible, as `ZonePolicy` and `Window` say.
    """
    roles: Mapping[str, Iterable[str]] = document["roles"]
    return ZonePolicy(
        slots=tuple(_window(each) for each in document["slots"]),
        quiet_hours=tuple(_window(each) for each in document["quiet_hours"]),
        longest_s=document["longest_s"],
        roles=tuple(
            ClassRoles(ProgrammeClass(name), frozenset(roles[name]))
            for name in sorted(roles)
        ),
        time_zone=document["time_zone"],
    )


def _window_document(window: Window) -> Document:
    return {
        "days": [DAYS[day] for day in sorted(window.weekdays)],
        "from": _text(window.from_minute),
        "to": _text(window.to_minute),
    }


def _window(document: Mapping[str, Any]) -> Window:
    days = frozenset(DAYS.index(each) for each in document["days"])
    return Window(days, _minute(document["from"]), _minute(document["to"]))


def _text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
