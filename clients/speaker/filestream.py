"""A file of the cache as the packets of a programme, on the server's media clock."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from streamer.media.frame import FRAME_SAMPLES
from streamer.media.oggopus import OggOpusFile
from streamer.wire.control import Programme
from streamer.wire.documents import Item
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

PRE_ROLL_PACKETS = 4
"80 ms for the decoder to settle (RFC 7845, section 4.6)."
_FRAME_US = 20_000


def samples_to_us(samples: int) -> int:
    """Return how long *samples* last at 48 kHz."""
    return samples * 1_000_000 // 48_000


class FileStream:
    """Plays an open file, which it closes; what blocks says so.

    Making one blocks.

    Args:
        file: Verified, at its beginning.
        item: What it is.
        broadcast: Under which id it is announced.
        origin_us: When the first decoded sample of its first packet is captured, so to
            say, on the media clock; a live airing's `clock_us` of packet 0.
        ssrc: None of the server's.

    Raises:
        OggError: It is no such file.
        OSError: It cannot be read.
    """

    def __init__(
        self, file: BinaryIO, item: Item, broadcast: str, origin_us: int, ssrc: int
    ) -> None:
        self._file = file
        self._ogg = OggOpusFile(file)
        self._packets: Iterator[bytes] = iter(())
        self._next = 0
        self._ssrc = ssrc
        self.item = item
        self.broadcast = broadcast
        self.origin_us = origin_us

    @property
    def zero_us(self) -> int:
        """When the first sample of sound is captured."""
        return self.origin_us + samples_to_us(self._ogg.pre_skip_samples)

    @property
    def end_us(self) -> int:
        """When the last one has been."""
        return self.zero_us + samples_to_us(self.item.samples)

    def sample_at(self, media_us: int) -> int:
        """Return which sample of sound is captured at an instant, within the file."""
        samples = (media_us - self.zero_us) * 48_000 // 1_000_000
        return min(max(0, samples), self.item.samples)

    def begin(self, from_samples: int) -> Programme:
        """Return the announcement by which it is heard from a sample on."""
        heard = from_samples + self._ogg.pre_skip_samples
        self._next = max(0, heard // FRAME_SAMPLES - PRE_ROLL_PACKETS)
        self._packets = self._ogg.packets(self._next)
        return Programme(
            broadcast=self.broadcast,
            programme_class=self.item.programme_class,
            title=self.item.title,
            ssrc=self._ssrc,
            payload_type=OPUS_PAYLOAD_TYPE,
            timestamp=self._next * FRAME_SAMPLES % (1 << 32),
            clock_us=self.origin_us + self._next * _FRAME_US,
            from_us=self.zero_us + samples_to_us(from_samples),
        )

    def take(self, until_us: int) -> list[RtpPacket]:
        """Return the next packets, captured before an instant; blocks on the disk.

        Raises:
            OggError: The file is damaged here.
            OSError: It cannot be read.
        """
        due = (until_us - self.origin_us) // _FRAME_US - self._next
        found = [
            RtpPacket(
                payload_type=OPUS_PAYLOAD_TYPE,
                sequence=(self._next + number) & 0xFFFF,
                timestamp=(self._next + number) * FRAME_SAMPLES % (1 << 32),
                ssrc=self._ssrc,
                payload=payload,
            )
            for number, payload in enumerate(islice(self._packets, max(0, due)))
        ]
        self._next += len(found)
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()
