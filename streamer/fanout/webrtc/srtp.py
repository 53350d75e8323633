"""One packet to many peers: headers written as a matrix, SRTP in place, one sendmmsg.

SRTP is RFC 3711 and RFC 7714, done by libsrtp. Only the sequence number, the payload
type and the marker differ between peers; all the rest of a row is copied at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pylibsrtp
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from streamer.fanout.datagrams import DatagramBatch
from streamer.fanout.webrtc.dtls import Profile, SrtpKeys

TRAILER_BYTES = 16
"Longest tag of our profiles (AEAD_AES_128_GCM, RFC 7714, section 5.1)."
STRIDE_BYTES = 1536
"Room for any Opus packet of 20 ms with RED and tag; a multiple of the cache line."
MAX_PLAIN_BYTES = STRIDE_BYTES - TRAILER_BYTES

_HEADER = struct.Struct("!BBHII")
_PROFILES = {
    Profile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Profile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


class SrtpError(Exception):
    """A packet from the peer that fails authentication or replay protection."""


class SrtpSession:
    """One peer's cryptographic contexts, both ways."""

    def __init__(self, keys: SrtpKeys) -> None:
        self.outbound = _session(keys.profile, keys.local, Policy.SSRC_ANY_OUTBOUND)
        self._inbound = _session(keys.profile, keys.remote, Policy.SSRC_ANY_INBOUND)

    def protect(self, packet: bytes) -> bytes:
        """Return an RTP *packet* protected; for single ones (retransmissions)."""
        return self.outbound.protect(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Return an RTCP compound *packet* protected."""
        return self.outbound.protect_rtcp(packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Return what the peer sent.

        Raises:
            SrtpError: It is forged, damaged or replayed.
        """
        try:
            return self._inbound.unprotect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from None


def _session(profile: Profile, key: bytes, ssrc_type: int) -> Session:
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=_PROFILES[profile])
    # A NACK is answered with the very same packet (RFC 4585 without RFC 4588).
    policy.allow_repeat_tx = True
    return Session(policy=policy)


class RowProtector(Protocol):
    """Protects rows of a matrix in place."""

    def __call__(self, length: int) -> npt.NDArray[np.int32]:
        """Protect the first *length* bytes of each row.

        Returns:
            The protected lengths; 0 for a row that libsrtp refused.
        """
        ...


class BindingProtector:
    """Calls libsrtp on the rows where they lie: no copy, no allocation per packet."""

    def __init__(
        self, rows: npt.NDArray[np.uint8], sessions: Sequence[SrtpSession]
    ) -> None:
        # libsrtp is handed bare addresses: what they point into must live as long.
        self._alive = (rows, tuple(sessions))
        self._lengths = np.zeros(len(sessions), np.int32)
        row = ffi.cast("unsigned char *", rows.ctypes.data)
        length = ffi.cast("int *", self._lengths.ctypes.data)
        self._calls = [
            (session.outbound._srtp[0], row + STRIDE_BYTES * i, length + i)
            for i, session in enumerate(sessions)
        ]

    def __call__(self, length: int) -> npt.NDArray[np.int32]:
        """Protect the rows."""
        protect: Callable[[Any, Any, Any], int] = lib.srtp_protect
        self._lengths[:] = length
        failed = [i for i, call in enumerate(self._calls) if protect(*call)]
        self._lengths[failed] = 0
        return self._lengths


class PublicProtector:
    """The twin over pylibsrtp's public API: slower, for when the binding moves."""

    def __init__(
        self, rows: npt.NDArray[np.uint8], sessions: Sequence[SrtpSession]
    ) -> None:
        self._rows = rows
        self._sessions = sessions
        self._lengths = np.zeros(len(sessions), np.int32)

    def __call__(self, length: int) -> npt.NDArray[np.int32]:
        """Protect the rows."""
        for i, session in enumerate(self._sessions):
            try:
                packet = session.protect(self._rows[i, :length].tobytes())
            except pylibsrtp.Error:
                packet = b""
            self._rows[i, : len(packet)] = np.frombuffer(packet, np.uint8)
            self._lengths[i] = len(packet)
        return self._lengths


@dataclass(slots=True)
class Outlet:
    """Where one peer's packets go and how they are numbered."""

    session: SrtpSession
    sockaddr: bytes
    payload_type: int
    next_sequence: int
    "Unwrapped; the low 16 bits go on the wire."
    next_timestamp: int = 0
    "End of what was sent, unwrapped, in samples; nothing may start before it."
    shift_samples: int = 0
    "Added to the media clock so that timestamps never run back at a switch."
    marker: bool = True
    "The next packet is the first after a switch (RFC 7587, section 4.1)."


class SrtpFanout:
    """The peers that get the very same payload, as one matrix.

    Build a new one when the set of peers changes; :meth:`close` writes the numbering
    back to the outlets.
    """

    def __init__(
        self,
        outlets: Sequence[Outlet],
        *,
        protector: Callable[
            [npt.NDArray[np.uint8], Sequence[SrtpSession]], RowProtector
        ] = BindingProtector,
    ) -> None:
        self._outlets = outlets
        self._rows = np.zeros((len(outlets), STRIDE_BYTES), np.uint8)
        self._protect = protector(self._rows, [o.session for o in outlets])
        self._batch = DatagramBatch(self._rows, [o.sockaddr for o in outlets])
        self._sequences = np.array([o.next_sequence for o in outlets], np.int64)
        self._shifts = np.array([o.shift_samples for o in outlets], np.int64)
        self._payload_types = np.array([o.payload_type for o in outlets], np.uint8)
        self._markers = np.array([o.marker for o in outlets], np.uint8) << 7
        self._end_samples: int | None = None

    def __len__(self) -> int:
        """Return how many peers there are."""
        return len(self._outlets)

    def send(
        self, descriptor: int, packet: PlainPacket, *, duration_samples: int
    ) -> int:
        """Send one packet to every peer; never waits.

        Returns:
            How many peers' packets the kernel took.
        """
        rows, count = self._rows, len(self._rows)
        plain = packet.header() + packet.payload
        length = len(plain)
        rows[:, :length] = np.frombuffer(plain, np.uint8)
        rows[:, 1] = self._payload_types | self._markers
        rows[:, 2:4] = self._sequences.astype(">u2").view(np.uint8).reshape(count, 2)
        timestamps = (self._shifts + packet.timestamp).astype(">u4")
        rows[:, 4:8] = timestamps.view(np.uint8).reshape(count, 4)
        self._sequences += 1
        self._markers[:] = 0
        self._end_samples = packet.timestamp + duration_samples
        return self._batch.send(descriptor, self._protect(length))

    def close(self) -> None:
        """Hand the numbering back to the outlets."""
        if self._end_samples is None:
            return
        ends = (self._shifts + self._end_samples).tolist()
        sequences = self._sequences.tolist()
        for outlet, sequence, end in zip(self._outlets, sequences, ends, strict=True):
            outlet.next_sequence = sequence
            outlet.next_timestamp = end
            outlet.marker = False


@dataclass(frozen=True, slots=True)
class PlainPacket:
    """What all peers of a programme share of one packet."""

    timestamp: int
    "On the server's media clock, unwrapped, in samples."
    ssrc: int
    payload: bytes

    def header(
        self,
        *,
        payload_type: int = 0,
        sequence: int = 0,
        shift_samples: int = 0,
        marker: bool = False,
    ) -> bytes:
        """Return the RTP header (RFC 3550, section 5.1); rows overwrite defaults."""
        return _HEADER.pack(
            2 << 6,
            payload_type | marker << 7,
            sequence & 0xFFFF,
            (self.timestamp + shift_samples) & 0xFFFFFFFF,
            self.ssrc,
        )
