"""A sound card through PortAudio (extra ``loacast[audio]``).

The card's thread calls back for samples; a thread of ours opens the card, and opens
it again when it is gone. Source: python-sounddevice, `OutputStream`.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic_ns
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.speaker.device import BLOCK_SAMPLES, STOP_TIMEOUT_S, Render, rendered
from streamer.media.frame import SAMPLE_RATE_HZ

_log = logging.getLogger(__name__)

RETRY_S = 5.0
LATENCY_S = 0.1
"What the card may buffer; the playout delay must be longer."
_SMOOTHING = 0.02


def load_sounddevice() -> Any:
    """Return the `sounddevice` module.

    Raises:
        OSError: It, or PortAudio below it, is not installed; says how to get it.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise OSError("sounddevice is missing: pip install 'loacast[audio]'") from None
    except OSError:
        raise OSError(
            "PortAudio is missing: install it (Debian: libportaudio2)"
        ) from None


class SoundCard:
    """Plays on a card of this machine.

    Args:
        name: Name (part of it) or number of the card; None for the default one.
        load: Gets the module; tests give their own.
        retry_s: Between attempts to open; also how long a card may be silent.
        block_samples: How many samples the card asks for at a time.
    """

    def __init__(
        self,
        name: str | int | None = None,
        *,
        load: Callable[[], Any] = load_sounddevice,
        retry_s: float = RETRY_S,
        block_samples: int = BLOCK_SAMPLES,
    ) -> None:
        self._block_samples = block_samples
        self._name = name
        self._load = load
        self._retry_s = retry_s
        self._stopping = Event()
        self._wake = Event()
        self._thread: Thread | None = None
        self._calls = 0
        self.sounding = False
        "Whether the card is open."
        self.beat_ns = 0
        "When a thread of it was last known not to hang."
        self.underflows = 0

    def start(self, render: Render) -> None:
        """Open the card, and keep it open."""
        self._thread = Thread(
            target=self._run, args=(render,), name="sound card", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the card."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self, render: Render) -> None:
        while not self._stopping.is_set():
            self.beat_ns = monotonic_ns()
            try:
                self._play(render)
            except Exception as error:  # PortAudioError, OSError, a missing library
                _log.error("no sound (%s); next try in %.0f s", error, self._retry_s)
            self.sounding = False
            self.beat_ns = monotonic_ns()
            self._stopping.wait(self._retry_s)

    def _play(self, render: Render) -> None:
        """Play until stopped, or until the card is gone."""
        if not self._stopping.is_set():
            self._wake.clear()
        sounddevice, instants = self._load(), DacClock()

        def callback(
            output: npt.NDArray[np.float32], frames: int, times: Any, status: Any
        ) -> None:
            self._calls += 1
            self.beat_ns = monotonic_ns()
            self.underflows += bool(status.output_underflow)
            delay_s = times.outputBufferDacTime - times.currentTime
            local_ns = monotonic_ns() + round(max(0.0, delay_s) * 1e9)
            output[:, 0] = rendered(render, frames, instants.smooth(local_ns, frames))

        with sounddevice.OutputStream(
            samplerate=SAMPLE_RATE_HZ,
            blocksize=self._block_samples,
            device=self._name,
            channels=1,
            dtype="float32",
            latency=LATENCY_S,
            callback=callback,
            finished_callback=self._wake.set,
        ):
            self.sounding = True
            _log.info("playing on %s", self._name or "the default sound card")
            self._watch()

    def _watch(self) -> None:
        """Return when stopped; a card that no longer asks for samples is gone."""
        seen = -1
        while seen != self._calls and not self._stopping.is_set():
            seen = self._calls
            if self._wake.wait(self._retry_s):
                break
        if not self._stopping.is_set():
            raise OSError("the sound card stopped")


class DacClock:
    """Steadies the instants a card reports, which jitter by milliseconds (pure).

    It follows the count of samples and gives in to the reported instants slowly; a
    difference above 20 ms is a gap, and taken over.
    """

    GAP_NS = 20_000_000

    def __init__(self) -> None:
        self._next_ns: float | None = None

    def smooth(self, reported_ns: int, samples: int) -> int:
        """Return when the first of the next *samples* is heard."""
        expected_ns = self._next_ns
        if expected_ns is None or abs(reported_ns - expected_ns) > self.GAP_NS:
            expected_ns = float(reported_ns)
        instant_ns = expected_ns + _SMOOTHING * (reported_ns - expected_ns)
        self._next_ns = instant_ns + samples * 1e9 / SAMPLE_RATE_HZ
        return round(instant_ns)
