"""What follows a broadcast that is to be replayed to those who missed it (pure)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from streamer.air.difference import AirEventKind
from streamer.air.priority import Comeback, Conflict
from streamer.air.replay import MissedPart, missed_parts, stretches
from streamer.air.zones import ZoneTree
from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.studio.airing import Airing
from streamer.studio.broadcast import BroadcastRequest, Reason, RecordingPart
from streamer.studio.live import Live
from streamer.wire.control import ProgrammeClass

MAX_PARTS = 16
"Of one broadcast; those that the fewest zones missed the least of are left out."
SHORTEST_NS = 1_000_000_000
"A part shorter than a second is no use to anybody."
CAUSE = "replay"
"Why such a broadcast is aired, in the log."

logger = logging.getLogger(__name__)


def follow_ups(live: Live, airing: Airing, tree: ZoneTree) -> list[BroadcastRequest]:
    """Return the broadcasts of missed parts, the earliest part first.

    Args:
        live: It is over, and its recording is closed.
        airing: Its own.
        tree: The zones as they are now: who is gone is owed nothing.
    """
    if live.request.comeback is not Comeback.REPLAY or live.interrupted:
        return []
    begin_ns, end_ns = airing.first_origin_ns, _end_ns(live)
    if begin_ns is None or end_ns is None:
        return []  # nobody heard any of it
    if airing.recording is None or not airing.recording.available:
        logger.error("nothing of %s can be replayed: no recording", live.id)
        return []
    heard = stretches(live.events, live.id, until_ns=end_ns)
    parts = missed_parts(
        aimed(live.request, tree),
        heard,
        (begin_ns, end_ns),
        replay_share=live.request.replay_share,
    )
    at = airing.reel.sample_at
    return [
        replay_of(
            live.request, live.id, each.zone_ids, (at(each.from_ns), at(each.to_ns))
        )
        for each in worthwhile(parts)
    ]


def _end_ns(live: Live) -> int | None:
    """Return the instant at which it was taken off the zones that heard it."""
    ended = [e.at_ns for e in live.events if e.kind is AirEventKind.ENDED]
    if live.end is None or live.end.reason is Reason.SKIPPED:
        return None
    return max(ended, default=None)


def aimed(request: BroadcastRequest, tree: ZoneTree) -> Iterable[str]:
    """Return the zones that *request* is meant for and that are there."""
    there = [each for each in request.zone_ids if each in tree]
    return there if request.exact else tree.names(tree.cover(there))


def worthwhile(parts: Iterable[MissedPart]) -> list[MissedPart]:
    """Return the parts that are replayed, the earliest first."""
    long_enough = [each for each in parts if each.to_ns - each.from_ns >= SHORTEST_NS]
    by_loss = sorted(long_enough, key=_loss, reverse=True)
    return sorted(by_loss[:MAX_PARTS], key=lambda each: each.from_ns)


def _loss(part: MissedPart) -> int:
    return len(part.zone_ids) * (part.to_ns - part.from_ns)


def replay_of(
    was: BroadcastRequest,
    broadcast_id: str,
    zone_ids: tuple[str, ...],
    samples: tuple[int, int],
) -> BroadcastRequest:
    """Return what airs a part of a recording to those who missed it.

    Args:
        was: What was asked for then.
        broadcast_id: Whose recording it is.
        zone_ids: Who missed it.
        samples: Its first, and the one after its last.
    """
    start, stop = samples
    priority = was.programme_class is ProgrammeClass.PRIORITY
    return replace(
        was,
        source=RecordingPart(broadcast_id, start, stop),
        source_kind="recording",
        source_detail=broadcast_id,
        zone_ids=zone_ids,
        programme_class=ProgrammeClass.PRIORITY if priority else ProgrammeClass.NORMAL,
        chime=False,
        attention_s=0,
        conflict=Conflict.WAIT,
        # One that is interrupted goes on: a replay of a replay would never end.
        comeback=Comeback.RESUME,
        can_hold=True,
        skip_after_s=None,
        exact=True,
        duration_s=(stop - start) // SAMPLE_RATE_HZ,
        cause=CAUSE,
        # All that is needed to go on after a restart: `streamer.studio.owed`.
        more={
            "replay_of": broadcast_id,
            "from_sample": start,
            "to_sample": stop,
            "role": was.role,
        },
        broadcast_id=None,
    )
