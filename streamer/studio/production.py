"""From an opened source to a take that is ready to be aired."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from streamer.media.frame import Pcm, ProgrammePacket, samples_to_ns, silence
from streamer.media.opus import libopus_version
from streamer.media.source import PcmSource, Source
from streamer.metrics import Metrics
from streamer.programme.chime import attention_signal, three_tone_gong
from streamer.programme.programme import Programme, ProgrammeEnd, ProgrammeSettings
from streamer.programme.recorder import Recorder
from streamer.programme.thread import ProgrammeThread
from streamer.studio.broadcast import BroadcastRequest
from streamer.studio.live import Live


@dataclass(frozen=True, slots=True)
class Made:
    """A programme that nobody runs yet, and where its numbers begin."""

    programme: Programme
    thread: ProgrammeThread
    first_timestamp: int


@dataclass(frozen=True, slots=True)
class Production:
    """How this server's programmes are made.

    Use :meth:`prepare` once, off the event loop, before anything else.
    """

    settings: ProgrammeSettings
    recordings_directory: Path | None
    "Exists; None when nothing is recorded."
    metrics: Metrics

    def prepare(self) -> None:
        """Load and compute what the first broadcast would otherwise wait for."""
        libopus_version()
        _gong()
        _ = self.lookahead_samples

    @property
    def lookahead_samples(self) -> int:
        """Decoded samples of every programme before its first sample of sound."""
        return _lookahead_samples(self.settings)

    @property
    def lookahead_ns(self) -> int:
        """How long before its first sample of sound a programme begins."""
        return samples_to_ns(self.lookahead_samples)

    def opening(self, request: BroadcastRequest) -> Pcm:
        """Return what sounds before the source; it may be nothing."""
        if request.attention_s:
            return _attention(request.attention_s)
        return _gong() if request.chime else silence(0)

    def make(
        self,
        source: Source,
        opening: Pcm,
        *,
        ssrc: int,
        start_ns: int,
        on_packet: Callable[[ProgrammePacket], None],
        on_end: Callable[[ProgrammeEnd], None],
    ) -> Made:
        """Return a programme of which the first packet is due at *start_ns*."""
        # RFC 3550, section 5.1: the first sequence number and timestamp are random.
        timestamp = secrets.randbits(32)
        programme = Programme(
            source,
            replace(self.settings, chime=opening),
            ssrc=ssrc,
            first_timestamp=timestamp,
            first_sequence=secrets.randbits(16),
            start_ns=start_ns,
        )
        thread = ProgrammeThread(
            programme,
            source,
            on_packet=on_packet,
            on_end=on_end,
            observe_step=self.metrics.encode_duration.observe,
        )
        return Made(programme, thread, timestamp)

    def recorder(self, live: Live) -> Recorder | None:
        """Return what records *live*, unless nothing is recorded."""
        if self.recordings_directory is None:
            return None
        return Recorder(
            self.recordings_directory / recording_name(live.id),
            pre_skip_samples=self.lookahead_samples,
            tags={
                "TITLE": live.request.title,
                "DATE": live.started_utc.isoformat(timespec="seconds"),
            },
        )


def recording_name(broadcast_id: str) -> str:
    """Return the file name of a broadcast's recording."""
    return f"{broadcast_id}.opus"


@cache
def _gong() -> Pcm:
    return three_tone_gong()


@cache
def _attention(duration_s: int) -> Pcm:
    return attention_signal(duration_s)


@cache
def _lookahead_samples(settings: ProgrammeSettings) -> int:
    programme = Programme(
        PcmSource(silence(0)),
        settings,
        ssrc=0,
        first_timestamp=0,
        first_sequence=0,
        start_ns=0,
    )
    programme.close()
    return programme.lookahead_samples
