"""A broadcast as the studio holds it while it is on the air."""

from __future__ import annotations

import asyncio
from datetime import datetime

from streamer.studio.airing import Airing
from streamer.studio.broadcast import BroadcastRequest, End, RecordingStatus


class Live:
    """A broadcast that is on the air or was a short while ago."""

    def __init__(
        self,
        broadcast_id: str,
        request: BroadcastRequest,
        *,
        ssrc: int,
        accepted_ns: int,
        started_utc: datetime,
    ) -> None:
        self.id = broadcast_id
        self.request = request
        self.ssrc = ssrc
        self.accepted_ns = accepted_ns
        self.started_utc = started_utc
        self.airing: Airing | None = None
        "None once everything is closed: it would hold the source's memory."
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
