"""Who received a broadcast completely, and what the others missed (pure).

Three accounts are laid over each other: when the broadcast's source ran (*aired*),
when each zone heard it (its intervals), and what each speaker that stood in the zone
then says that it played (its receipts). What is missing counts as missed, and only
what a speaker surely played counts as heard.

A receipt tells the first and the last instant played, and how much in all. So what is
missing before, between and behind is known to the instant; what was lost in between is
known by its length. A speaker that fell silent without saying that it was done may
have played on for up to `REPORT_INTERVAL_US` without anybody's knowing: this time
counts as missed and is told as `Gap.unconfirmed_us`.

Instants are whole microseconds of the wall clock since 1970 (`*_us`), spans reach from
one instant until just before the other. The wall clock must not have been set during
the broadcast; if it was, what it jumped over shows as missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from streamer.air.spans import Span, clipped, length_us, without

EDGE_TOLERANCE_US = 500_000
"""A gap no longer than this is none.

Between the instant at which a zone hears a broadcast and a speaker's first sample lie
the first packet, a fade of 25 ms and the error of two clocks; a speaker that joins
needs about 0.3 s. D does not count: instants are those of capture.
"""

LOSS_TOLERANCE_SHARE = 0.01
"Concealment of up to 1 % is hardly heard (RFC 6716, 2.1.7: Opus conceals losses)."

REPORT_INTERVAL_US = 10_000_000
"Receipts come this often (FORMAT.md, Receipts)."

PENDING_US = REPORT_INTERVAL_US + 5_000_000
"What was heard longer ago than this has been told of, unless it was missed."


class GapCause(StrEnum):
    """Why something was missed."""

    PREEMPTED = "preempted"
    "The zone heard another broadcast or nothing: it waited, or was silenced."
    NOT_RECEIVED = "not_received"
    "The zone heard it, the speaker did not."
    LOST = "lost"
    "Missing here and there between two instants: bad link, or no link for a while."


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was missed."""

    from_us: int
    to_us: int
    missed_us: int
    "Of `LOST` less than the whole; where exactly is not known."
    cause: GapCause
    unconfirmed_us: int = 0
    "Of it, at the beginning, what may have been played but was never reported."


@dataclass(frozen=True, slots=True)
class Standing:
    """A speaker that stands in a zone for a time."""

    speaker_id: str
    zone_id: str
    from_us: int
    to_us: int | None = None
    "None while it does."


@dataclass(frozen=True, slots=True)
class Played:
    """What a speaker played of a broadcast, all told, since its process began."""

    first_us: int
    last_us: int
    played_us: int
    "Made of packets."
    done: bool
    "It said that it was through with it."


@dataclass(frozen=True, slots=True)
class Tally:
    """How much of what should have been heard was."""

    expected_us: int = 0
    "Summed over speakers."
    heard_us: int = 0
    speakers: int = 0
    complete: int = 0
    "Speakers that missed nothing."

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.expected_us + other.expected_us,
            self.heard_us + other.heard_us,
            self.speakers + other.speakers,
            self.complete + other.complete,
        )

    @property
    def percent(self) -> float | None:
        """Heard of expected, in hundredths rounded down; None: nobody to hear it.

        100 means that nothing was missed.
        """
        if not self.expected_us:
            return None
        return self.heard_us * 10_000 // self.expected_us / 100


@dataclass(frozen=True, slots=True)
class SpeakerCoverage:
    """What one speaker received while it stood in one zone."""

    speaker_id: str
    zone_id: str
    tally: Tally
    gaps: tuple[Gap, ...]
    "In order of time; empty when it received all."


@dataclass(frozen=True, slots=True)
class ZoneCoverage:
    """What a zone received, and the speakers that stood in it (not below it)."""

    zone_id: str
    tally: Tally
    gaps: tuple[Gap, ...]
    "When the zone as a whole did not hear it."
    incomplete: tuple[SpeakerCoverage, ...]
    "In order of their ids."


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who received a broadcast."""

    tally: Tally = field(default_factory=Tally)
    zones: tuple[ZoneCoverage, ...] = ()
    "Those in which speakers stood, in order of their ids."

    @property
    def incomplete_zones(self) -> tuple[ZoneCoverage, ...]:
        """Zones that did not receive it completely, or of which a speaker did not."""
        return tuple(each for each in self.zones if each.gaps or each.incomplete)


def coverage(
    aired: Sequence[Span],
    zones: Mapping[str, Sequence[Span]],
    standings: Iterable[Standing],
    played: Mapping[str, Sequence[Played]],
) -> Coverage:
    """Return who received a broadcast.

    Args:
        aired: When its source ran, in order and apart from each other. While it is
            on air: until `PENDING_US` ago.
        zones: Every zone it was aimed at, with the spans in which it was heard there.
        standings: Who stood where; those in other zones are passed over.
        played: By speaker.
    """
    by_zone: dict[str, list[SpeakerCoverage]] = {}
    for each in sorted(standings, key=lambda one: (one.zone_id, one.speaker_id)):
        heard = zones.get(each.zone_id)
        if heard is None:
            continue
        found = _of_speaker(each, aired, heard, played.get(each.speaker_id, ()))
        if found.tally.expected_us:
            by_zone.setdefault(each.zone_id, []).append(found)
    found_zones = tuple(
        _of_zone(zone_id, speakers, tuple(_preempted(aired, zones[zone_id])))
        for zone_id, speakers in by_zone.items()
    )
    return Coverage(sum((each.tally for each in found_zones), Tally()), found_zones)


def runs_apart(played: Iterable[Played]) -> list[Played]:
    """Return *played* in order, those that overlap made one.

    Two accounts that overlap are of the same run of the same speaker, told with
    instants that differ a little: the greater counts.
    """
    found: list[Played] = []
    for each in sorted(played, key=lambda one: (one.first_us, one.last_us)):
        if found and each.first_us < found[-1].last_us:
            found[-1] = Played(
                found[-1].first_us,
                max(found[-1].last_us, each.last_us),
                max(found[-1].played_us, each.played_us),
                max(found[-1], each, key=lambda one: (one.last_us, one.done)).done,
            )
        else:
            found.append(each)
    return found


def _of_speaker(
    standing: Standing,
    aired: Sequence[Span],
    heard: Sequence[Span],
    played: Sequence[Played],
) -> SpeakerCoverage:
    expected = clipped(aired, standing.from_us, standing.to_us)
    due = without(expected, without(expected, heard))
    preempted = list(_preempted(expected, heard))
    gaps = preempted + list(_own_gaps(due, runs_apart(played)))
    gaps.sort(key=lambda gap: (gap.from_us, gap.to_us))
    # Edges at which the zone did not hear it yet, or any more, are expected of nobody.
    expected_us = length_us(due) + sum(gap.missed_us for gap in preempted)
    missed_us = min(expected_us, sum(gap.missed_us for gap in gaps))
    tally = Tally(expected_us, expected_us - missed_us, 1, not gaps)
    return SpeakerCoverage(standing.speaker_id, standing.zone_id, tally, tuple(gaps))


def _of_zone(
    zone_id: str, speakers: Sequence[SpeakerCoverage], gaps: tuple[Gap, ...]
) -> ZoneCoverage:
    incomplete = tuple(each for each in speakers if each.gaps)
    tally = sum((each.tally for each in speakers), Tally())
    return ZoneCoverage(zone_id, tally, gaps, incomplete)


def _preempted(aired: Iterable[Span], heard: Sequence[Span]) -> Iterator[Gap]:
    for start, end in without(aired, heard):
        if end - start > EDGE_TOLERANCE_US:
            yield Gap(start, end, end - start, GapCause.PREEMPTED)


def _own_gaps(due: Sequence[Span], runs: Sequence[Played]) -> Iterator[Gap]:
    """Yield what a speaker missed of *due*, which its zone heard."""
    reached = [(each.first_us, each.last_us) for each in runs]
    uncovered = without(due, reached)
    nothing = length_us(uncovered) == length_us(due)
    for start, end in uncovered:
        # However short it was, who heard nothing at all missed it.
        if nothing or end - start > EDGE_TOLERANCE_US:
            unconfirmed_us = min(end - start, _unconfirmed_us(start, runs))
            yield Gap(start, end, end - start, GapCause.NOT_RECEIVED, unconfirmed_us)
    for each in runs:
        yield from _lost(due, each)


def _unconfirmed_us(from_us: int, runs: Sequence[Played]) -> int:
    """Return for how long a speaker may have played on, unreported, from an instant."""
    cut_off = any(each.last_us == from_us and not each.done for each in runs)
    return REPORT_INTERVAL_US if cut_off else 0


def _lost(due: Sequence[Span], run: Played) -> Iterator[Gap]:
    within = clipped(due, run.first_us, run.last_us)
    whole_us = length_us(within)
    lost_us = whole_us - run.played_us
    # A speaker moved meanwhile has played in two zones: what it lost is then too low.
    if lost_us > max(EDGE_TOLERANCE_US, LOSS_TOLERANCE_SHARE * whole_us):
        yield Gap(within[0][0], within[-1][1], lost_us, GapCause.LOST)
