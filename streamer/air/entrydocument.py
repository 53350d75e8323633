"""Entries of the schedule as JSON: for the store, the API and iCalendar (pure).

A document has two halves: when (which iCalendar has words for) and what (which it
has not, so it goes into one property of ours). Reading is strict: a document may
come from a calendar file that anybody wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from streamer.air.entrycheck import ScheduleError
from streamer.air.priority import Comeback, Conflict
from streamer.air.recurrence import Recurrence
from streamer.air.schedule import (
    DEFAULT_GRACE_S,
    FileItem,
    Fill,
    Item,
    RecordingItem,
    RelayItem,
    ScheduleEntry,
    ToneItem,
)
from streamer.wire.control import ProgrammeClass

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
Document: TypeAlias = dict[str, Any]
"A JSON object."

_KINDS: Mapping[str, type[Item]] = {
    "file": FileItem,
    "recording": RecordingItem,
    "relay": RelayItem,
    "tone": ToneItem,
}
_NAMES = {item_type: kind for kind, item_type in _KINDS.items()}

WHAT_MEMBERS = frozenset(
    {
        *("zone_ids", "class", "items", "fill", "filler_file_id", "grace_s"),
        *("chime", "conflict", "comeback", "skip_after_s", "enabled"),
    }
)
"Of the second half."


def when_document(entry: ScheduleEntry) -> Document:
    """Return when *entry* starts."""
    rule = entry.recurrence
    return {
        "starts_local": entry.starts_local.isoformat(),
        "duration_s": entry.duration_s,
        "time_zone": entry.time_zone,
        "recurrence": rule.serialize() if rule else None,
        "except_dates": [each.isoformat() for each in entry.except_dates],
        "except_starts": [each.isoformat() for each in entry.except_starts],
    }


def what_document(entry: ScheduleEntry) -> Document:
    """Return what *entry* broadcasts, and how; but for its title."""
    return {
        "zone_ids": list(entry.zone_ids),
        "class": entry.programme_class.value,
        "items": [{"kind": _NAMES[type(i)], **asdict(i)} for i in entry.items],
        "fill": entry.fill.value,
        "filler_file_id": entry.filler_file_id,
        "grace_s": entry.grace_s,
        "chime": entry.chime,
        "conflict": entry.conflict.value,
        "comeback": entry.comeback.value,
        "skip_after_s": entry.skip_after_s,
        "enabled": entry.enabled,
    }


def entry_document(entry: ScheduleEntry) -> Document:
    """Return all of *entry* but its ids."""
    return {"title": entry.title, **when_document(entry), **what_document(entry)}


def entry_of(entry_id: str, uid: str, document: Mapping[str, Any]) -> ScheduleEntry:
    """Return the entry that `entry_document` made *document* of.

    Members of the second half that are left out have their defaults.

    Raises:
        ScheduleError: A member is missing, or is not what it must be.
    """
    read = _Reader(document)
    rule = read.optional("recurrence", str)
    return ScheduleEntry(
        id=entry_id,
        uid=uid,
        title=read.member("title", str),
        zone_ids=tuple(read.many("zone_ids", _text)),
        programme_class=read.word("class", ProgrammeClass),
        items=tuple(read.many("items", _item)),
        starts_local=read.made("starts_local", datetime.fromisoformat),
        duration_s=read.member("duration_s", int),
        time_zone=read.member("time_zone", str),
        recurrence=None if rule is None else read.made("recurrence", Recurrence.parse),
        except_dates=tuple(read.many("except_dates", date.fromisoformat)),
        except_starts=tuple(read.many("except_starts", datetime.fromisoformat)),
        fill=read.word("fill", Fill, Fill.FADE),
        filler_file_id=read.optional("filler_file_id", str),
        grace_s=read.member("grace_s", int, DEFAULT_GRACE_S),
        chime=read.member("chime", bool, False),
        conflict=read.word("conflict", Conflict, Conflict.WAIT),
        comeback=read.word("comeback", Comeback, Comeback.REJOIN),
        skip_after_s=read.optional("skip_after_s", int),
        enabled=read.member("enabled", bool, True),
    )


class _Reader:
    """Takes members out of a document, each of the type that it must have."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def member(self, name: str, wanted: type[T], default: T | None = None) -> T:
        value = self._document.get(name, default)
        # Exactly: a bool is an int for Python, and not for people.
        if type(value) is not wanted:
            raise ScheduleError(name, f"must be of type {wanted.__name__}")
        return value

    def optional(self, name: str, wanted: type[T]) -> T | None:
        return None if self._document.get(name) is None else self.member(name, wanted)

    def made(self, name: str, make: Callable[[str], T]) -> T:
        return _made(name, make, self.member(name, str))

    def word(self, name: str, words: type[E], default: E | None = None) -> E:
        fallback = None if default is None else str(default.value)
        return _made(name, words, self.member(name, str, fallback))

    def many(self, name: str, make: Callable[[Any], T]) -> list[T]:
        values: Sequence[Any] = self.member(name, list, [])
        return [_made(name, make, each) for each in values]


def _made(name: str, make: Callable[[Any], T], value: Any) -> T:
    try:
        return make(value)
    except ScheduleError:
        raise
    except (ValueError, TypeError) as error:
        raise ScheduleError(name, str(error)[:200]) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be text")
    return value


def _item(value: Any) -> Item:
    if not isinstance(value, dict) or value.get("kind") not in _KINDS:
        raise ScheduleError("items", f"must be of a kind: {', '.join(_KINDS)}")
    read = _Reader(value)
    match value["kind"]:
        case "file":
            return FileItem(read.member("file_id", str))
        case "recording":
            return RecordingItem(read.member("broadcast_id", str))
        case "tone":
            return ToneItem(read.member("pattern", str), read.member("duration_s", int))
    return RelayItem(
        read.member("url", str),
        read.member("duration_s", int),
        read.optional("fallback_file_id", str),
    )
