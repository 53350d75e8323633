"""What the API takes, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from streamer.air.priority import Comeback, Conflict
from streamer.air.replay import DEFAULT_REPLAY_SHARE
from streamer.api.fields import (
    Flag,
    Id,
    Level,
    Name,
    NewZoneId,
    PlayoutDelay,
    Role,
    Seconds,
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
    emergency_volume_percent: Volume | None = None
    "Floor of a speaker's volume while an emergency sounds; None: inherited."


class ZoneChange(Request):
    """What shall be different about a zone; absent members stay."""

    name: Name | None = None
    parent_id: Id | None = None
    playout_delay_ms: PlayoutDelay | None = None
    public: Flag | None = None
    emergency_volume_percent: Volume | None = None


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
    extra_delay_ms: Annotated[int, Field(ge=0, le=1000)] | None = None


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


class RecordingSource(Request):
    """Broadcast the recording of an earlier broadcast, or a part of it."""

    kind: Literal["recording"]
    broadcast_id: Id
    from_s: Seconds = 0
    to_s: Seconds | None = None
    "None: to its end."

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.to_s is not None and self.to_s <= self.from_s:
            raise ValueError("to_s is not after from_s")
        return self


class RelaySource(Request):
    """Broadcast another station, live, until it is stopped."""

    kind: Literal["relay"]
    url: Annotated[str, Field(min_length=1, max_length=2000)]
    fallback_file_id: Id | None = None
    "Heard while the station is silent or cannot be reached."


class Repetition(Request):
    """Again and again, until it is stopped."""

    gap_s: Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)] = 0
    "Silence between two times; ISO 7240-16 wants 30 s at most."


SourceRequest = Annotated[
    FileSource | ToneSource | MicrophoneSource | RecordingSource | RelaySource,
    Field(discriminator="kind"),
]


class NewBroadcast(Request):
    """A broadcast to start now."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: SourceRequest
    zone_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    programme_class: Annotated[ProgrammeClass, Field(alias="class")]
    title: Title
    chime: bool = False
    conflict: Conflict = Conflict.WAIT
    "What it does where one of its own class is on air."
    comeback: Comeback = Comeback.REJOIN
    "What becomes of it when it is interrupted."
    skip_after_s: Annotated[int, Field(ge=0, le=86_400, strict=True)] | None = None
    "It is over once nobody has heard it for longer than this."
    replay_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = (
        DEFAULT_REPLAY_SHARE
    )
    "With the comeback `replay`: who missed more gets the missed part later."
    attention_s: Literal[0, 3, 10] = 0
    "Of an emergency: the signal before its first word, in the chime's place."
    repeat: Repetition | None = None
    "Of a file or a recording."

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.attention_s and self.programme_class is not ProgrammeClass.EMERGENCY:
            raise ValueError("attention_s is for emergencies only")
        if self.repeat is not None and self.source.kind not in ("file", "recording"):
            raise ValueError(f"a {self.source.kind} cannot be repeated")
        return self


class Zones(Request):
    """Some zones and all below them, or everything one may reach.

    The zone `*` is every zone, also one that is made later; for who is bound to none.
    """

    zone_ids: list[Id] = Field(default_factory=list, max_length=1000)
    everything: Flag = False

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.everything == bool(self.zone_ids):
            raise ValueError("name zones, or say everything")
        return self


class Silencing(Zones):
    """Zones that shall hear nothing until that is lifted."""

    reason: Annotated[str, Field(max_length=200)] = ""


class Queue(Request):
    """In which order waiting priority broadcasts shall be heard."""

    broadcast_ids: Annotated[list[Id], Field(min_length=1, max_length=500)]
