"""The audio track of a file as mono 48 kHz PCM, whatever it was (PyAV).

Files come from strangers. FFmpeg is told to open files only, and only formats that
hold their audio themselves: a playlist or a script could name other files of this
machine, or addresses in its network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from ingest.errors import FileTooLongError, UnsupportedAudioError
from ingest.mixing import Mixer, checked_rate
from ingest.part import check_part, part_of
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm
from streamer.media.source import SourceFailed

FORMATS = (
    *("aac", "ac3", "aiff", "amr", "asf", "au", "avi", "caf", "eac3", "flac"),
    *("flv", "matroska", "mov", "mp3", "mp4", "mpeg", "mpegts", "ogg", "w64"),
    *("wav", "webm", "wv"),
)
"What FFmpeg may take a file for: containers that hold their own audio."
DAMAGED_PACKETS_LIMIT = 100
"Undecodable packets in a row that are skipped before the file is given up."

SEEK_FROM_SAMPLES = 10 * SAMPLE_RATE_HZ
"Before it, decoding what is not wanted costs less than looking for what is."
CONVERGENCE_SAMPLES = 2 * SAMPLE_RATE_HZ
"""Decoded ahead of a sought place. RFC 7845, section 4.6 asks for 80 ms at least;
after a second, libopus' output was the same bit for bit."""

_EXACT_DURATION = ("flac", "mov,mp4,m4a,3gp,3g2,mj2")
"Formats (by FFmpeg's name) that state their length exactly, and at the start."


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file holds."""

    duration_s: float
    codec: str
    "FFmpeg's name, such as ``mp3`` or ``pcm_s16le``."
    sample_rate_hz: int
    channels: int


class AudioFile:
    """An opened file, for one pass by one thread at a time; a context manager.

    Made by :meth:`open`; whoever opens closes.
    """

    def __init__(self, path: Path, container: InputContainer, track: AudioStream):
        self._path = path
        self._container = container
        self._track = track
        self._broken: str | None = None
        self._done = 0  # samples before the next that is decoded

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file at *path*, of any kind that `FORMATS` names.

        Raises:
            UnsupportedAudioError: It cannot be read, or has no audio track.
        """
        container = _open(path)
        track = container.streams.best("audio")
        if not isinstance(track, AudioStream):
            container.close()
            raise UnsupportedAudioError(f"{path.name} has no audio track")
        return cls(path, container, track)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def measure(self, max_duration_s: float) -> FileInfo:
        """Read the file through, decoding only its start; use it for nothing else.

        The length is that of the packets found, not what a header claims.

        Raises:
            UnsupportedAudioError: Nothing in it decodes.
            FileTooLongError: It lasts longer than *max_duration_s*.
        """
        decodes, duration_s = False, 0.0
        for packet in self._packets():
            seconds = float((packet.duration or 0) * (packet.time_base or 0))
            if not decodes or seconds <= 0:
                samples = sum(frame.samples for frame in self._decode(packet))
                decodes = decodes or samples > 0
                seconds = seconds if seconds > 0 else samples / self._rate_hz()
            duration_s += seconds
            if duration_s > max_duration_s:
                raise FileTooLongError(
                    f"{self._path.name} lasts more than {max_duration_s:.0f} s"
                )
        if not decodes:
            raise UnsupportedAudioError(f"nothing in {self._path.name} can be decoded")
        context = self._track.codec_context
        return FileInfo(
            duration_s=duration_s,
            codec=context.codec.canonical_name,
            sample_rate_hz=self._rate_hz(),
            channels=context.channels,
        )

    def pcm(
        self, start_samples: int = 0, stop_samples: int | None = None
    ) -> Iterator[Pcm]:
        """Decode the track, or a part of it, exact to the sample.

        A few damaged packets are skipped.

        Args:
            start_samples: First sample of the part, at 48 kHz.
            stop_samples: First sample after it; None: to the track's end.

        Raises:
            ValueError: There is no such part.
            SourceFailed: It is damaged, or breaks off; everything before that was
                yielded.
        """
        check_part(start_samples, stop_samples)
        return self._part(start_samples, stop_samples)

    def _part(self, start: int, stop: int | None) -> Iterator[Pcm]:
        self._done = 0
        try:
            frames = self._frames_before(start)
            skipped = self._done
            ends = None if stop is None else stop - skipped
            yield from part_of(self._mixed(frames), start - skipped, ends)
        except (av.FFmpegError, ValueError, _DamagedError) as error:
            at_s = self._done / SAMPLE_RATE_HZ
            raise SourceFailed(
                f"{self._path.name} is damaged at {at_s:.1f} s: {error}"
            ) from error
        if stop is None or self._done < stop:
            self._check_complete(self._done / SAMPLE_RATE_HZ)

    def _mixed(self, frames: Iterator[AudioFrame]) -> Iterator[Pcm]:
        """Yield the track's PCM and count it."""
        mixer = Mixer()
        for pcm in chain(chain.from_iterable(map(mixer.mix, frames)), mixer.flush()):
            self._done += len(pcm)
            yield pcm

    def _frames_before(self, start: int) -> Iterator[AudioFrame]:
        """Yield the frames from some place before *start* on; `_done` says which.

        Our recordings are hours long, and name the place of every page exactly
        (RFC 7845, section 4): it is sought. Of anything else, what precedes is
        decoded and dropped, for its timestamps may be guesses.
        """
        is_exact = (
            self._container.format.name == "ogg"
            and self._track.codec_context.name in ("opus", "libopus")
            and self._track.start_time == 0
        )
        if not is_exact or start < SEEK_FROM_SAMPLES:
            return self._frames()
        self._container.seek(start - CONVERGENCE_SAMPLES, stream=self._track)
        frames = self._frames()
        first = next(frames, None)
        at = first.pts if first is not None else None
        if first is None or at is None or not 0 <= at <= start:
            # Pages that contradict each other: it is no recording of ours.
            self._container.seek(0, stream=self._track)
            return self._frames()
        self._done = at
        return chain([first], frames)

    def _rate_hz(self) -> int:
        return checked_rate(self._track.codec_context.sample_rate)

    def _decode(self, packet: Packet[Any]) -> list[AudioFrame]:
        try:
            return self._track.codec_context.decode(packet if packet.size else None)
        except (av.FFmpegError, EOFError):
            return []

    def _packets(self) -> Iterator[Packet[Any]]:
        """Yield what can be demultiplexed, and an empty packet to flush with."""
        try:
            yield from self._container.demux(self._track)
        except av.FFmpegError as error:
            self._broken = str(error)
            yield Packet()

    def _frames(self) -> Iterator[AudioFrame]:
        damaged = 0
        for packet in self._packets():
            frames = self._decode(packet)
            damaged = 0 if frames else damaged + 1
            if damaged > DAMAGED_PACKETS_LIMIT:
                raise _DamagedError(f"{damaged} packets in a row cannot be decoded")
            yield from frames
        if self._broken is not None:
            raise _DamagedError(self._broken)

    def _check_complete(self, duration_s: float) -> None:
        if self._container.format.name not in _EXACT_DURATION:
            return
        stated = (self._track.duration or 0) * (self._track.time_base or 0)
        if duration_s < float(stated) - 0.5:
            raise SourceFailed(
                f"{self._path.name} breaks off at {duration_s:.1f} s"
                f" of {float(stated):.1f} s"
            )


class _DamagedError(Exception):
    """Too much of the track cannot be decoded."""


def _open(path: Path) -> InputContainer:
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
    try:
        # Old files name their artists in code pages of their own.
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "unreadable"
        raise UnsupportedAudioError(f"{path.name} is no audio file: {reason}") from None
