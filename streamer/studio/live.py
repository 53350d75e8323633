"""A broadcast as the studio holds it while it is on the air."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from streamer.air.difference import AirEvent
from streamer.studio.broadcast import (
    BroadcastRequest,
    End,
    Reason,
    RecordingStatus,
)

if TYPE_CHECKING:
    from streamer.studio.airing import Airing  # it holds a `Live` itself


class Live:
    """A broadcast that is on the air or was a short while ago."""

    def __init__(
        self,
        broadcast_id: str,
        request: BroadcastRequest,
        *,
        accepted_ns: int,
        started_utc: datetime,
    ) -> None:
        self.id = broadcast_id
        self.request = request
        self.ssrc: int | None = None
        "Of the take that is on air or was last; None until its source begins."
        self.accepted_ns = accepted_ns
        self.started_utc = started_utc
        self.airing: Airing | None = None
        "None once everything is closed: it would hold the source's memory."
        self.held = False
        "Its source stands still until it is heard again."
        self.limit: asyncio.TimerHandle | None = None
        "Ends it when it has lasted as long as it may."
        self.events: list[AirEvent] = []
        "What happened to it, if missed parts are to be replayed."
        self.stopped_by: Reason | None = None
        "Why it was asked to end."
        self.stop_detail = ""
        self.stopper: str | None = None
        "Who asked: a token's id."
        self.interrupted = False
        "It ends because the server does."
        self.end: End | None = None
        self.frames = 0
        self.recording: RecordingStatus | None = None
        self.ended = asyncio.Event()
        "No packet follows."
        self.closed = asyncio.Event()
        "Its thread and its recording are closed as well, and the log knows."

    def settle(self) -> None:
        """Keep what is still asked for and let go of the rest."""
        if self.airing is not None:
            self.frames = self.airing.frames
            self.recording = self.airing.recording
            self.airing = None
