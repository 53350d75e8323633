"""What the API tells of the as-run log and of coverage, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from streamer.air.coverage import Gap, SpeakerCoverage, Tally, ZoneCoverage
from streamer.air.spans import Span
from streamer.api.answers import Answer
from streamer.api.fields import Utc
from streamer.store.asrunevents import AsRunEntry
from streamer.store.columns import utc_of_us
from streamer.studio.coverage_report import BroadcastReport, MonthReport


class LogEvent(Answer):
    """An event of the as-run log."""

    serial: int
    at_utc: Utc
    kind: str
    broadcast_id: str | None
    zone_ids: list[str]
    actor: str | None
    actor_name: str | None
    "By what it was called then, or else is called now."
    cause: str | None
    detail: dict[str, Any]
    hash: str


class LogHead(Answer):
    """The end of the log; whoever notes it can prove later that nothing was cut."""

    count: int
    hash: str


class LogPage(Answer):
    """Some events, in order."""

    events: list[LogEvent]
    head: LogHead
    next: int | None
    "What to ask for as `after`, or latest first as `before`; None: there are no more."


class SpanInfo(Answer):
    """A time."""

    from_utc: Utc
    to_utc: Utc


class GapInfo(SpanInfo):
    """Something that was missed."""

    missed_s: float
    cause: str
    "preempted, not_received, lost."
    unconfirmed_s: float
    "Of it, what may have been played but was never reported."


class TallyInfo(Answer):
    """How much of what should have been heard was, summed over speakers."""

    percent: float | None
    "Rounded down; None where nobody should have heard anything."
    expected_s: float
    heard_s: float
    speakers: int
    complete_speakers: int


class SpeakerGaps(Answer):
    """A speaker that did not receive all of it."""

    speaker_id: str
    name: str | None
    "None when it is no longer enrolled."
    percent: float | None
    gaps: list[GapInfo]


class ZoneTally(TallyInfo):
    """The speakers that stood in a zone, not below it."""

    zone_id: str


class ZoneGaps(Answer):
    """A zone that did not receive all of it, or of which a speaker did not."""

    zone_id: str
    gaps: list[GapInfo]
    "When the zone as a whole did not hear it."
    speakers: list[SpeakerGaps]


class BroadcastTally(TallyInfo):
    """How well a broadcast was received."""

    broadcast_id: str
    title: str
    started_utc: Utc
    ended_utc: Utc | None
    preliminary: bool
    "It is on air, or speakers may still tell."


class BroadcastCoverage(BroadcastTally):
    """Who received a broadcast, and who missed what."""

    aired: list[SpanInfo]
    "When its source ran."
    zones: list[ZoneTally]
    incomplete: list[ZoneGaps]


class MonthCoverage(TallyInfo):
    """How well the broadcasts of a month were received."""

    month: str
    zone_id: str | None
    from_utc: Utc
    until_utc: Utc
    zones: list[ZoneTally]
    broadcasts: list[BroadcastTally]


def log_event(entry: AsRunEntry, names: Mapping[str, str]) -> LogEvent:
    """Return *entry*; *names* are those of the tokens there are now."""
    said = entry.detail.get("actor_name")
    name = said if isinstance(said, str) else names.get(entry.actor or "")
    return LogEvent(
        serial=entry.serial,
        at_utc=entry.at_utc,
        kind=entry.kind,
        broadcast_id=entry.broadcast_id,
        zone_ids=list(entry.zone_ids),
        actor=entry.actor,
        actor_name=name,
        cause=entry.cause,
        detail=dict(entry.detail),
        hash=entry.hash,
    )


def broadcast_coverage(
    report: BroadcastReport, names: Mapping[str, str]
) -> BroadcastCoverage:
    """Return who received a broadcast; *names* are those of the speakers."""
    found = report.coverage
    return BroadcastCoverage(
        **_broadcast_members(report),
        aired=[SpanInfo(**_span_members(each)) for each in report.aired],
        zones=[_zone_tally(each.zone_id, each.tally) for each in found.zones],
        incomplete=[_zone_gaps(each, names) for each in found.incomplete_zones],
    )


def month_coverage(
    report: MonthReport, *, month: str, zone_id: str | None
) -> MonthCoverage:
    """Return how well the broadcasts of a month were received."""
    return MonthCoverage(
        **_tally_members(report.tally),
        month=month,
        zone_id=zone_id,
        from_utc=report.from_utc,
        until_utc=report.until_utc,
        zones=[_zone_tally(*each) for each in report.zones],
        broadcasts=[
            BroadcastTally(**_broadcast_members(each)) for each in report.broadcasts
        ],
    )


def _broadcast_members(report: BroadcastReport) -> dict[str, Any]:
    broadcast = report.broadcast
    return _tally_members(report.coverage.tally) | {
        "broadcast_id": broadcast.id,
        "title": broadcast.title,
        "started_utc": broadcast.started_utc or broadcast.accepted_utc,
        "ended_utc": broadcast.ended_utc,
        "preliminary": report.preliminary,
    }


def _tally_members(tally: Tally) -> dict[str, Any]:
    return {
        "percent": tally.percent,
        "expected_s": tally.expected_us / 1e6,
        "heard_s": tally.heard_us / 1e6,
        "speakers": tally.speakers,
        "complete_speakers": tally.complete,
    }


def _zone_tally(zone_id: str, tally: Tally) -> ZoneTally:
    return ZoneTally(zone_id=zone_id, **_tally_members(tally))


def _zone_gaps(zone: ZoneCoverage, names: Mapping[str, str]) -> ZoneGaps:
    return ZoneGaps(
        zone_id=zone.zone_id,
        gaps=[_gap(each) for each in zone.gaps],
        speakers=[_speaker_gaps(each, names) for each in zone.incomplete],
    )


def _speaker_gaps(speaker: SpeakerCoverage, names: Mapping[str, str]) -> SpeakerGaps:
    return SpeakerGaps(
        speaker_id=speaker.speaker_id,
        name=names.get(speaker.speaker_id),
        percent=speaker.tally.percent,
        gaps=[_gap(each) for each in speaker.gaps],
    )


def _gap(gap: Gap) -> GapInfo:
    return GapInfo(
        **_span_members((gap.from_us, gap.to_us)),
        missed_s=gap.missed_us / 1e6,
        cause=gap.cause.value,
        unconfirmed_s=gap.unconfirmed_us / 1e6,
    )


def _span_members(span: Span) -> dict[str, datetime]:
    return {"from_utc": utc_of_us(span[0]), "to_utc": utc_of_us(span[1])}
