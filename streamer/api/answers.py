"""What the API gives, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.api.fields import Level, Role, Utc
from streamer.wire.control import ProgrammeClass

EndReason = Literal[
    "completed", "stopped", "failed", "interrupted", "dropped", "skipped", "limited"
]


class Answer(BaseModel):
    """A body that we send."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class ServerInfo(Answer):
    """What a client needs to know before anything else."""

    name: str
    version: str
    stream_url_port: int
    webrtc_port: int | None
    "UDP; None where the server sends no WebRTC. Signalling is `/whep` of the API."
    clock_us: int
    "The server's media clock now."
    classes: list[str]


class Me(Answer):
    """Whose token was shown."""

    id: str
    name: str
    role: Role
    zone_id: str | None


class TokenInfo(Me):
    """A token without its secret."""

    created_utc: Utc
    expires_utc: Utc | None


class IssuedToken(TokenInfo):
    """A new token; the only time its secret is shown."""

    token: str


class ZoneInfo(Answer):
    """A zone of the tree."""

    id: str
    parent_id: str | None
    name: str
    level: Level
    playout_delay_ms: int | None
    effective_playout_delay_ms: int
    emergency_volume_percent: int | None
    effective_emergency_volume_percent: int | None
    "Speakers sound at least so loud in an emergency; None: there is no floor."
    public: bool
    "Marked itself; see `effective_public` for what is inherited."
    effective_public: bool


class OnAirInfo(Answer):
    """What anybody may know of a programme."""

    model_config = ConfigDict(populate_by_name=True)

    title: str
    programme_class: Annotated[ProgrammeClass, Field(alias="class")]


class PublicZone(Answer):
    """What anybody may know of a zone that is public."""

    id: str
    name: str
    parent_id: str | None
    "None also where the parent is not public."
    level: Level
    on_air: OnAirInfo | None


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
    extra_delay_ms: int
    "It plays later than its neighbours by so much."
    health: dict[str, int | str | bool | None] | None
    "How it said it was, and when: see `health` in streamer/wire/FORMAT.md."


class EnrolledSpeaker(SpeakerInfo):
    """A speaker with a new credential; the only time that it is shown."""

    credential: str


class FileInfo(Answer):
    """An uploaded audio file."""

    id: str
    name: str
    size_bytes: int
    duration_s: float
    codec: str
    sample_rate_hz: int
    channels: int


class Loudness(Answer):
    """How loud a programme is."""

    peak_dbfs: float
    rms_dbfs: float


class ZoneHearing(Answer):
    """Whether a zone hears a broadcast now, and how many listeners of it."""

    zone_id: str
    heard: bool
    listeners: int
    "Speakers, and people who listen by WebRTC."
    speakers: int


class HeardBy(Answer):
    """Who hears a broadcast now."""

    zones: list[ZoneHearing]
    listeners: int
    speakers: int


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
    state: Literal["waiting", "held", "opening", "on_air", "ended"]
    started_utc: Utc
    ended_utc: Utc | None
    end_reason: EndReason | None
    end_detail: str | None
    started_by: str
    accepted_clock_us: int | None
    ssrc: int | None
    level: Loudness | None
    heard_by: HeardBy
    recording: RecordingState | None
    frames: int


class IntervalInfo(Answer):
    """A zone heard a broadcast between two instants."""

    zone_id: str
    from_utc: Utc
    to_utc: Utc | None


class SilenceInfo(Answer):
    """A zone that hears nothing, nor does any zone below it."""

    zone_id: str
    "`*` is everything: every zone there is, and every one that is made while it holds."
    since_utc: Utc
    by: str
    "Name of who silenced it."
    reason: str


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
