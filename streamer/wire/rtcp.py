"""RTCP (RFC 3550, section 6; RFC 4585, section 6.2.1): what a sender says and reads.

A server sends compound packets of a sender report with SDES, and BYE; a listener sends
generic NACKs. Read: receiver reports, NACK and BYE; everything else is skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from streamer.wire.errors import RemoteWireError

SENDER_REPORT, RECEIVER_REPORT, SDES, BYE, TRANSPORT_FEEDBACK = 200, 201, 202, 203, 205
_GENERIC_NACK = 1
_CNAME = 1
_NTP_EPOCH_S = 2_208_988_800  # 1900 to 1970, RFC 3550 section 4
_NS = 1_000_000_000
_HEADER_BYTES = 4
_REPORT = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """One report block: how a receiver gets one of our streams (section 6.4.1)."""

    ssrc: int
    "The stream reported on."
    fraction_lost: int
    "Of 256, since the report before."
    packets_lost: int
    "Cumulative, signed 24 bits."
    highest_sequence: int
    jitter_samples: int
    last_sender_report: int
    "Middle 32 bits of the NTP time of the last SR received; 0 for none."
    delay_since_65536: int
    "Since that SR, in 1/65,536 s."


@dataclass(frozen=True, slots=True)
class Nack:
    """A receiver asks for packets again (RFC 4585, section 6.2.1)."""

    ssrc: int
    sequences: tuple[int, ...]
    "Those that did not come, in ``range(2**16)``."

    def serialize(self, sender_ssrc: int) -> bytes:
        """Return the feedback packet of *sender_ssrc*: the oldest number comes first.

        A number goes into the bit mask of one that is up to 16 before it, also
        across the wrap.
        """
        entries: list[list[int]] = []
        for sequence in self.sequences:
            after = (sequence - entries[-1][0]) & 0xFFFF if entries else 0
            if 0 < after <= 16:
                entries[-1][1] |= 1 << (after - 1)
            else:
                entries.append([sequence, 0])
        body = struct.pack("!II", sender_ssrc, self.ssrc)
        body += b"".join(struct.pack("!HH", *entry) for entry in entries)
        return _packet(TRANSPORT_FEEDBACK, _GENERIC_NACK, body)


@dataclass(frozen=True, slots=True)
class Bye:
    """A participant leaves (section 6.6)."""

    ssrcs: tuple[int, ...]


Feedback = ReceiverReport | Nack | Bye


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What the sender says of its stream (section 6.4.1)."""

    ssrc: int
    utc_ns: int
    "Wall clock, since 1970; the instant that `timestamp` names."
    timestamp: int
    packets: int
    octets: int

    def serialize(self, cname: str) -> bytes:
        """Return the compound packet: this report, and SDES with *cname*."""
        body = struct.pack(
            "!IQIII",
            self.ssrc,
            ntp_from_utc_ns(self.utc_ns),
            self.timestamp,
            self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF,
        )
        return _packet(SENDER_REPORT, 0, body) + _sdes(self.ssrc, cname)


def ntp_from_utc_ns(utc_ns: int) -> int:
    """Return the 64-bit NTP timestamp (section 4) of *utc_ns* since 1970."""
    seconds, fraction_ns = divmod(utc_ns, _NS)
    return (seconds + _NTP_EPOCH_S) << 32 | (fraction_ns << 32) // _NS


def round_trip_ns(report: ReceiverReport, *, received_utc_ns: int) -> int | None:
    """Return the round trip that *report* tells, if it answers a sender report.

    Source: RFC 3550, section 6.4.1, figure 2 (A − LSR − DLSR).
    """
    if report.last_sender_report == 0:
        return None
    arrival = ntp_from_utc_ns(received_utc_ns) >> 16 & 0xFFFFFFFF
    elapsed = arrival - report.last_sender_report - report.delay_since_65536
    elapsed = (elapsed + 2**31) % 2**32 - 2**31
    return max(0, elapsed) * _NS >> 16


def serialize_bye(ssrc: int) -> bytes:
    """Return the compound packet of a sender that leaves (section 6.6)."""
    return _packet(SENDER_REPORT, 0, struct.pack("!IQIII", ssrc, 0, 0, 0, 0)) + _packet(
        BYE, 1, ssrc.to_bytes(4)
    )


def parse(data: bytes) -> list[Feedback]:
    """Return what a compound packet says about our streams, in order.

    Raises:
        RemoteWireError: It is not RTCP, or a length does not add up.
    """
    feedback: list[Feedback] = []
    for kind, count, body in _walk(data):
        if kind == RECEIVER_REPORT:
            feedback += _reports(body[4:], count)
        elif kind == SENDER_REPORT:
            feedback += _reports(body[24:], count)
        elif kind == TRANSPORT_FEEDBACK and count == _GENERIC_NACK:
            feedback.append(_nack(body))
        elif kind == BYE:
            feedback.append(_bye(body, count))
    return feedback


def _walk(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    position = 0
    while position < len(data):
        if len(data) - position < _HEADER_BYTES:
            raise RemoteWireError("RTCP header is truncated")
        first, kind, words = struct.unpack_from("!BBH", data, position)
        if first >> 6 != 2:
            raise RemoteWireError(f"RTCP version is {first >> 6}, not 2")
        end = position + _HEADER_BYTES + 4 * words
        if end > len(data):
            raise RemoteWireError("RTCP packet reaches past the datagram's end")
        yield kind, first & 0x1F, data[position + _HEADER_BYTES : end]
        position = end


def _reports(blocks: bytes, count: int) -> Iterator[ReceiverReport]:
    if len(blocks) < count * _REPORT.size:
        raise RemoteWireError(f"RTCP report holds fewer than {count} blocks")
    for index in range(count):
        ssrc, lost, highest, jitter, last, delay = _REPORT.unpack_from(
            blocks, index * _REPORT.size
        )
        cumulative = (lost & 0xFFFFFF ^ 0x800000) - 0x800000
        yield ReceiverReport(ssrc, lost >> 24, cumulative, highest, jitter, last, delay)


def _nack(body: bytes) -> Nack:
    if len(body) < 12 or len(body) % 4:
        raise RemoteWireError("RTCP NACK is truncated")
    sequences: list[int] = []
    for packet_id, bitmask in struct.iter_unpack("!HH", body[8:]):
        following = (i + 1 for i in range(16) if bitmask >> i & 1)
        sequences += [packet_id, *((packet_id + i) & 0xFFFF for i in following)]
    return Nack(int.from_bytes(body[4:8]), tuple(sequences))


def _bye(body: bytes, count: int) -> Bye:
    if len(body) < 4 * count:
        raise RemoteWireError("RTCP BYE is truncated")
    return Bye(struct.unpack_from(f"!{count}I", body))


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 2 << 6 | count, kind, len(body) // 4) + body


def _sdes(ssrc: int, cname: str) -> bytes:
    """Section 6.5: one chunk with CNAME, ended by a null and padded to a word."""
    name = cname.encode()
    chunk = ssrc.to_bytes(4) + bytes([_CNAME, len(name)]) + name + b"\0"
    return _packet(SDES, 1, chunk + bytes(-len(chunk) % 4))
