"""The control messages by which a listener learns its place and what it hears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.bus.bus import OnAir
from streamer.fanout.frames import text_frame
from streamer.fanout.listener import ListenerIdentity
from streamer.wire.control import (
    Idle,
    Programme,
    Settings,
    Welcome,
    serialize,
)
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE


@dataclass(frozen=True, slots=True)
class Host:
    """What listeners are told of the server."""

    whep_port: int | None = None
    "TCP; None where there is no WebRTC."
    api_port: int | None = None
    clock_utc_us: Callable[[], int | None] = lambda: None
    "UTC at which the media clock was at 0, by what the wall clock says now."
    signing_key: str | None = None
    "Of its documents, in base64."
    return_spread_ms: Callable[[], int | None] = lambda: None
    "Over which time its listeners should come back if it is gone without a goodbye."


NOBODY = Host()


def welcome(identity: ListenerIdentity, *, ptime_ms: int, host: Host = NOBODY) -> bytes:
    """Return the frame that tells a listener who and where it is."""
    message = Welcome(
        identity.speaker_id,
        identity.zone_id,
        ptime_ms,
        whep_port=host.whep_port,
        api_port=host.api_port,
        clock_utc_us=host.clock_utc_us(),
        signing_key=host.signing_key,
        return_spread_ms=host.return_spread_ms(),
    )
    return text_frame(serialize(message))


def settings(identity: ListenerIdentity) -> bytes:
    """Return the frame that tells a listener how to sound."""
    message = Settings(
        identity.volume_percent,
        identity.playout_delay_ms,
        identity.emergency_volume_percent,
        identity.extra_delay_ms or None,
    )
    return text_frame(serialize(message))


def announcement(on_air: OnAir | None, *, from_ns: int) -> bytes:
    """Return the frame by which *on_air*, or silence, is heard from an instant on."""
    from_us = from_ns // 1000
    if on_air is None:
        return text_frame(serialize(Idle(from_us)))
    message = Programme(
        broadcast=on_air.broadcast_id,
        programme_class=on_air.programme_class,
        title=on_air.title,
        ssrc=on_air.ssrc,
        payload_type=OPUS_PAYLOAD_TYPE,
        timestamp=on_air.first_timestamp,
        clock_us=on_air.origin_ns // 1000,
        from_us=from_us,
    )
    return text_frame(serialize(message))
