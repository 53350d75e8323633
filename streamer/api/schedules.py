"""The schedule as the API takes and gives it, as JSON."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, NaiveDatetime

from streamer.air.entrycheck import (
    MAX_DURATION_S,
    MAX_EXCEPTIONS,
    MAX_GRACE_S,
    MAX_ITEMS,
    MAX_URL_CHARACTERS,
    MAX_ZONES,
)
from streamer.air.priority import Comeback, Conflict
from streamer.air.recurrence import MAX_TEXT_CHARACTERS
from streamer.air.schedule import DEFAULT_GRACE_S, Fill
from streamer.air.timetable import OutcomeKind
from streamer.air.walltime import DEFAULT_TIME_ZONE
from streamer.api.answers import Answer
from streamer.api.fields import Flag, Id, Title, Utc
from streamer.api.requests import Request
from streamer.wire.control import ProgrammeClass

Seconds = Annotated[int, Field(ge=1, le=MAX_DURATION_S, strict=True)]


class FilePart(Request):
    """An uploaded file, from its beginning."""

    kind: Literal["file"]
    file_id: Id


class RecordingPart(Request):
    """The recording of an earlier broadcast."""

    kind: Literal["recording"]
    broadcast_id: Id


class RelayPart(Request):
    """Another station, for so long."""

    kind: Literal["relay"]
    url: Annotated[str, Field(min_length=1, max_length=MAX_URL_CHARACTERS)]
    """Its user, password and query are write only: see `EntryInfo`.

    Sent as it was shown, in the place of the same entry, it stays as it is stored.
    """
    duration_s: Seconds
    fallback_file_id: Id | None = None
    "Heard while the station is silent or cannot be reached."


class TonePart(Request):
    """A generated signal."""

    kind: Literal["tone"]
    pattern: Literal["chirps", "music", "bulletin", "siren"]
    duration_s: Seconds


Part = Annotated[
    FilePart | RecordingPart | RelayPart | TonePart, Field(discriminator="kind")
]


class NewEntry(Request):
    """A programme that shall be broadcast, once or again and again."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    title: Title
    zone_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_ZONES)]
    programme_class: Annotated[ProgrammeClass, Field(alias="class")]
    items: Annotated[list[Part], Field(min_length=1, max_length=MAX_ITEMS)]
    "Played one after the other."
    starts_local: NaiveDatetime
    "The first start, as the clock on the wall shows it."
    duration_s: Seconds
    "Of the slot."
    time_zone: Annotated[str, Field(max_length=64)] = DEFAULT_TIME_ZONE
    recurrence: Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)] | None = None
    "A rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=MO,FR`; without one, once."
    except_dates: list[date] = Field(default_factory=list, max_length=MAX_EXCEPTIONS)
    "Days on which it does not start: holidays, and what was cancelled."
    except_starts: list[NaiveDatetime] = Field(
        default_factory=list, max_length=MAX_EXCEPTIONS
    )
    fill: Fill = Fill.FADE
    filler_file_id: Id | None = None
    "Repeated to the end of the slot when the items are over too early."
    grace_s: Annotated[int, Field(ge=0, le=MAX_GRACE_S, strict=True)] = DEFAULT_GRACE_S
    chime: Flag = False
    conflict: Conflict = Conflict.WAIT
    comeback: Comeback = Comeback.REJOIN
    skip_after_s: Annotated[int, Field(ge=0, strict=True)] | None = None
    enabled: Flag = True

    def document(self) -> dict[str, Any]:
        """Return it as `streamer.air.entrydocument` reads it."""
        return self.model_dump(mode="json", by_alias=True)


class ImportOptions(Request):
    """What the events of other programs shall broadcast, where, and as what."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    zone_id: list[Id] = Field(default_factory=list, max_length=MAX_ZONES)
    programme_class: Annotated[ProgrammeClass, Field(alias="class")] = (
        ProgrammeClass.NORMAL
    )
    file_id: Id | None = None
    relay_url: Annotated[str, Field(max_length=MAX_URL_CHARACTERS)] | None = None

    def document(self) -> dict[str, Any] | None:
        """Return it as half a document; None when not enough was said."""
        items: list[dict[str, Any]] = []
        if self.file_id is not None:
            items.append({"kind": "file", "file_id": self.file_id})
        if self.relay_url is not None:  # to the slot's end, which fades it out
            relay = {"kind": "relay", "url": self.relay_url}
            items.append(relay | {"duration_s": MAX_DURATION_S})
        if not items or not self.zone_id:
            return None
        return {
            "zone_ids": list(dict.fromkeys(self.zone_id)),
            "class": self.programme_class.value,
            "items": items,
        }


class EntryInfo(Answer):
    """An entry of the schedule.

    In the addresses of relays, user and password, the values of the query and the
    fragment are shown as `***`, to everybody and in the calendar as well: another
    station's secret can be set, and never read. To keep it, send the address back as
    it was shown; one that is masked and is not the entry's own is refused.
    """

    model_config = ConfigDict(populate_by_name=True)

    id: str
    uid: str
    "Its name in iCalendar."
    title: str
    zone_ids: list[str]
    programme_class: Annotated[ProgrammeClass, Field(alias="class")]
    items: list[dict[str, Any]]
    starts_local: str
    duration_s: int
    time_zone: str
    recurrence: str | None
    except_dates: list[date]
    except_starts: list[str]
    fill: Fill
    filler_file_id: str | None
    grace_s: int
    chime: bool
    conflict: Conflict
    comeback: Comeback
    skip_after_s: int | None
    enabled: bool
    planned_by: str
    armed_utc: Utc
    "When it was made or changed; starts before it are none of its own."
    next_start_utc: Utc | None


class OutcomeInfo(Answer):
    """What became of a planned start."""

    entry_id: str
    start_utc: Utc
    "When it was planned."
    kind: OutcomeKind
    title: str
    zone_ids: list[str]
    late_s: int
    broadcast_id: str | None
    detail: str
    decided_utc: Utc


class OccurrenceInfo(Answer):
    """A planned start; in the past, with what became of it."""

    entry_id: str
    title: str
    zone_ids: list[str]
    start_utc: Utc
    start_local: str
    "As the clock on the wall shows it, where the entry is."
    end_utc: Utc
    outcome: OutcomeInfo | None
