"""Control messages of a listener's connection: one JSON object per text message.

FORMAT.md is normative. Each message is a frozen dataclass; :func:`serialize` and
:func:`parse_from_server` / :func:`parse_from_listener` are inverse to each other.
Unknown members are ignored and unknown types reported, so that versions mix.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, TypeVar, get_args

from streamer.wire.errors import LocalWireError, RemoteWireError
from streamer.wire.health import Health
from streamer.wire.members import (
    Count,
    Kinds,
    convert,
    is_text,
    kinds_of,
    load_object,
)

SUBPROTOCOL = "loacast.v1"
"Offered and required in ``Sec-WebSocket-Protocol``; names the format's version."
MAX_CONTROL_BYTES = 4096
"Longest control message, in UTF-8."
MAX_BURST_PACKETS = 256
"Most RTP packets in one binary message."
PTIMES_MS = (20, 40, 60)
"What a listener may ask to get per binary message."


class CloseCode:
    """WebSocket close codes we send (RFC 6455, section 7.4.1, and FORMAT.md)."""

    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013
    REPLACED = 4001  # RFC 6455, section 7.4.2: private use


class ProgrammeClass(StrEnum):
    """How much a programme matters; the arbiter's order is in `streamer.air`."""

    BACKGROUND = "background"
    NORMAL = "normal"
    PRIORITY = "priority"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Welcome:
    """First message of the server: who the listener is."""

    type: ClassVar[str] = "welcome"
    speaker: str
    "Identifier of the speaker whose credential was shown."
    zone: str
    "Identifier of the zone it stands in."
    ptime_ms: int
    "Audio per binary message, as asked for."
    whep_port: int | None = None
    "TCP port where the server takes WHEP offers; None: it has no WebRTC."
    api_port: int | None = None
    "TCP port of the server's API, on the same host."
    clock_utc_us: int | None = None
    "UTC, in microseconds since 1970, at which the media clock was at 0."
    signing_key: str | None = None
    "Ed25519 key of the server's documents (RFC 8032), 32 bytes in base64."
    return_spread_ms: int | None = None
    "Who loses this server without a goodbye comes back over so much time."


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sound; sent after the welcome and whenever it changes."""

    type: ClassVar[str] = "settings"
    volume_percent: int
    "0 (mute) to 100."
    playout_delay_ms: int
    "D: a sample captured at c is played at c + D on the server's clock."
    emergency_volume_percent: int | None = None
    "An emergency is played at no less, 0 to 100; None: at the volume, like all else."
    extra_delay_ms: int | None = None
    "This speaker plays later by so much, on top of D; 0 to 1000, None for 0."


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme is heard in the listener's zone from `from_us` on.

    The sample with RTP timestamp t was captured at
    ``clock_us + ((t - timestamp) mod 2**32) / 0.048`` on the server's clock.
    """

    type: ClassVar[str] = "programme"
    broadcast: str
    programme_class: ProgrammeClass
    title: str
    ssrc: int
    payload_type: int
    timestamp: int
    clock_us: int
    from_us: int
    "Media instant of the switch; packets captured before it are pre-roll only."


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is heard in the listener's zone from `from_us` on."""

    type: ClassVar[str] = "idle"
    from_us: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The server is about to close; come back after the hint, with full jitter."""

    type: ClassVar[str] = "goodbye"
    reason: str
    retry_after_ms: int


@dataclass(frozen=True, slots=True)
class ManifestChanged:
    """There is another manifest for the listener's zone: fetch it when convenient."""

    type: ClassVar[str] = "manifest"
    version: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """A signed order, as `streamer.wire.documents` reads it."""

    type: ClassVar[str] = "order"
    signed: str


@dataclass(frozen=True, slots=True)
class Ping:
    """A listener asks for the server's clock."""

    type: ClassVar[str] = "ping"
    sent_us: int
    "The listener's own clock; returned as it is."


@dataclass(frozen=True, slots=True)
class Pong:
    """The server's answer to a `Ping` (RFC 5905, section 8: T1, T2, T3)."""

    type: ClassVar[str] = "pong"
    sent_us: int
    received_us: int
    transmitted_us: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a speaker received and played since it connected.

    Counters are named as in W3C webrtc-stats; times are in seconds there, in
    whole units of the name's suffix here.
    """

    type: ClassVar[str] = "report"
    broadcast: str | None
    "What it is playing now."
    packets_received: int
    packets_lost: int
    packets_discarded: int
    "Arrived too late to be played, or twice."
    total_samples_received: int
    concealed_samples: int
    silent_concealed_samples: int
    concealment_events: int
    round_trip_time_us: int
    clock_offset_us: int
    clock_drift_ppm: int
    audio_level_dbfs: int
    volume_percent: int
    transport: str | None = None
    "What carries its audio now: ``websocket`` or ``webrtc``."


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a speaker played of one broadcast, all told: a later one replaces it.

    Samples are those rendered for its device while the broadcast was what its zone
    heard, whatever the volume; pre-roll and the fade after a switch are left out.
    """

    type: ClassVar[str] = "receipt"
    broadcast: str
    packets_received: Count
    "Pre-roll and what was discarded included."
    total_samples_received: Count
    "Played or concealed."
    played_samples: Count
    "Made of packets."
    concealed_samples: Count
    "Made up, or silence where packets were missing."
    complete: bool
    "It is not heard here any more; if it comes back, so do receipts."
    first_played_us: int | None = None
    "Media instant of the first sample made of a packet; None: the clock was another."
    last_played_us: int | None = None
    "Media instant of the last one."


@dataclass(frozen=True, slots=True)
class Audio:
    """A listener wants packets on this connection, or announcements alone."""

    type: ClassVar[str] = "audio"
    enabled: bool


ServerMessage = (
    Welcome | Settings | Programme | Idle | Goodbye | ManifestChanged | Ordered | Pong
)
ListenerMessage = Ping | Report | Health | Receipt | Audio
Message = ServerMessage | ListenerMessage

_FROM_SERVER: tuple[type[ServerMessage], ...] = get_args(ServerMessage)
_FROM_LISTENER: tuple[type[ListenerMessage], ...] = get_args(ListenerMessage)

M = TypeVar("M", bound=Message)


class UnknownMessageError(RemoteWireError):
    """A well-formed message of a type this version does not know; skip it."""


def serialize(message: Message) -> str:
    """Return *message* as compact JSON; what has its default is left out.

    Raises:
        LocalWireError: It is longer than a control message may be, or no text.
    """
    members = {
        field.name: value
        for field in fields(message)
        if (value := getattr(message, field.name)) is not field.default
    }
    text = json.dumps(
        {"type": message.type} | members, ensure_ascii=False, separators=(",", ":")
    )
    if _exceeds(text) or not is_text(text):
        raise LocalWireError(
            f"{message.type} is over {MAX_CONTROL_BYTES} bytes, or not Unicode text"
        )
    return text


def parse_from_server(text: str) -> ServerMessage:
    """Read what a server sent.

    Raises:
        UnknownMessageError: Its type is from a later version.
        RemoteWireError: It is not what FORMAT.md says.
    """
    return _parse(text, _FROM_SERVER)


def parse_from_listener(text: str) -> ListenerMessage:
    """Read what a listener sent; raises like :func:`parse_from_server`."""
    return _parse(text, _FROM_LISTENER)


def _parse(text: str, types: tuple[type[M], ...]) -> M:
    if _exceeds(text):
        raise RemoteWireError(f"control message is over {MAX_CONTROL_BYTES} bytes")
    members = load_object(text)
    kind = members.get("type")
    for message_type in types:
        if message_type.type == kind:
            values = convert(members, _KINDS[message_type], message=message_type.type)
            return message_type(**values)
    raise UnknownMessageError(f"unknown message type {str(kind)[:40]!r}")


def _exceeds(text: str) -> bool:
    """Whether *text* is too long; a lone surrogate is counted, and refused later."""
    return len(text.encode(errors="surrogatepass")) > MAX_CONTROL_BYTES


_KINDS: dict[type[Any], Kinds] = {
    message_type: kinds_of(message_type)
    for message_type in (*_FROM_SERVER, *_FROM_LISTENER)
}
