"""What a speaker says of itself each ten seconds, cut to size (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import streamer
from clients.speaker.status import SpeakerStatus
from clients.speaker.stream import Counters
from clients.speaker.vitals import Vitals
from streamer.wire.health import MAX_OPERATOR_BYTES, MAX_VERSION_BYTES, Health

_MILLION = 1_000_000
_FIVE_DIGITS = 99_999
_MAX_UPTIME_S = 999_999_999
_MAX_AGE_MS = 99_999_999
_MAX_USED_KIB = 9_999_999_999
"Ten terabytes."
_MAX_OFFSET_US = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Moment:
    """What of a speaker is not in its status."""

    uptime_s: int
    held_ms: int
    audio_age_ms: int | None
    audio_level_dbfs: int
    sounding: bool
    "Whether the device takes samples."


class HealthTeller:
    """Makes one `Health` after the other: ratios are of what lies between them."""

    def __init__(self) -> None:
        self._before = Counters()

    def tell(self, status: SpeakerStatus, moment: Moment, vitals: Vitals) -> Health:
        """Return how it is; readings out of range are cut, names cut short."""
        now, before = status.counters, self._before
        self._before = now
        lost = now.packets_lost - before.packets_lost
        received = now.packets_received - before.packets_received
        modem = vitals.modem
        signal = None if modem is None else modem.signal_percent
        return Health(
            ver=clean(streamer.__version__, MAX_VERSION_BYTES),
            up_s=_cut(moment.uptime_s, 0, _MAX_UPTIME_S),
            buf_ms=_cut(moment.held_ms, 0, _FIVE_DIGITS),
            lost=_share(lost, received + lost),
            conc=_share(
                now.concealed_samples - before.concealed_samples,
                now.total_samples_received - before.total_samples_received,
            ),
            rtt_ms=_cut(status.round_trip_ns // 1_000_000, 0, _FIVE_DIGITS),
            off_us=_cut(
                status.clock_offset_ns // 1000, -_MAX_OFFSET_US, _MAX_OFFSET_US
            ),
            ppm=_cut(round(status.device_drift_ppm), -9_999, 9_999),
            dbfs=_cut(moment.audio_level_dbfs, -127, 99),
            sound=moment.sounding,
            load=_cut(vitals.load_percent, 0, _FIVE_DIGITS),
            age_ms=_optional(moment.audio_age_ms, 0, _MAX_AGE_MS),
            cpu_c=_optional(vitals.cpu_celsius, -99, 999),
            op=_operator(vitals),
            sig=_optional(signal, 0, 100),
            used_kib=_optional(_kib(vitals.used_bytes), 0, _MAX_USED_KIB),
        )


def clean(text: str, max_bytes: int) -> str:
    """Return *text* in *max_bytes* of JSON: nothing in it needs an escape.

    Source: RFC 8259, section 7: the quotation mark, the backslash and controls.
    """
    text = "".join(c for c in text if c.isprintable() and c not in '"\\')
    cut = text.encode(errors="ignore")[:max_bytes]
    return cut.decode(errors="ignore")


def _operator(vitals: Vitals) -> str | None:
    if vitals.modem is None or vitals.modem.operator is None:
        return None
    return clean(vitals.modem.operator, MAX_OPERATOR_BYTES)


def _kib(count: int | None) -> int | None:
    return None if count is None else count // 1024


def _share(part: int, whole: int) -> int:
    return _cut(part * _MILLION // whole, 0, _MILLION) if whole > 0 else 0


def _cut(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)


def _optional(value: int | None, least: int, most: int) -> int | None:
    return None if value is None else _cut(value, least, most)
