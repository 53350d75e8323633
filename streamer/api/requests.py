"""What the API takes, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from streamer.api.fields import (
    Flag,
    Id,
    Level,
    Name,
    NewZoneId,
    PlayoutDelay,
    Role,
    Title,
    Volume,
)
from streamer.wire.control import ProgrammeClass


class Request(BaseModel):
    """A body that was sent to us; members we do not know are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewToken(Request):
    """A person or a program that shall use the API."""

    name: Name
    role: Role
    zone_id: Id | None = None
    expires_utc: AwareDatetime | None = None


class NewZone(Request):
    """A node of the zone tree."""

    id: NewZoneId | None = None
    name: Name
    level: Level
    parent_id: Id | None = None
    playout_delay_ms: PlayoutDelay | None = None
    public: Flag = False


class ZoneChange(Request):
    """What shall be different about a zone; absent members stay."""

    name: Name | None = None
    parent_id: Id | None = None
    playout_delay_ms: PlayoutDelay | None = None
    public: Flag | None = None


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
