"""The audio track of a file as mono 48 kHz PCM, whatever it was (PyAV).

Files come from strangers. FFmpeg is told to open files only, and only formats that
hold their audio themselves: a playlist or a script could name other files of this
machine, or addresses in its network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm
from streamer.media.source import SourceFailed

FORMATS = (
    *("aac", "ac3", "aiff", "amr", "asf", "au", "avi", "caf", "eac3", "flac"),
    *("flv", "matroska", "mov", "mp3", "mp4", "mpeg", "mpegts", "ogg", "w64"),
    *("wav", "webm", "wv"),
)
"What FFmpeg may take a file for: containers that hold their own audio."
SAMPLE_RATES_HZ = range(4_000, 768_001)
"Outside of it a header is wrong or meant to make us allocate gigabytes."
DAMAGED_PACKETS_LIMIT = 100
"Undecodable packets in a row that are skipped before the file is given up."

_EXACT_DURATION = ("flac", "mov,mp4,m4a,3gp,3g2,mj2")
"Formats (by FFmpeg's name) that state their length exactly, and at the start."
_HEADROOM = 8.0


class AudioFileError(SourceFailed):
    """The file cannot be broadcast; the message says why, for the operator."""


class UnsupportedAudioError(AudioFileError):
    """It holds no audio that can be decoded."""


class FileTooLongError(AudioFileError):
    """It lasts longer than allowed."""


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

    def pcm(self) -> Iterator[Pcm]:
        """Decode the track, from its first sample to its last.

        A few damaged packets are skipped.

        Raises:
            SourceFailed: It is damaged, or breaks off; everything before that was
                yielded.
        """
        mixer = _Mixer()
        done = 0
        try:
            for frame in self._frames():
                for pcm in mixer.mix(frame):
                    done += len(pcm)
                    yield pcm
            for pcm in mixer.flush():
                done += len(pcm)
                yield pcm
        except (av.FFmpegError, ValueError, _DamagedError) as error:
            at_s = done / SAMPLE_RATE_HZ
            raise SourceFailed(
                f"{self._path.name} is damaged at {at_s:.1f} s: {error}"
            ) from error
        self._check_complete(done / SAMPLE_RATE_HZ)

    def _rate_hz(self) -> int:
        return _checked_rate(self._track.codec_context.sample_rate)

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


class _Mixer:
    """Mixes and resamples frames, whose kind may change, to mono 48 kHz."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None

    def mix(self, frame: AudioFrame) -> Iterator[Pcm]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.flush()
            _checked_rate(frame.sample_rate)
            self._kind = kind
            self._resampler = AudioResampler(
                format="flt",
                layout="mono",
                rate=SAMPLE_RATE_HZ,
                # Two equal channels shall sound as loud as one; of more, the centre
                # (the voice) shall, and the limiter sees to the rest.
                options={"rematrix_maxval": "1.0"}
                if frame.layout.nb_channels == 2
                else {},
            )
        assert self._resampler is not None
        frame.pts = None  # gaps in the timestamps of a broken file are not silence
        yield from map(_samples_of, self._resampler.resample(frame))

    def flush(self) -> Iterator[Pcm]:
        """Yield what the filter still holds, and be ready for another kind."""
        if self._resampler is not None:
            yield from map(_samples_of, self._resampler.resample(None))
        self._resampler = self._kind = None


def _samples_of(frame: AudioFrame) -> Pcm:
    # Float formats may hold anything, and a codec must not be fed NaN.
    pcm = np.nan_to_num(frame.to_ndarray().reshape(-1).astype(np.float32), nan=0.0)
    return pcm.clip(-_HEADROOM, _HEADROOM)


def _checked_rate(sample_rate_hz: int) -> int:
    if sample_rate_hz not in SAMPLE_RATES_HZ:
        raise UnsupportedAudioError(f"its sample rate is {sample_rate_hz} Hz")
    return sample_rate_hz


def _open(path: Path) -> InputContainer:
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
    try:
        # Old files name their artists in code pages of their own.
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "unreadable"
        raise UnsupportedAudioError(f"{path.name} is no audio file: {reason}") from None
