"""A broadcast as the studio holds it: what was asked for and how it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from streamer.air.priority import Comeback, Conflict, Origin
from streamer.air.replay import DEFAULT_REPLAY_SHARE
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
    role: str = "admin"
    "In whose name policies are asked."
    conflict: Conflict = Conflict.WAIT
    comeback: Comeback = Comeback.REJOIN
    can_hold: bool = False
    "Its source can stand still and be opened again; its `delay_ns` is 0."
    skip_after_s: int | None = None
    "It is over once nobody has heard it for longer than this."
    replay_share: float = DEFAULT_REPLAY_SHARE
    "With `Comeback.REPLAY`: zones that missed more get the missed part later."
    attention_s: int = 0
    "The attention signal's length; it sounds in the place of the chime."
    exact: bool = False
    "Its zones stand for themselves alone, not for what is below them."
    duration_s: int | None = None
    "If it is known beforehand; policies may limit it."
    cause: str | None = None
    "Why it is aired if nobody asked for it just now: `schedule`, `replay`."
    more: Mapping[str, Any] = field(default_factory=dict)
    "For the as-run log, such as the schedule's entry."
    broadcast_id: str | None = None
    "Known beforehand, of what speakers may play by themselves; None: a new one."


@dataclass(frozen=True, slots=True)
class RecordingPart:
    """A source: a part of an earlier broadcast's recording."""

    broadcast_id: str
    start_samples: int = 0
    stop_samples: int | None = None
    "None: to its end."


@dataclass(frozen=True, slots=True)
class Repeated:
    """A source: another one again and again, until it is stopped."""

    source: Any
    gap_samples: int
    attention_s: int = 0
    "Sounds before each repetition."


class State(StrEnum):
    """What those who speak must know: whether they are heard."""

    WAITING = "waiting"
    "Heard in no zone now; it runs on, or has not begun."
    HELD = "held"
    "It stands still until it is heard again."
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
    DROPPED = "dropped"
    "It was interrupted, and was not to come back."
    SKIPPED = "skipped"
    "Nobody had heard it for longer than it may be late."
    LIMITED = "limited"
    "It lasted as long as the policies of its zones allow."


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
    ssrc: int | None
    "Of the take that is on air or was last; None while it waits to begin."
    level: Level | None
    heard_by: HeardBy
    recording: RecordingStatus | None
    frames: int
