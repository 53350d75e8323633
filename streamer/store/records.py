"""What the store holds, as values.

A field is a column of the same name; `*_utc` are aware datetimes. Zones are
`streamer.air.zones.Zone`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from streamer.air.priority import Origin
from streamer.wire.control import ProgrammeClass


class Role(StrEnum):
    """What a token may do within its zone; each may do what the next may."""

    ADMIN = "admin"
    OPERATOR = "operator"
    BROADCASTER = "broadcaster"
    MONITOR = "monitor"


class SourceKind(StrEnum):
    """What a broadcast's sound came from."""

    FILE = "file"
    TONE = "tone"
    MICROPHONE = "microphone"
    RECORDING = "recording"
    RELAY = "relay"
    PLAYLIST = "playlist"


class EndReason(StrEnum):
    """Why a broadcast is over."""

    COMPLETED = "completed"
    "Its source came to its end."
    STOPPED = "stopped"
    "Somebody stopped it."
    FAILED = "failed"
    "Its source died; the detail says of what."
    INTERRUPTED = "interrupted"
    "The server died; seen at the next start."
    DROPPED = "dropped"
    "It was interrupted, and was not to come back."
    SKIPPED = "skipped"
    "Nobody had heard it for longer than it may be late."
    LIMITED = "limited"
    "It lasted as long as the policies of its zones allow."


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A device that was enrolled."""

    id: str
    name: str
    zone_id: str
    volume_percent: int = 100
    secret_hash: str = field(repr=False)
    "SHA-256 of its credential's secret, in hex: see `credentials`."

    created_utc: datetime
    last_seen_utc: datetime | None = None
    extra_delay_ms: int = 0
    "It plays later than its neighbours by so much."
    health: Mapping[str, Any] | None = None
    "What it said of itself when it was last heard of; `seen_utc` says when."


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A person's or a system's right to use the API."""

    id: str
    name: str
    role: Role
    zone_id: str | None = None
    "The zone the role is bound to; None for everything."

    secret_hash: str = field(repr=False)
    created_utc: datetime
    expires_utc: datetime | None = None

    def valid_at(self, now_utc: datetime) -> bool:
        """Tell whether it has not expired."""
        return self.expires_utc is None or now_utc < self.expires_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFile:
    """A file that was uploaded and found to hold sound."""

    id: str
    name: str
    "As its uploader calls it; for people only, never a path."

    path: str
    "Where its bytes are, relative to the directory of files."

    size_bytes: int
    duration_ms: int
    codec: str
    sample_rate_hz: int
    channels: int
    created_utc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """One airing of a programme."""

    id: str
    title: str
    programme_class: ProgrammeClass
    origin: Origin
    source_kind: SourceKind
    source_detail: str = ""
    "The file's id, the pattern of the tone, the session of the microphone."

    zone_ids: tuple[str, ...]
    "What it was aimed at."

    started_by: str
    "Id of the token."

    accepted_utc: datetime
    started_utc: datetime | None = None
    "UTC of its first sample."

    ended_utc: datetime | None = None
    end_reason: EndReason | None = None
    end_detail: str = ""
    frames: int = 0
    "Packets sent, 20 ms each."

    recording_path: str | None = None
    "Relative to the directory of recordings."

    recording_bytes: int = 0
    recording_complete: bool = False
    "False while it is written, and for good when its end is missing."


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A time during which a zone heard a broadcast."""

    broadcast_id: str
    zone_id: str
    "Kept when the zone is deleted: the log stays true."

    from_utc: datetime
    to_utc: datetime | None = None
    "None while it is heard."
