"""How a speaker is doing: for its own program, and as it reports to the server."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clients.speaker.loudness import percent_of
from clients.speaker.policy import Transport
from clients.speaker.stream import Counters
from streamer.wire.control import Programme, Report, Settings, Welcome

FLOOR_DBFS = -127


@dataclass(frozen=True, slots=True)
class SpeakerStatus:
    """How a speaker is doing now."""

    connected: bool
    welcome: Welcome | None
    settings: Settings
    playing: Programme | None
    "What is heard now: broadcast, title, class."
    clock_synchronised: bool
    clock_offset_ns: int
    "Server's clock minus ours."
    clock_drift_ppm: float
    clock_uncertainty_ns: int
    device_drift_ppm: float
    round_trip_ns: int
    counters: Counters
    connections: int
    "How often the server welcomed us."
    last_mishap: str | None
    transport: Transport = Transport.WEBSOCKET
    "What brings its audio now: websocket or webrtc."
    webrtc_mishap: str | None = None
    "Why WebRTC failed last, if it did."
    takeovers: int = 0
    "How often a second connection took over from one that was silent."
    sounding: bool = True
    "Whether the device takes samples: a sound card that is gone does not."
    receipts_dropped: int = 0
    "Broadcasts that the server will never have an account of: the link was away."


def make_report(status: SpeakerStatus, *, audio_power: float) -> Report:
    """Return *status* as the server wants it.

    Args:
        status: Of now.
        audio_power: Mean square of what left since the report before; 1 is full scale.
    """
    counters, playing = status.counters, status.playing
    return Report(
        broadcast=None if playing is None else playing.broadcast,
        packets_received=counters.packets_received,
        packets_lost=counters.packets_lost,
        packets_discarded=counters.packets_discarded,
        total_samples_received=counters.total_samples_received,
        concealed_samples=counters.concealed_samples,
        silent_concealed_samples=counters.silent_concealed_samples,
        concealment_events=counters.concealment_events,
        round_trip_time_us=status.round_trip_ns // 1000,
        clock_offset_us=status.clock_offset_ns // 1000,
        clock_drift_ppm=round(status.clock_drift_ppm),
        audio_level_dbfs=_dbfs(audio_power),
        volume_percent=percent_of(status.settings, playing),
        transport=str(status.transport),
    )


def _dbfs(power: float) -> int:
    return max(FLOOR_DBFS, round(10 * math.log10(max(power, 1e-13))))
