"""A file on air: decoded ahead on its own thread, read without waiting for a disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from ingest.audiofile import AudioFile, FileInfo
from ingest.errors import AudioFileError, FileTooLongError, UnsupportedAudioError
from ingest.part import check_part
from ingest.readahead import ReadAhead
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import SourceFailed

__all__ = [
    "AudioFileError",
    "FileInfo",
    "FileSource",
    "FileTooLongError",
    "UnsupportedAudioError",
    "probe",
]

AHEAD_SAMPLES = 4 * SAMPLE_RATE_HZ
"Decoded ahead of the reader: 4 s, or 750 KiB, however long the file is."
STALL_SAMPLES = 3 * SAMPLE_RATE_HZ // 2
"A disk that yields nothing for 1.5 s is taken for dead (broadcasts end within 2 s)."
_JOIN_TIMEOUT_S = 2.0
_SLOWEST_DECODER = 30
"Times faster than the sound lasts; libopus does 100 on a slow core."


def probe(path: Path, max_duration_s: float) -> FileInfo:
    """Tell what the file at *path* holds; read through, so call it off the loop.

    Raises:
        UnsupportedAudioError: It holds no audio that can be decoded.
        FileTooLongError: It lasts longer than *max_duration_s*, whatever its header
            says.
    """
    with AudioFile.open(path) as file:
        return file.measure(max_duration_s)


class Decodable(Protocol):
    """What `FileSource` needs of an `AudioFile`."""

    def pcm(self) -> Iterator[Pcm]:
        """Yield the track."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a file."""

    file: AudioFile
    start_samples: int
    stop_samples: int | None

    def pcm(self) -> Iterator[Pcm]:
        return self.file.pcm(self.start_samples, self.stop_samples)

    def close(self) -> None:
        self.file.close()


class FileSource:
    """A `streamer.media.source.Source` that plays a file, every sample of it.

    Made by :meth:`open`. It ends with the file; where the file is damaged it plays
    until there, then raises `SourceFailed`.

    A reader faster than the disk hears silence meanwhile, and loses nothing of the
    file.
    """

    def __init__(self, file: Decodable, name: str, patience_s: float) -> None:
        self._file = file
        self._name = name
        self._patience_s = patience_s
        self._ahead = ReadAhead(AHEAD_SAMPLES)
        self._failure: BaseException | None = None
        self._finished = False
        self._starved_samples = 0
        # A daemon, for a read from a dead disk never returns and must not keep the
        # server from ending.
        self._thread = threading.Thread(
            target=self._decode, name=f"decode {name}", daemon=True
        )
        self.concealed_samples = 0
        "Silence that was read because the disk was too slow."

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        patience_s: float = 0.005,
        start_samples: int = 0,
        stop_samples: int | None = None,
    ) -> Self:
        """Open *path* and decode its start; blocks on the disk, call it off the loop.

        Args:
            path: The file; its kind is told by its content.
            patience_s: How long `read` may wait. The default suits a media thread.
            start_samples: Where to begin, exact to the sample. Soon reached in our
                own recordings; elsewhere what precedes is decoded, which takes a
                second for each few minutes of it.
            stop_samples: Where to end; None: with the file.

        Raises:
            UnsupportedAudioError: It holds no audio track.
            ValueError: Not ``0 <= start_samples <= stop_samples``.
        """
        check_part(start_samples, stop_samples)
        part = _Part(AudioFile.open(path), start_samples, stop_samples)
        source = cls(part, path.name, patience_s)
        source.start()
        timeout_s = 5.0 + start_samples / SAMPLE_RATE_HZ / _SLOWEST_DECODER
        source._ahead.wait_filled(AHEAD_SAMPLES // 2, timeout_s)
        return source

    def start(self) -> None:
        """Start decoding; :meth:`open` does it."""
        self._thread.start()

    @property
    def delay_ns(self) -> int:
        """A file's sample is captured when it is read."""
        return 0

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; fewer only at the file's end.

        Raises:
            SourceFailed: The file is damaged from here on, or the disk stalled.
        """
        if self._finished:
            return silence(0)
        pcm, last = self._ahead.take(samples, self._patience_s)
        missing = samples - len(pcm)
        if last:
            return self._end(pcm)
        if missing == 0:
            self._starved_samples = 0
            return pcm
        return self._starve(pcm, missing)

    def finish(self) -> None:
        """End before the next sample: nothing of a file is captured and not read."""
        self._finished = True

    def close(self) -> None:
        """Stop decoding and close the file; idempotent."""
        self._finished = True
        self._ahead.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_TIMEOUT_S)

    def _end(self, pcm: Pcm) -> Pcm:
        if len(pcm) == 0 and self._failure is not None:
            raise SourceFailed(str(self._failure)) from self._failure
        return pcm

    def _starve(self, pcm: Pcm, missing: int) -> Pcm:
        self._starved_samples += missing
        self.concealed_samples += missing
        if self._starved_samples > STALL_SAMPLES:
            raise SourceFailed(f"{self._name} cannot be read in time: the disk stalls")
        return np.concatenate([pcm, silence(missing)])

    def _decode(self) -> None:
        """Run on the source's own thread."""
        try:
            for pcm in self._file.pcm():
                if not self._ahead.put(pcm):
                    return
        except Exception as error:  # it is raised again where the source is read
            self._failure = error
        finally:
            self._file.close()
            self._ahead.end()
