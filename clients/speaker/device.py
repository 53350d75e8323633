"""Where sound goes: the `Device` seam, and the devices that need no hardware.

A device owns a thread that asks for samples a little before they are heard, saying
when that will be on our monotonic clock. The sound card is in `soundcard.py`.
"""

from __future__ import annotations

import json
import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic_ns, sleep
from typing import BinaryIO, Protocol, TypeAlias

import numpy as np

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, samples_to_ns, silence

_log = logging.getLogger(__name__)

Render: TypeAlias = Callable[[int, int], Pcm]
"""``render(samples, local_ns)``: the next samples, of which the first is heard then."""

BLOCK_SAMPLES = 960
RETRY_NS = 5_000_000_000
"Between attempts at an output that failed."
STOP_TIMEOUT_S = 2.0
"A thread that hangs in a driver or on a disk must not keep the process."


class Device(Protocol):
    """Plays mono 48 kHz samples at its own pace."""

    @property
    def sounding(self) -> bool:
        """Whether it takes samples now: a card that is gone, a full disk does not."""
        ...

    @property
    def beat_ns(self) -> int:
        """Monotonic instant at which its thread was last known not to hang."""
        ...

    def start(self, render: Render) -> None:
        """Begin to ask *render* for samples, from a thread of the device's own.

        A device that cannot be opened, or dies, goes on trying; it never raises.
        """
        ...

    def stop(self) -> None:
        """Stop asking; blocks for a moment. Idempotent."""
        ...


class Sink(Protocol):
    """Takes the samples of a paced device."""

    def open(self, start_ns: int, ppm: float) -> None:
        """Get ready; sample 0 is heard at *start_ns* on the monotonic clock."""
        ...

    def write(self, pcm: Pcm) -> None:
        """Take the next samples."""
        ...

    def close(self) -> None:
        """Leave everything in order."""
        ...


class PacedDevice:
    """A device without hardware: its clock is the machine's, off by *ppm*.

    Sample n is heard at ``start + n / (48000 * (1 + ppm / 1e6))`` seconds, however
    late the machine is: what a card would have dropped is counted instead. A block is
    asked for as long before it is heard as it lasts.

    Args:
        sink: Gets the samples. One that fails is closed, said so, and opened again
            every 5 s; media goes on meanwhile, so that nothing is heard late.
        ppm: How much faster than the machine's clock the device's runs.
        block_samples: How many samples are asked for at a time.
    """

    def __init__(
        self, sink: Sink, *, ppm: float = 0.0, block_samples: int = BLOCK_SAMPLES
    ) -> None:
        self._sink = sink
        self._ppm = ppm
        self._block_samples = block_samples
        self._lead_ns = samples_to_ns(block_samples)
        self._stopping = False
        self._thread: Thread | None = None
        self._open = False
        self._retry_ns = 0
        self.sounding = True
        "Whether the sink takes samples."
        self.beat_ns = 0
        "When its thread asked for samples last."
        self.late_blocks = 0
        "Blocks rendered after their instant: a sound card would have stuttered."

    def start(self, render: Render) -> None:
        """Begin to ask *render* for samples."""
        self._thread = Thread(
            target=self._run, args=(render,), name="speaker device", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop asking, and close the sink."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self, render: Render) -> None:
        start_ns, position = monotonic_ns() + self._lead_ns, 0
        while not self._stopping:
            due_ns = start_ns + elapsed_ns(position, self._ppm)
            left_ns = due_ns - self._lead_ns - monotonic_ns()
            if left_ns > 0:
                sleep(left_ns / 1e9)  # half the price of waiting for an Event
            self.beat_ns = monotonic_ns()
            self.late_blocks += self.beat_ns > due_ns
            self._put(rendered(render, self._block_samples, due_ns), due_ns)
            position += self._block_samples
        self._close()

    def _put(self, pcm: Pcm, due_ns: int) -> None:
        """Hand *pcm* to the sink, unless that failed a moment ago."""
        if not self._open and self.beat_ns < self._retry_ns:
            return
        try:
            if not self._open:
                self._sink.open(due_ns, self._ppm)
                self._open = True
            self._sink.write(pcm)
        except OSError as error:
            self._retry_ns = self.beat_ns + RETRY_NS
            self._close()
            if self.sounding:
                _log.error("the output failed, and is tried again: %s", error)
            self.sounding = False
        else:
            if not self.sounding:
                _log.warning("the output works again")
            self.sounding = True

    def _close(self) -> None:
        self._open = False
        try:
            self._sink.close()
        except OSError as error:
            _log.error("the output could not be closed in good order: %s", error)


def elapsed_ns(samples: int, ppm: float) -> int:
    """Return how long *samples* last on a clock that runs *ppm* fast."""
    return round(samples * 1_000_000_000 / (SAMPLE_RATE_HZ * (1 + ppm * 1e-6)))


def rendered(render: Render, samples: int, local_ns: int) -> Pcm:
    """Return what *render* does, or silence: a bug must not stop the device."""
    try:
        return render(samples, local_ns)
    except Exception:
        _log.exception("rendering failed")
        return silence(samples)


class NullSink:
    """Takes everything and keeps nothing."""

    def open(self, start_ns: int, ppm: float) -> None:
        """Need nothing."""

    def write(self, pcm: Pcm) -> None:
        """Forget *pcm*."""

    def close(self) -> None:
        """Leave nothing."""


class WavSink:
    """Writes a mono 16-bit WAV file that is readable at any moment.

    The sizes in its header are mended once a second, so what a killed process leaves
    is a WAV file too. Beside it, ``<path>.json`` says when sample 0 is heard, on the
    machine's monotonic clock, and how many ppm the device's clock is fast.

    Args:
        path: An existing file is overwritten.
    """

    HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
    _MEND_SAMPLES = SAMPLE_RATE_HZ
    _MAX_SIZE = 0xFFFF_FFFF

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._start_ns: int | None = None
        self._data_bytes = 0
        self._unmended_samples = 0

    def open(self, start_ns: int, ppm: float) -> None:
        """Create both files; after a failure go on in them, at the right place."""
        if self._start_ns is None:
            self._begin(start_ns, ppm)
            return
        elapsed_s = (start_ns - self._start_ns) / 1e9
        samples = round(elapsed_s * SAMPLE_RATE_HZ * (1 + ppm * 1e-6))
        self._file = self._path.open("r+b" if self._path.exists() else "wb")
        self._data_bytes = 2 * samples
        # What was missed is a hole, which reads as silence.
        self._file.seek(self.HEADER.size + self._data_bytes)

    def _begin(self, start_ns: int, ppm: float) -> None:
        sidecar = {
            "monotonic_ns": start_ns,
            "ppm": ppm,
            "sample_rate_hz": SAMPLE_RATE_HZ,
        }
        Path(f"{self._path}.json").write_text(json.dumps(sidecar) + "\n")
        self._file = self._path.open("wb")
        self._file.write(self._header())
        self._start_ns = start_ns

    def write(self, pcm: Pcm) -> None:
        """Append *pcm*, full scale at 32767."""
        assert self._file is not None  # opened before
        data = np.rint(pcm * 32_767).astype("<i2").tobytes()
        self._file.write(data)
        self._data_bytes += len(data)
        self._unmended_samples += len(pcm)
        if self._unmended_samples >= self._MEND_SAMPLES:
            self._mend()

    def close(self) -> None:
        """Mend the header a last time; on a full disk it tells what is there."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.flush()
        except OSError:
            there_bytes = os.fstat(file.fileno()).st_size - self.HEADER.size
            self._data_bytes = max(0, there_bytes // 2 * 2)
            raise
        finally:
            try:
                os.pwrite(file.fileno(), self._header(), 0)
            finally:
                file.close()

    def _mend(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.pwrite(self._file.fileno(), self._header(), 0)
        self._unmended_samples = 0

    def _header(self) -> bytes:
        riff_bytes = min(self._data_bytes + self.HEADER.size - 8, self._MAX_SIZE)
        data_bytes = min(self._data_bytes, self._MAX_SIZE)
        chunk = (b"fmt ", 16, 1, 1, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ, 2, 16)
        return self.HEADER.pack(
            b"RIFF", riff_bytes, b"WAVE", *chunk, b"data", data_bytes
        )


def wav_file(
    path: Path, *, ppm: float = 0.0, block_samples: int = BLOCK_SAMPLES
) -> PacedDevice:
    """Return a device that writes what it plays to *path*."""
    return PacedDevice(WavSink(path), ppm=ppm, block_samples=block_samples)


def null(*, ppm: float = 0.0, block_samples: int = BLOCK_SAMPLES) -> PacedDevice:
    """Return a device that plays to nobody."""
    return PacedDevice(NullSink(), ppm=ppm, block_samples=block_samples)
