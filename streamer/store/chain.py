"""The chain of hashes that makes the as-run log show tampering (pure).

Each event is one line of JSON in the canonical form of RFC 8785: members in order,
no spaces, UTF-8. It holds the event, its number, and the hash of the line before; its
own hash is the SHA-256 of the line. So whoever changes, deletes, inserts or moves an
event must change every later one. The first event names `GENESIS`, a fixed public
value: without it the beginning could be cut off and what follows would look whole.

An inspector needs nothing of ours: for any exported line, ``jq -cjS 'del(.hash)' |
sha256sum`` gives the member `hash`, and the next line's `previous_hash` is the same.

What a chain can not find by itself:

- A cut tail: what is left is a whole chain. It is found by a `Head` noted elsewhere,
  such as the file beside the database (`headfile`), the last line of an export, or the
  server's own log.
- A chain written anew from some event on by somebody who may write to the database:
  there is no secret in it. This too is found only by a head noted out of their reach,
  and only if what was changed is older than that head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

GENESIS = hashlib.sha256(b"Loacast as-run log, version 1").hexdigest()
"What the first event names as the hash before it."

MAX_EXACT_INTEGER = 2**53 - 1
"RFC 8785, section 3.2.2.3: beyond it JSON's readers do not agree."

# Made once: to make one costs more than to use it.
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An event as it is stored: what was hashed, to the byte, and the hashes."""

    serial: int
    "1 for the first; grows by one."
    at_utc_us: int
    "Microseconds since 1970."
    kind: str
    broadcast_id: str | None
    zone_ids: str
    "A JSON array of strings, canonical."
    actor: str | None
    cause: str | None
    detail: str
    "A JSON object, canonical."
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many events it has, and the hash of the last."""

    count: int = 0
    hash: str = GENESIS


def canonical(value: Any) -> str:
    """Return *value* as JSON in the form of RFC 8785.

    Args:
        value: Objects with text as keys, arrays, text, integers, booleans, None.

    Raises:
        ValueError: It holds something else (a fraction has several spellings), an
            integer beyond ±(2⁵³ - 1), or text that is no Unicode.

    >>> canonical({"b": ["thôn"], "a": None})
    '{"a":null,"b":["thôn"]}'
    """
    _require_plain(value)
    text = _ENCODER.encode(value)
    text.encode()  # raises UnicodeEncodeError, a ValueError
    return text


def line(link: Link) -> str:
    """Return the line of JSON whose SHA-256 is the hash of *link*.

    Raises:
        ValueError: It holds what the log never writes.
    """
    for text, kind in ((link.zone_ids, list), (link.detail, dict)):
        value = json.loads(text)
        # Otherwise the same value could be written in another way unnoticed.
        if not isinstance(value, kind) or canonical(value) != text:
            raise ValueError(f"not as the log writes it: {text[:80]}")
    return _compose(link)


def digest(link: Link) -> str:
    """Return the hash that *link* ought to have; raises like `line`."""
    return _hashed(line(link))


def exported(link: Link) -> str:
    """Return the line with its hash as one more member, without an end of line."""
    return f'{line(link)[:-1]},"hash":{canonical(link.hash)}}}'


def parsed(text: str) -> Link:
    """Return the link of an exported line.

    Raises:
        ValueError: It is none.
    """
    members = json.loads(text)
    try:
        at_utc = datetime.fromisoformat(members.pop("at_utc"))
        return Link(
            at_utc_us=(at_utc - _EPOCH_UTC) // timedelta(microseconds=1),
            zone_ids=canonical(members.pop("zone_ids")),
            detail=canonical(members.pop("detail")),
            **members,
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no event of the log: {text[:80]}") from error


def utc_text(at_utc_us: int) -> str:
    """Return an instant as the log writes it.

    Raises:
        ValueError: There is no such date.

    >>> utc_text(1_794_000_000_000_000)
    '2026-11-06T21:20:00.000000Z'
    """
    try:
        at_utc = _EPOCH_UTC + timedelta(microseconds=at_utc_us)
    except OverflowError as error:
        raise ValueError(f"no date is {at_utc_us} us after 1970") from error
    return at_utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def follow(head: Head, members: Mapping[str, Any]) -> Link:
    """Return the event that comes after *head*, hashed.

    Args:
        head: The end of the chain.
        members: The members of `Link` that say what happened.

    Raises:
        ValueError: They hold what the log never writes.
    """
    link = Link(serial=head.count + 1, previous_hash=head.hash, hash="", **members)
    return replace(link, hash=_hashed(_compose(link)))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _compose(link: Link) -> str:
    """Put the line together; the long members are canonical already."""
    return (
        f'{{"actor":{_member(link.actor)}'
        f',"at_utc":"{utc_text(link.at_utc_us)}"'
        f',"broadcast_id":{_member(link.broadcast_id)}'
        f',"cause":{_member(link.cause)}'
        f',"detail":{link.detail}'
        f',"kind":{_member(link.kind)}'
        f',"previous_hash":{_member(link.previous_hash)}'
        f',"serial":{_member(link.serial)}'
        f',"zone_ids":{link.zone_ids}}}'
    )


def _member(value: str | int | None) -> str:
    return "null" if value is None else _ENCODER.encode(value)


def _require_plain(value: Any) -> None:
    if isinstance(value, Mapping):
        for key, member in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{key!r} is no text, as a key must be")
            _require_plain(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _require_plain(member)
    elif isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
        raise ValueError(f"{value} is too large to be exact everywhere")
    elif not isinstance(value, str | int | None):
        raise ValueError(f"{value!r} is nothing that the log writes")
