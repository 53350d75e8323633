"""What a speaker plays without its server, and what it plays when that is back (pure).

Nothing of a broadcast is played twice. A file is played by the plan's time, not from
its beginning: who begins late begins in the middle, so neighbours sound together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from clients.speaker.notebook import Played
from streamer.wire.control import Programme, ProgrammeClass
from streamer.wire.documents import Item, Manifest, Order

AHEAD_US = 1_000_000
"A file is opened so long before its first sample is due."
SAME_US = 2_000_000
"A live broadcast that is later than its plan by more began late, or anew."
LATE_US = 10_000_000
"A server that is there, and plays nothing so long after the start, leaves it out."
_RANKS = tuple(ProgrammeClass)  # background first, emergency last


@dataclass(frozen=True, slots=True)
class Choice:
    """Play a file, from some sample on."""

    item: Item
    from_samples: int


def choose(
    items: Iterable[Item],
    played: Mapping[str, Played],
    utc_us: int,
    *,
    blank_since_utc_us: int = 0,
) -> Choice | None:
    """Return what is to be heard now, or within the next second, if anything.

    The highest class first, then what began first: so the arbiter decides.

    Args:
        items: Of the manifest, but for those whose file is missing.
        played: What was played already.
        utc_us: Now.
        blank_since_utc_us: What began before it may have been played.
    """
    found: list[tuple[int, int, str, Choice]] = []
    for item in items:
        start_us, end_us = item.start_utc_us, item.end_utc_us
        if start_us is None or end_us is None or start_us < blank_since_utc_us:
            continue
        if not start_us - AHEAD_US <= utc_us < end_us:
            continue
        before = played.get(item.id)
        if before is not None and before.done:
            continue
        late = max(0, utc_us - start_us) * 48_000 // 1_000_000
        first = max(late, before.until_samples if before else 0)
        if first < item.samples:
            rank = -_RANKS.index(item.programme_class)
            found.append((rank, start_us, item.id, Choice(item, first)))
    return min(found, key=lambda one: one[:3])[3] if found else None


def left_out(items: Iterable[Item], span: tuple[int, int], utc_us: int) -> list[Item]:
    """Return what a server that was there did not play, and so is not to be played.

    It had its reasons: it was refused, or somebody has stopped it.

    Args:
        items: Of the manifest.
        span: From when to when, by UTC, the server was there; it plays nothing.
        utc_us: Now.
    """
    since_us, heard_us = span
    return [
        each
        for each in items
        if each.start_utc_us is not None
        and since_us <= each.start_utc_us <= heard_us - LATE_US
        and utc_us < (each.end_utc_us or 0)
    ]


def obeyed(
    order: Order, manifest: Manifest | None, speaker: str, serial: int, utc_us: int
) -> str | None:
    """Return why a genuine order is not obeyed; None: it is.

    Args:
        order: Which.
        manifest: Says where the speaker stands; None: nobody knows.
        speaker: Its own id; empty: nobody knows.
        serial: Of the last order obeyed.
        utc_us: Now.
    """
    if order.serial <= serial:
        return "it was obeyed before"
    if utc_us >= order.expires_utc_us:
        return "it has expired"
    zone_ids = manifest.zone_ids if manifest else ()
    if speaker not in order.speaker_ids and not set(zone_ids) & set(order.zone_ids):
        return "it is for others"
    if manifest is not None and manifest.silenced:
        return "the zone is silenced"
    return None


@dataclass(frozen=True, slots=True)
class Joining:
    """How a live programme is taken in."""

    programme: Programme | None
    "As it is to be heard; None: not at all, for the file is, or was."
    ends_file: bool
    "What is played from the disk ends where it is heard."


def join_live(
    live: Programme,
    playing: tuple[str, int] | None,
    played: Mapping[str, Played],
    now_us: int,
) -> Joining:
    """Return what becomes of a live programme; instants are of the media clock.

    Args:
        live: As the server announces it.
        playing: What is played from the disk: its id, and when its first sample of
            sound was captured, so to say.
        played: What was played from the disk.
        now_us: Now.
    """
    if playing is None or playing[0] != live.broadcast:
        return Joining(_unheard(live, played.get(live.broadcast)), True)
    late_us = live.clock_us - playing[1]
    if abs(late_us) > SAME_US:  # a server that came back begins anew: we are further
        return Joining(None, False)
    # Where the live one is behind, what was heard from the disk is not heard again.
    from_us = max(live.from_us, now_us) + max(0, late_us)
    return Joining(replace(live, from_us=from_us), True)


def _unheard(live: Programme, before: Played | None) -> Programme | None:
    """Leave out of *live* what was played before, if any was."""
    if before is None or before.until_samples == 0:
        return live
    if before.done:
        return None
    after_us = live.clock_us + before.until_samples * 1_000_000 // 48_000
    return replace(live, from_us=max(live.from_us, after_us))
