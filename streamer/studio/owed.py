"""What zones are still owed when a server has ended, read from the as-run log (pure).

A broadcast with `Comeback.REPLAY` leaves parts that zones missed; each follows as a
broadcast of its own. A server that ends, or dies, may leave parts that were not put on
the air yet, and replays that were waiting or under way. The log tells which: who was
heard where and when, what came of it, and how far each replay's source had run.

Only whole seconds count, so what the log cannot tell to the sample (a death is known
to the last heartbeat) is heard twice rather than never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from streamer.air.difference import AirEvent, AirEventKind
from streamer.air.priority import Comeback, Origin
from streamer.air.replay import DEFAULT_REPLAY_SHARE, missed_parts, stretches
from streamer.air.zones import ZoneTree
from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.store.asrunevents import AsRunEntry, AsRunKind
from streamer.studio.asrun_journal import source_turns
from streamer.studio.broadcast import BroadcastRequest, Reason
from streamer.studio.replays import CAUSE, aimed, replay_of, worthwhile
from streamer.wire.control import ProgrammeClass

LONGEST_AGO = timedelta(hours=24)
"A part that was missed longer ago is news no more: it is recorded as missed."
A_MOMENT = timedelta(minutes=1)
"In it a recording is closed, and what follows is opened."
SAME_PART_S = 2
"The log's instants and the recording's samples agree better than this."

_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {
    AsRunKind.STARTED.value: AirEventKind.STARTED,
    AsRunKind.PREEMPTED.value: AirEventKind.PREEMPTED,
    AsRunKind.RESUMED.value: AirEventKind.RESUMED,
    AsRunKind.ENDED.value: AirEventKind.ENDED,
}


@dataclass(frozen=True, slots=True)
class Owed:
    """A replay that is still to come."""

    request: BroadcastRequest
    too_late: bool
    "It was missed too long ago."


@dataclass(frozen=True, slots=True)
class Left:
    """A broadcast that may have left something owed: all its events, in order."""

    events: Sequence[AsRunEntry]

    @property
    def accepted(self) -> AsRunEntry | None:
        """How it was taken; None if the log does not have it."""
        found = (e for e in self.events if e.kind == AsRunKind.ACCEPTED)
        return next(found, None)

    @property
    def ended(self) -> AsRunEntry | None:
        """Its end as a whole."""
        ends = (e for e in self.events if e.kind == AsRunKind.ENDED and not e.zone_ids)
        return next(ends, None)


def candidates(
    accepted: Iterable[AsRunEntry], ended: Iterable[AsRunEntry], alive_utc: datetime
) -> list[str]:
    """Return the broadcasts that may have left something owed, the first ended first.

    Those that the server itself ended; and those that ended a moment before, of which
    what follows may not have been put on the air.

    Args:
        accepted: How broadcasts were taken; of others nothing is known.
        ended: Their ends as a whole.
        alive_utc: When the server was last alive.
    """
    by_id = {each.broadcast_id: each for each in accepted}
    found: dict[str, None] = {}
    for end in ended:
        last = end.cause == Reason.INTERRUPTED or alive_utc - end.at_utc < A_MOMENT
        name, taken = end.broadcast_id, by_id.get(end.broadcast_id)
        if last and name and (taken is None or _is_about_replays(taken)):
            found[name] = None
    return list(found)


def owed(
    left: Left, settled: Iterable[AsRunEntry], tree: ZoneTree, now_utc: datetime
) -> list[Owed]:
    """Return what is still owed of a broadcast that is over.

    Args:
        left: It.
        settled: What became of replays so far: accepted, refused or missed.
        tree: The zones as they are now: who is gone is owed nothing.
        now_utc: The wall clock.
    """
    accepted, ended = left.accepted, left.ended
    if accepted is None or ended is None:
        return []
    too_late = now_utc - ended.at_utc > LONGEST_AGO
    if accepted.cause == CAUSE:
        wanted = _rest(left, accepted, ended, settled, tree)
    elif _comeback(accepted) == Comeback.REPLAY and ended.cause != Reason.SKIPPED:
        wanted = _parts(left, accepted, settled, tree)
    else:
        return []
    return [Owed(each, too_late) for each in wanted]


def _rest(
    left: Left,
    accepted: AsRunEntry,
    ended: AsRunEntry,
    settled: Iterable[AsRunEntry],
    tree: ZoneTree,
) -> Iterator[BroadcastRequest]:
    """Yield what a replay that was cut off by the server's end has left."""
    detail = accepted.detail
    of, part = detail.get("replay_of"), _samples(accepted)
    if ended.cause != Reason.INTERRUPTED or not isinstance(of, str) or part is None:
        return
    if any(each.detail.get("continues") == accepted.broadcast_id for each in settled):
        return
    start = part[0] + round(ran_s(left.events, ended.at_utc) * SAMPLE_RATE_HZ)
    zone_ids = tuple(each for each in accepted.zone_ids if each in tree)
    if zone_ids and part[1] - start >= SAMPLE_RATE_HZ:
        more = {"continues": accepted.broadcast_id}
        wanted = replay_of(_request(accepted), of, zone_ids, (start, part[1]))
        yield replace(wanted, more={**wanted.more, **more})


def _parts(
    left: Left, accepted: AsRunEntry, settled: Iterable[AsRunEntry], tree: ZoneTree
) -> Iterator[BroadcastRequest]:
    """Yield the parts that zones missed of a broadcast and that did not follow it."""
    name = accepted.broadcast_id or ""
    done = [each for each in settled if each.detail.get("replay_of") == name]
    events = list(_air_events(left.events, name))
    begun = [e.at_utc for e in left.events if e.kind == AsRunKind.WENT_ON]
    over = [e.at_ns for e in events if e.kind is AirEventKind.ENDED]
    if not begun or not over:
        return  # nobody heard any of it
    whole = _ns(begun[0]), max(over)
    was = _request(accepted)
    parts = missed_parts(
        aimed(was, tree),
        stretches(events, name, until_ns=whole[1]),
        whole,
        replay_share=was.replay_share,
    )
    for part in worthwhile(parts):
        start, stop = (_sample(ns - whole[0]) for ns in (part.from_ns, part.to_ns))
        if not any(_is_same(each, part.zone_ids, start) for each in done):
            yield replay_of(was, name, part.zone_ids, (start, stop))


def _is_same(entry: AsRunEntry, zone_ids: tuple[str, ...], start: int) -> bool:
    part = _samples(entry)
    near = part is None or abs(part[0] - start) < SAME_PART_S * SAMPLE_RATE_HZ
    return near and not set(zone_ids).isdisjoint(entry.zone_ids)


def _air_events(entries: Iterable[AsRunEntry], name: str) -> Iterator[AirEvent]:
    for entry in entries:
        if entry.zone_ids and entry.kind in _KINDS:
            kind = _KINDS[entry.kind]
            yield AirEvent(_ns(entry.at_utc), kind, name, entry.zone_ids)


def ran_s(events: Iterable[AsRunEntry], ended_utc: datetime) -> float:
    """Return for how long a source ran that was never begun anew."""
    ran, since = timedelta(0), None
    for at_utc, runs in [*source_turns(events), (ended_utc, False)]:
        if since is not None:
            ran += max(timedelta(0), at_utc - since)
        since = at_utc if runs else None
    return ran.total_seconds()


def _request(accepted: AsRunEntry) -> BroadcastRequest:
    """Return what was asked for, but for its source.

    Raises:
        ValueError: The log says something that this version does not know.
    """
    detail = accepted.detail
    permille = detail.get("replay_permille")
    share = permille / 1000 if isinstance(permille, int) else DEFAULT_REPLAY_SHARE
    return BroadcastRequest(
        source=None,
        source_kind=str(detail.get("source_kind", "")),
        source_detail=str(detail.get("source_detail", "")),
        zone_ids=accepted.zone_ids,
        programme_class=ProgrammeClass(str(detail.get("class"))),
        origin=Origin(str(detail.get("origin"))),
        title=str(detail.get("title", "")),
        chime=False,
        started_by=str(detail.get("actor_name", "")),
        token_id=accepted.actor or "",
        # Without it, by the least right: a policy must not be got around.
        role=str(detail.get("role", "broadcaster")),
        replay_share=share,
        exact=detail.get("exact") is True,
    )


def _samples(entry: AsRunEntry) -> tuple[int, int] | None:
    start, stop = entry.detail.get("from_sample"), entry.detail.get("to_sample")
    if isinstance(start, int) and isinstance(stop, int):
        return start, stop
    return None


def _is_about_replays(accepted: AsRunEntry) -> bool:
    return accepted.cause == CAUSE or _comeback(accepted) == Comeback.REPLAY


def _comeback(entry: AsRunEntry) -> object:
    return entry.detail.get("comeback")


def _ns(at_utc: datetime) -> int:
    return (at_utc - _EPOCH_UTC) // timedelta(microseconds=1) * 1000


def _sample(lead_ns: int) -> int:
    return max(0, lead_ns) * SAMPLE_RATE_HZ // 1_000_000_000
