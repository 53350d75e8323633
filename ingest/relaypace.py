"""How what a station sends is read at our pace: cushion, drift, waits (sans-I/O).

A station sends at its own clock's pace, in bursts (a second of MP3, a segment of ten
seconds), and gives no capture times. What is held swings with the bursts; its least
in half a minute is the cushion, and how that moves is the drift.

When the cushion is used up there is silence until enough is held again, twice as much
as the last time; each half minute without halves it. A sender that is faster than we
read (a file, or what a server had ready) is stopped by a full buffer, and then tells
nothing about its clock.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from streamer.media.drift import DriftServo, VariableResampler
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence

CAPACITY_SAMPLES = 10 * SAMPLE_RATE_HZ
PREFILL_SAMPLES = SAMPLE_RATE_HZ
MAX_PREFILL_SAMPLES = 6 * SAMPLE_RATE_HZ
WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ
"Longer than any burst."
LEAST_CUSHION_SAMPLES = SAMPLE_RATE_HZ // 2
SEAM_SAMPLES = 240
"5 ms of fade where sound ends and begins."

_TIME_CONSTANT_S = 120.0  # the cushion is known half a minute late


class RelayBuffer:
    """Hands PCM from a station's thread to the reader's.

    Bound and rule: the sender waits while *capacity_samples* or more are held.

    Args:
        capacity_samples: At most one piece more is held.
    """

    def __init__(self, capacity_samples: int = CAPACITY_SAMPLES) -> None:
        self._capacity = capacity_samples
        self._changed = threading.Condition()
        self._pieces: deque[Pcm] = deque()
        self._held = 0
        self._closed = False
        self.was_full = False
        "Whether the sender had to wait; the reader resets it."

    @property
    def held_samples(self) -> int:
        """What may be taken at once."""
        return self._held

    def put(self, pcm: Pcm) -> bool:
        """Append *pcm*, waiting for room; return False once it is closed."""
        with self._changed:
            if self._held >= self._capacity:
                self.was_full = True
            self._changed.wait_for(self._has_room)
            if self._closed:
                return False
            self._pieces.append(pcm)
            self._held += len(pcm)
            self._changed.notify_all()
            return True

    def take(self, samples: int) -> Pcm:
        """Return up to *samples*; what there is, without waiting."""
        with self._changed:
            parts, missing = [silence(0)], samples
            while missing and self._pieces:
                piece = self._pieces.popleft()
                parts.append(piece[:missing])
                if len(piece) > missing:
                    self._pieces.appendleft(piece[missing:])
                missing -= len(parts[-1])
            self._held -= samples - missing
            self._changed.notify_all()
            return np.concatenate(parts)

    def wait_held(self, samples: int, timeout_s: float) -> bool:
        """Wait until *samples* are held; return whether they are."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._held >= samples or self._closed, timeout_s
            )
            return self._held >= samples

    def close(self) -> None:
        """Let go of what is held and of a sender that waits."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._held = 0
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._held < self._capacity or self._closed


class RelayPace:
    """Reads a buffer at our clock's pace; one thread.

    Args:
        buffer: What the station sent.
        prefill_samples: What is waited for before sound begins.
    """

    def __init__(
        self, buffer: RelayBuffer, prefill_samples: int = PREFILL_SAMPLES
    ) -> None:
        self._buffer = buffer
        self._first_prefill = self._prefill = prefill_samples
        self._resampler = VariableResampler()
        self._servo = DriftServo(time_constant_s=_TIME_CONSTANT_S)
        self._output = silence(0)
        self._filling = True
        self._begins = True  # the next sound follows silence
        self._least: int | None = None  # held, in this window
        self._window = 0
        self._wanted: int | None = None  # the cushion to keep
        self._error = 0.0
        self.waits = 0
        "How often the cushion was used up."

    @property
    def drift_ppm(self) -> float:
        """How much faster our clock runs than the station's."""
        return self._servo.drift_ppm

    @property
    def prefill_samples(self) -> int:
        """What is waited for now before sound begins."""
        return self._prefill

    def read(self, samples: int) -> tuple[Pcm, int]:
        """Return *samples*, and how many of them are silence for want of any."""
        held = self._buffer.held_samples
        if self._filling:
            if held < self._prefill:
                return silence(samples), samples
            self._filling = False
        self._servo.update(self._error, samples / SAMPLE_RATE_HZ)
        while len(self._output) < samples:
            piece = self._buffer.take(FRAME_SAMPLES)
            if len(piece) == 0:
                return self._run_dry(samples)
            ready = self._resampler.process(piece, self._servo.ratio)
            self._output = np.concatenate((self._output, ready))
        pcm, self._output = self._output[:samples], self._output[samples:]
        self._note(self._buffer.held_samples, samples)
        return self._begin(pcm), 0

    def _begin(self, pcm: Pcm) -> Pcm:
        if not self._begins:
            return pcm
        self._begins = False
        seam = min(SEAM_SAMPLES, len(pcm))
        rise = np.linspace(0, 1, seam, dtype=np.float32)
        return np.concatenate((pcm[:seam] * rise, pcm[seam:]))

    def _run_dry(self, samples: int) -> tuple[Pcm, int]:
        """Fade what is left, and wait for more than last time."""
        pcm = self._begin(self._output)
        seam = min(SEAM_SAMPLES, len(pcm))
        fall = np.linspace(1, 0, seam, dtype=np.float32)
        missing = samples - len(pcm)
        whole = np.concatenate(
            (pcm[: len(pcm) - seam], pcm[len(pcm) - seam :] * fall, silence(missing))
        )
        self.waits += 1
        self._prefill = min(2 * self._prefill, MAX_PREFILL_SAMPLES)
        self._filling = self._begins = True
        self._output = silence(0)
        self._resampler.reset()
        self._forget()
        return whole, missing

    def _note(self, held: int, samples: int) -> None:
        """Learn the cushion, a window at a time."""
        if self._buffer.was_full:
            self._buffer.was_full = False
            self._forget()
            return
        self._least = held if self._least is None else min(self._least, held)
        self._window += samples
        if self._window < WINDOW_SAMPLES:
            return
        if self._wanted is None:
            self._wanted = max(self._least, LEAST_CUSHION_SAMPLES)
        self._prefill = max(self._prefill // 2, self._first_prefill)
        # A growing cushion: we read too slowly, so we are behind.
        self._error = float(self._wanted - self._least)
        self._least, self._window = None, 0

    def _forget(self) -> None:
        self._least, self._window = None, 0
        self._wanted, self._error = None, 0.0
