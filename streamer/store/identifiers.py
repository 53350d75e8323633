"""Ids: short random ones for what we make, readable ones for zones (pure)."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable, Container
from typing import TypeAlias

ID_CHARACTERS = 10
"50 random bits; a collision is refused by the database, not overwritten."
MAX_SLUG_CHARACTERS = 48

RandomBytes: TypeAlias = Callable[[int], bytes]
"Returns as many random bytes as asked for; `secrets.token_bytes` outside of tests."

_NO_NAME = "zone"


def new_id(random_bytes: RandomBytes) -> str:
    """Return a random id of lower-case letters and the digits 2 to 7 (RFC 4648, 6)."""
    # Five bits a character; seven bytes are the least that hold fifty bits.
    return base64.b32encode(random_bytes(7)).decode().lower()[:ID_CHARACTERS]


def planned_id(entry_id: str, start_us: int) -> str:
    """Return the id of the broadcast that a start of an entry of the schedule is.

    It is known beforehand, so a speaker that plays it by itself calls it the same.

    Args:
        entry_id: Of the entry.
        start_us: The start, in microseconds since 1970.
    """
    digest = hashlib.sha256(f"{entry_id} {start_us}".encode()).digest()
    return new_id(lambda count: digest[:count])


def slug(name: str) -> str:
    """Return *name* without accents, signs and capitals, for an id that can be read.

    >>> slug("Xã Đại Đồng")
    'xa-dai-dong'
    """
    # đ is a letter of its own: it does not decompose into d and a stroke.
    decomposed = unicodedata.normalize("NFKD", name.casefold().replace("đ", "d"))
    bare = "".join(each for each in decomposed if not unicodedata.combining(each))
    words = re.findall(r"[a-z0-9]+", bare)
    return "-".join(words)[:MAX_SLUG_CHARACTERS].rstrip("-") or _NO_NAME


def unused(wanted: str, taken: Container[str]) -> str:
    """Return *wanted*, with the lowest suffix from 2 on that makes it unused.

    >>> unused("thon-dong", {"thon-dong", "thon-dong-2"})
    'thon-dong-3'
    """
    candidate, number = wanted, 1
    while candidate in taken:
        number += 1
        candidate = f"{wanted}-{number}"
    return candidate
