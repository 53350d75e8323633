"""The operator's order among priority programmes (pure).

An operator decides who is next, not who is cut off: nobody who is heard loses a zone
by it. Whoever may cut somebody off accepts a programme with `Conflict.TAKE_OVER`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from streamer.air.zones import ZoneSet


def reordered(
    queue: Sequence[str],
    wanted: Iterable[str],
    covers: Mapping[str, ZoneSet],
    heard: Mapping[str, ZoneSet],
) -> list[str]:
    """Return *queue* with *wanted* first, as far as those who are heard allow.

    Whoever holds a zone stays ahead of all that want it, so a wanted one is put
    behind the holders of its zones (and behind those who hold what these wait for).
    The others keep their order. It costs one pass over the queue per wanted one.

    Args:
        queue: One class, in order of standing.
        wanted: Members of it in the operator's order; repetitions count once.
        covers: Where each would be heard if it were alone.
        heard: Where each is heard.
    """
    placed: dict[str, None] = {}
    for each in (*wanted, *queue):
        if each not in placed:
            ahead = queue[: queue.index(each)]
            placed |= dict.fromkeys(_holders(ahead, covers[each], covers, heard))
            placed[each] = None
    return list(placed)


def _holders(
    ahead: Sequence[str],
    zones: ZoneSet,
    covers: Mapping[str, ZoneSet],
    heard: Mapping[str, ZoneSet],
) -> list[str]:
    """Return those *ahead* that hold one of *zones*, or what such a holder wants."""
    found: list[str] = []
    for each in reversed(ahead):
        if heard.get(each, 0) & zones:
            found.append(each)
            zones |= covers[each]
    return found[::-1]
