"""What follows a broadcast that is to be replayed to those who missed it (pure)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from streamer.air.difference import AirEventKind
from streamer.air.priority import Comeback, Conflict
from streamer.air.replay import MissedPart, missed_parts, stretches
from streamer.air.zones import ZoneTree
from streamer.studio.airing import Airing
from streamer.studio.broadcast import BroadcastRequest, Reason, RecordingPart
from streamer.studio.live import Live
from streamer.wire.control import ProgrammeClass

MAX_PARTS = 16
"Of one broadcast; those that the fewest zones missed the least of are left out."
SHORTEST_NS = 1_000_000_000
"A part shorter than a second is no use to anybody."

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
        _aimed(live.request, tree),
        heard,
        (begin_ns, end_ns),
        replay_share=live.request.replay_share,
    )
    return [_request(live, airing, each) for each in _worthwhile(parts)]


def _end_ns(live: Live) -> int | None:
    """Return the instant at which it was taken off the zones that heard it."""
    ended = [e.at_ns for e in live.events if e.kind is AirEventKind.ENDED]
    if live.end is None or live.end.reason is Reason.SKIPPED:
        return None
    return max(ended, default=None)


def _aimed(request: BroadcastRequest, tree: ZoneTree) -> Iterable[str]:
    there = [each for each in request.zone_ids if each in tree]
    return there if request.exact else tree.names(tree.cover(there))


def _worthwhile(parts: Iterable[MissedPart]) -> list[MissedPart]:
    long_enough = [each for each in parts if each.to_ns - each.from_ns >= SHORTEST_NS]
    by_loss = sorted(long_enough, key=_loss, reverse=True)
    return sorted(by_loss[:MAX_PARTS], key=lambda each: each.from_ns)


def _loss(part: MissedPart) -> int:
    return len(part.zone_ids) * (part.to_ns - part.from_ns)


def _request(live: Live, airing: Airing, part: MissedPart) -> BroadcastRequest:
    was = live.request
    priority = was.programme_class is ProgrammeClass.PRIORITY
    start, stop = airing.reel.sample_at(part.from_ns), airing.reel.sample_at(part.to_ns)
    return replace(
        was,
        source=RecordingPart(live.id, start, stop),
        source_kind="recording",
        source_detail=live.id,
        zone_ids=part.zone_ids,
        programme_class=ProgrammeClass.PRIORITY if priority else ProgrammeClass.NORMAL,
        chime=False,
        attention_s=0,
        conflict=Conflict.WAIT,
        # One that is interrupted goes on: a replay of a replay would never end.
        comeback=Comeback.RESUME,
        can_hold=True,
        skip_after_s=None,
        exact=True,
        duration_s=(stop - start) // 48_000,
        cause="replay",
        more={"replay_of": live.id},
        broadcast_id=None,
    )
