"""Secrets in the addresses of relays: write only (pure).

User, password, the values of a query and a fragment often are what another station
lets us in by. Whoever may see the schedule sees that they are there, not what they
are, and so does every calendar that it is exported to. Who changes an entry sends
its address back as it was shown, and the entry keeps what was stored.

Only the whole address is recognised: a stored password never goes along to another
host or path that somebody has put in its place.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from streamer.air.entrycheck import ScheduleError
from streamer.air.schedule import Item, RelayItem, ScheduleEntry

MASK = "***"
"Stands where a secret is."


def shown_url(url: str) -> str:
    """Return *url* with `MASK` for user and password, values of its query, fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK  # nothing can be told about it, so nothing is
    _, has_user, host = parts.netloc.rpartition("@")
    pairs = parts.query.split("&") if parts.query else ()
    return urlunsplit(
        (
            parts.scheme,
            f"{MASK}@{host}" if has_user else host,
            parts.path,
            "&".join(map(_shown_pair, pairs)),
            parts.fragment and MASK,
        )
    )


def shown(entry: ScheduleEntry) -> ScheduleEntry:
    """Return *entry* as people and other programs may see it."""
    items = (
        replace(item, url=shown_url(item.url)) if isinstance(item, RelayItem) else item
        for item in entry.items
    )
    return replace(entry, items=tuple(items))


def completed(entry: ScheduleEntry, stored: ScheduleEntry | None) -> ScheduleEntry:
    """Return *entry* with the secrets of the one it replaces, where it shows none.

    Args:
        entry: As somebody has sent it.
        stored: The entry of the same id; None if it is new.

    Raises:
        ScheduleError: An address is masked, and is none that is stored.
    """
    known: dict[str, list[str]] = {}
    for item in stored.items if stored else ():
        if isinstance(item, RelayItem):
            known.setdefault(shown_url(item.url), []).append(item.url)
    return replace(entry, items=tuple(_completed(each, known) for each in entry.items))


def _completed(item: Item, known: dict[str, list[str]]) -> Item:
    if not isinstance(item, RelayItem) or not _is_masked(item.url):
        return item
    stored = known.get(item.url)
    if not stored:
        raise ScheduleError("items", f"a relay's URL has {MASK} for what nobody stored")
    # Two that look the same are taken in their order.
    return replace(item, url=stored.pop(0) if len(stored) > 1 else stored[0])


def _is_masked(url: str) -> bool:
    """Tell whether some secret of *url* is masked; its path may say what it likes."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK in url
    user = parts.netloc.rpartition("@")[0]
    values = (each.partition("=")[2] or each for each in parts.query.split("&"))
    return MASK in (user, parts.fragment, *values)


def _shown_pair(pair: str) -> str:
    name, has_value, _ = pair.partition("=")
    return f"{name}={MASK}" if has_value else MASK
