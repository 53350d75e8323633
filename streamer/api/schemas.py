"""What the API takes and gives, as JSON; names bear their units."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from streamer.wire.control import ProgrammeClass

MAX_TITLE_CHARS = 200
MAX_NAME_CHARS = 100

Role = Literal["admin", "operator", "broadcaster", "monitor"]
Level = Literal["province", "commune", "village", "cluster"]
Volume = Annotated[int, Field(ge=0, le=100, strict=True)]
PlayoutDelay = Annotated[int, Field(ge=20, le=10_000, strict=True)]


def _printable(text: str) -> str:
    """Refuse control characters: they go into logs, tags and other people's pages."""
    if not text.isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


def _zulu(instant: datetime) -> str:
    """ISO 8601 in UTC with a Z, whole milliseconds."""
    text = instant.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARS),
    AfterValidator(_printable),
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARS),
    AfterValidator(_printable),
]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
NewZoneId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Utc = Annotated[datetime, PlainSerializer(_zulu, return_type=str)]


class Request(BaseModel):
    """A body that was sent to us; members we do not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """A body that we send."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class ServerInfo(Answer):
    """What a client needs to know before anything else."""

    name: str
    version: str
    stream_url_port: int
    clock_us: int
    "The server's media clock now."
    classes: list[str]


class Me(Answer):
    """Whose token was shown."""

    id: str
    name: str
    role: Role
    zone_id: str | None


class NewToken(Request):
    """A person or a program that shall use the API."""

    name: Name
    role: Role
    zone_id: Id | None = None
    expires_utc: AwareDatetime | None = None


class TokenInfo(Me):
    """A token without its secret."""

    created_utc: Utc
    expires_utc: Utc | None


class IssuedToken(TokenInfo):
    """A new token; the only time its secret is shown."""

    token: str


class NewZone(Request):
    """A node of the zone tree."""

    id: NewZoneId | None = None
    name: Name
    level: Level
    parent_id: Id | None = None
    playout_delay_ms: PlayoutDelay | None = None


class ZoneChange(Request):
    """What shall be different about a zone; absent members stay."""

    name: Name | None = None
    parent_id: Id | None = None
    playout_delay_ms: PlayoutDelay | None = None


class ZoneInfo(Answer):
    """A zone of the tree."""

    id: str
    parent_id: str | None
    name: str
    level: Level
    playout_delay_ms: int | None
    effective_playout_delay_ms: int


class NewSpeaker(Request):
    """A speaker to enrol."""

    name: Name
    zone_id: Id
    volume_percent: Volume = 100


class SpeakerChange(Request):
    """What shall be different about a speaker; absent members stay."""

    name: Name | None = None
    zone_id: Id | None = None
    volume_percent: Volume | None = None


class SpeakerInfo(Answer):
    """A speaker and how it is."""

    id: str
    name: str
    zone_id: str
    volume_percent: int
    connected: bool
    last_seen_utc: Utc | None
    report: dict[str, int | str | None] | None
    "What it last said of itself; see `report` in streamer/wire/FORMAT.md."


class EnrolledSpeaker(SpeakerInfo):
    """A speaker with a new credential; the only time that it is shown."""

    credential: str


class FileInfo(Answer):
    """An uploaded audio file."""

    id: str
    name: str
    duration_s: float
    codec: str
    sample_rate_hz: int
    channels: int


class FileSource(Request):
    """Broadcast an uploaded file."""

    kind: Literal["file"]
    file_id: Id


class ToneSource(Request):
    """Broadcast a generated test signal."""

    kind: Literal["tone"]
    pattern: Literal["chirps", "music", "bulletin", "siren"]
    duration_s: Annotated[float, Field(gt=0, le=86_400)] | None = None


class MicrophoneSource(Request):
    """Broadcast the microphone of a WHIP session."""

    kind: Literal["microphone"]
    session_id: Id


SourceRequest = Annotated[
    FileSource | ToneSource | MicrophoneSource, Field(discriminator="kind")
]


class NewBroadcast(Request):
    """A broadcast to start now."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: SourceRequest
    zone_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    programme_class: Annotated[ProgrammeClass, Field(alias="class")]
    title: Title
    chime: bool = False


class Loudness(Answer):
    """How loud a programme is."""

    peak_dbfs: float
    rms_dbfs: float


class ZoneHearing(Answer):
    """Whether a zone hears a broadcast now, and how many speakers of it."""

    zone_id: str
    heard: bool
    listeners: int


class HeardBy(Answer):
    """Who hears a broadcast now."""

    zones: list[ZoneHearing]
    listeners: int


class RecordingState(Answer):
    """What is kept of a broadcast."""

    available: bool
    complete: bool
    bytes: int


class BroadcastInfo(Answer):
    """A broadcast, on air or ended."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    title: str
    programme_class: Annotated[ProgrammeClass, Field(alias="class")]
    source_kind: str
    zone_ids: list[str]
    state: Literal["waiting", "opening", "on_air", "ended"]
    started_utc: Utc
    ended_utc: Utc | None
    end_reason: Literal["completed", "stopped", "failed", "interrupted"] | None
    end_detail: str | None
    started_by: str
    accepted_clock_us: int | None
    ssrc: int
    level: Loudness | None
    heard_by: HeardBy
    recording: RecordingState | None
    frames: int


class IntervalInfo(Answer):
    """A zone heard a broadcast between two instants."""

    zone_id: str
    from_utc: Utc
    to_utc: Utc | None


class AirInfo(Answer):
    """What a zone hears now."""

    model_config = ConfigDict(populate_by_name=True)

    zone_id: str
    broadcast_id: str | None
    title: str | None
    programme_class: Annotated[ProgrammeClass | None, Field(alias="class")]
    listeners: int


class RecordingInfo(Answer):
    """A recording that can be downloaded."""

    broadcast_id: str
    title: str
    started_utc: Utc
    duration_s: float
    bytes: int
    complete: bool
