"""A broadcast as the studio holds it: what was asked for and how it goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from streamer.air.priority import Origin
from streamer.media.level import Level
from streamer.media.source import Source
from streamer.wire.control import ProgrammeClass


class SourceOpener(Protocol):
    """Turns what was asked for into a source; given to the studio by the server."""

    async def open(self, wanted: Any) -> Source:
        """Return the source, ready to be read.

        Raises:
            SourceRefusedError: It cannot be opened; says why.
        """
        ...


@dataclass(frozen=True, slots=True)
class BroadcastRequest:
    """What somebody wants to put on the air."""

    source: Any
    "Understood by the `SourceOpener` alone."
    source_kind: str
    source_detail: str
    "For the log: the file's id, the tone's pattern, the microphone's session."
    zone_ids: tuple[str, ...]
    programme_class: ProgrammeClass
    origin: Origin
    title: str
    chime: bool
    started_by: str
    "Name of the person or program, for other people."
    token_id: str


class State(StrEnum):
    """What those who speak must know: whether they are heard."""

    WAITING = "waiting"
    "Heard in no zone now."
    OPENING = "opening"
    "The chime sounds."
    ON_AIR = "on_air"
    "What the source gives now is heard in at least one zone."
    ENDED = "ended"


class Reason(StrEnum):
    """Why a broadcast ended."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    "The server ended."


@dataclass(frozen=True, slots=True)
class End:
    """How a broadcast ended."""

    ended_utc: datetime
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """What is kept of a broadcast."""

    available: bool
    complete: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class ZoneHearing:
    """Whether a zone that was aimed at hears it now, and how many listeners do."""

    zone_id: str
    heard: bool
    listeners: int
    "All of them."
    speakers: int
    "Enrolled speakers among them."


@dataclass(frozen=True, slots=True)
class HeardBy:
    """Who hears a broadcast now."""

    zones: tuple[ZoneHearing, ...]
    listeners: int
    speakers: int


@dataclass(frozen=True, slots=True)
class BroadcastStatus:
    """Everything that is told about a broadcast, at one instant."""

    id: str
    title: str
    programme_class: ProgrammeClass
    source_kind: str
    zone_ids: tuple[str, ...]
    state: State
    started_utc: datetime
    ended_utc: datetime | None
    end_reason: Reason | None
    end_detail: str | None
    started_by: str
    accepted_clock_us: int | None
    "The server's media clock when the start was asked for; None after a restart."
    ssrc: int
    level: Level | None
    heard_by: HeardBy
    recording: RecordingStatus | None
    frames: int
