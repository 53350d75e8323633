"""What reached a listener over RTP, told from the clear headers (no I/O).

SRTP leaves the RTP header readable (RFC 3711, section 3.1), so that every packet of
every listener can be accounted for without its keys. Numbering differs between
listeners (each has its own first sequence number, and with some servers timestamp);
:meth:`RtpAccount.align` brings all to the one grid of the programme.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.account import Intervals, Mapping
from bench.stream import Place, Run
from streamer.media.frame import FRAME_SAMPLES

ONE_STREAM = 0
"""What all programmes go by here.

A WebRTC listener hears them all under one SSRC, of the server's choice.
"""

_HEAD = struct.Struct("!HHII")  # RFC 3550, section 5.1
HEAD_BYTES = _HEAD.size
_RTCP = range(192, 224)  # RFC 5761, section 4: the second byte of RTCP


class Head(NamedTuple):
    """The fixed header of an RTP packet."""

    first: int
    "Version, flags, marker and payload type."
    sequence: int
    timestamp: int
    ssrc: int

    @property
    def marker(self) -> bool:
        """Whether the packet is the first of a talkspurt, or after a switch."""
        return bool(self.first & 0x80)

    def plus(self, packets: int) -> Head:
        """Return the head of the packet so many later."""
        return Head(
            self.first,
            (self.sequence + packets) & 0xFFFF,
            (self.timestamp + packets * FRAME_SAMPLES) & 0xFFFF_FFFF,
            self.ssrc,
        )


def read_head(datagram: bytes) -> Head | None:
    """Return the header of *datagram*; None when it is no RTP packet."""
    if len(datagram) < HEAD_BYTES or not 128 <= datagram[0] < 192:
        return None
    return None if datagram[1] in _RTCP else Head._make(_HEAD.unpack_from(datagram))


class RtpAccount(Intervals):
    """One listener's packets."""

    __slots__ = (
        *("_sequence_shift", "_timestamp_shift"),
        *("aligned", "audio_bytes", "closed", "last", "messages"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.messages = 0
        self.audio_bytes = 0
        "Of whole datagrams."
        self.closed = False
        self.last: Head | None = None
        self.aligned = False
        self._sequence_shift = 0
        self._timestamp_shift = 0

    def align(self, head: Head, index: int, mapping: Mapping) -> None:
        """Learn that the packet with *head* is packet *index* of *mapping*'s grid."""
        timestamp = mapping.first_timestamp + index * FRAME_SAMPLES
        self._sequence_shift = index - head.sequence
        self._timestamp_shift = timestamp - head.timestamp
        self.aligned = True

    def timestamp(self, head: Head) -> int:
        """Return the timestamp of *head* on the grid that all listeners share."""
        return (head.timestamp + self._timestamp_shift) & 0xFFFF_FFFF

    def take(self, head: Head, size: int) -> None:
        """Account for one packet of *size* bytes."""
        self.last = head
        self.messages += 1
        self.audio_bytes += size
        self.add(Run(self._place(head), 1, self._place(head.plus(1))))

    def extend(self, packets: int, size: int) -> None:
        """Account for *packets*, of *size* bytes together, that follow the last one."""
        assert self.last is not None
        first, self.last = self.last.plus(1), self.last.plus(packets)
        self.messages += packets
        self.audio_bytes += size
        self.add(Run(self._place(first), packets, self._place(self.last.plus(1))))

    def _place(self, head: Head) -> Place:
        sequence = (head.sequence + self._sequence_shift) & 0xFFFF
        return ONE_STREAM, sequence, self.timestamp(head)


_WIRE_HEAD = np.dtype(
    [("first", ">u2"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")]
)


class Expectations:
    """What the next packet of each of many listeners must look like.

    A batch of packets that all go on where each listener stopped costs some numpy
    calls; only what does not fit is looked at one by one.
    """

    def __init__(self, count: int) -> None:
        self._next = np.zeros(count, _WIRE_HEAD.newbyteorder("="))
        self._known = np.zeros(count, np.bool_)
        self._packets = np.zeros(count, np.int64)
        self._bytes = np.zeros(count, np.int64)

    def expect(self, place: int, last: Head | None) -> None:
        """Let the listener at *place* go on after *last*; with None nothing fits."""
        self._known[place] = last is not None
        if last is not None:
            self._next[place] = last.plus(1)

    def match(
        self,
        rows: npt.NDArray[np.uint8],
        sizes: npt.NDArray[np.uint32],
        places: npt.NDArray[np.intp],
        counts: npt.NDArray[np.intp],
    ) -> npt.NDArray[np.bool_]:
        """Take in the packets of those listeners whose packets all fit.

        Args:
            rows: Datagrams, those of one listener in one piece and in order.
            sizes: Bytes of each.
            places: Whose they are, each listener once.
            counts: How many each has, none of them zero.

        Returns:
            For each of *places* whether its packets were taken.
        """
        heads = np.ascontiguousarray(rows[:, :HEAD_BYTES]).view(_WIRE_HEAD)[:, 0]
        starts = np.cumsum(counts) - counts
        nth = (np.arange(len(rows)) - np.repeat(starts, counts)).astype(np.uint32)
        wanted = np.repeat(self._next[places], counts)
        fits = heads["first"] == wanted["first"]
        fits &= heads["ssrc"] == wanted["ssrc"]
        fits &= heads["sequence"] == wanted["sequence"] + nth.astype(np.uint16)
        fits &= heads["timestamp"] == wanted["timestamp"] + nth * FRAME_SAMPLES
        taken = np.logical_and.reduceat(fits, starts) & self._known[places]
        self._advance(places[taken], counts[taken])
        self._bytes[places[taken]] += np.add.reduceat(sizes, starts, dtype=np.int64)[
            taken
        ]
        return taken

    def settle(self, place: int, account: RtpAccount) -> None:
        """Hand over what was taken for the listener at *place* since the last time."""
        if packets := int(self._packets[place]):
            account.extend(packets, int(self._bytes[place]))
            self._packets[place] = self._bytes[place] = 0

    def _advance(
        self, places: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]
    ) -> None:
        self._packets[places] += counts
        self._next["sequence"][places] += counts.astype(np.uint16)
        samples = (counts * FRAME_SAMPLES).astype(np.uint32)
        self._next["timestamp"][places] += samples
