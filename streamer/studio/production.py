"""From an opened source to a programme that is ready to be aired."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from streamer.bus.bus import OnAir
from streamer.media.frame import Pcm, ProgrammePacket
from streamer.media.opus import libopus_version
from streamer.media.source import Source
from streamer.metrics import Metrics
from streamer.programme.chime import three_tone_gong
from streamer.programme.programme import Programme, ProgrammeEnd, ProgrammeSettings
from streamer.programme.recorder import Recorder
from streamer.studio.airing import Airing
from streamer.studio.live import Live


@dataclass(frozen=True, slots=True)
class Production:
    """How this server's programmes are made.

    Use :meth:`prepare` once, off the event loop, then :meth:`produce`.
    """

    settings: ProgrammeSettings
    recordings_directory: Path | None
    "Exists; None when nothing is recorded."
    metrics: Metrics

    def prepare(self) -> None:
        """Load and compute what the first broadcast would otherwise wait for."""
        libopus_version()
        _gong()

    def produce(
        self,
        live: Live,
        source: Source,
        *,
        on_packet: Callable[[ProgrammePacket], None],
        on_end: Callable[[ProgrammeEnd], None],
    ) -> tuple[Airing, OnAir]:
        """Return the airing, due to start now, and how it is announced."""
        # RFC 3550, section 5.1: the first sequence number and timestamp are random.
        timestamp = secrets.randbits(32)
        programme = Programme(
            source,
            replace(self.settings, chime=_gong() if live.request.chime else None),
            ssrc=live.ssrc,
            first_timestamp=timestamp,
            first_sequence=secrets.randbits(16),
            start_ns=time.monotonic_ns(),
        )
        airing = Airing(
            programme,
            source,
            recorder=self._recorder(live, programme),
            on_packet=on_packet,
            on_end=on_end,
            observe_step=self.metrics.encode_duration.observe,
        )
        return airing, _announcement(live, timestamp, programme.origin_ns)

    def _recorder(self, live: Live, programme: Programme) -> Recorder | None:
        if self.recordings_directory is None:
            return None
        return Recorder(
            self.recordings_directory / recording_name(live.id),
            pre_skip_samples=programme.lookahead_samples,
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


def _announcement(live: Live, first_timestamp: int, origin_ns: int) -> OnAir:
    return OnAir(
        ssrc=live.ssrc,
        broadcast_id=live.id,
        programme_class=live.request.programme_class,
        title=live.request.title,
        first_timestamp=first_timestamp,
        origin_ns=origin_ns,
        accepted_ns=live.accepted_ns,
    )
