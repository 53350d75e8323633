"""Which part of a broadcast is owed to whom once it is over (`Comeback.REPLAY`; pure).

Missed is what a zone did not hear between the broadcast's first and last instant,
whether it was interrupted, silenced, or still waited for its turn. What comes of it is
a new programme per part, aimed `exact` at its zones, which waits until they are free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from streamer.air.difference import AirEvent, AirEventKind

DEFAULT_REPLAY_SHARE = 0.1
"A zone that missed no more than this of a broadcast is left in peace."

Stretch: TypeAlias = tuple[int, int]
"From one media instant, until just before the other."

_COMES = (AirEventKind.STARTED, AirEventKind.RESUMED)


@dataclass(frozen=True, slots=True)
class MissedPart:
    """A part of a broadcast, and every zone that missed just this part."""

    zone_ids: tuple[str, ...]
    from_ns: int
    to_ns: int


def stretches(
    events: Iterable[AirEvent], programme_id: str, *, until_ns: int
) -> dict[str, list[Stretch]]:
    """Return where and when a programme was heard.

    Args:
        events: All events of it, in their order; those of others may be among them.
        programme_id: Whose.
        until_ns: The end of stretches that no event has ended.
    """
    since_ns: dict[str, int] = {}
    found: dict[str, list[Stretch]] = {}
    for event in events:
        for zone_id in event.zone_ids if event.programme_id == programme_id else ():
            if event.kind in _COMES:
                since_ns[zone_id] = event.at_ns
            elif zone_id in since_ns:  # it may end where it was interrupted already
                stretch = since_ns.pop(zone_id), event.at_ns
                found.setdefault(zone_id, []).append(stretch)
    for zone_id, from_ns in since_ns.items():
        found.setdefault(zone_id, []).append((from_ns, until_ns))
    return found


def missed_parts(
    zone_ids: Iterable[str],
    heard: Mapping[str, Sequence[Stretch]],
    whole: Stretch,
    *,
    replay_share: float = DEFAULT_REPLAY_SHARE,
) -> tuple[MissedPart, ...]:
    """Return what is to be replayed, the earliest part first.

    Args:
        zone_ids: All that the broadcast was meant for.
        heard: When it was heard in each; ascending, without overlaps.
        whole: The broadcast's first instant and its end.
        replay_share: A zone is owed what it missed if it missed more than this.
    """
    owed: dict[Stretch, list[str]] = {}
    allowed_ns = replay_share * (whole[1] - whole[0])
    for zone_id in zone_ids:
        gaps = list(_gaps(heard.get(zone_id, ()), whole))
        if sum(to_ns - from_ns for from_ns, to_ns in gaps) > allowed_ns:
            for gap in gaps:
                owed.setdefault(gap, []).append(zone_id)
    return tuple(MissedPart(tuple(owed[gap]), *gap) for gap in sorted(owed))


def _gaps(heard: Sequence[Stretch], whole: Stretch) -> Iterator[Stretch]:
    """Yield what of *whole* lies in none of *heard*."""
    at_ns, end_ns = whole
    for from_ns, to_ns in heard:
        if at_ns < min(from_ns, end_ns):
            yield at_ns, min(from_ns, end_ns)
        at_ns = max(at_ns, to_ns)
    if at_ns < end_ns:
        yield at_ns, end_ns
