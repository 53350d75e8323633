"""The place in the media that is heard next, kept where the device's clock wants it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from clients.speaker.decode import FADE_IN_SAMPLES
from clients.speaker.fade import Fader
from clients.speaker.timeline import SWITCH_OUT_SAMPLES
from streamer.media.drift import DriftServo, VariableResampler
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

STEP_SAMPLES = 2_400
"An error of 50 ms is stepped over with fades; a smaller one is drift."
OTHER_CLOCK_SAMPLES = 20 * SAMPLE_RATE_HZ
"Beyond it the server is another one: what was placed on its clock is not faded."
SERVO_TIME_CONSTANT_S = 10.0

Read: TypeAlias = Callable[[int, int], tuple[Pcm, int]]
"""From a position on, so many samples of media, or fewer or more; and how much more
media than samples that was."""


class Head:
    """Reads media at a pace that a servo corrects, or steps behind a closed gate.

    Positions are samples of media. Call :meth:`steer` before everything else, then
    either :meth:`coast` or :meth:`sound`.

    Args:
        read: The media.
        lead_samples: After a step so many samples are read early, to prime with.
    """

    def __init__(self, read: Read, *, lead_samples: int) -> None:
        self._read = read
        self._lead_samples = lead_samples
        self._servo = DriftServo(time_constant_s=SERVO_TIME_CONSTANT_S)
        self._resampler = VariableResampler()
        self._origin: float | None = None  # position of the resampler's input 0
        self._fed_samples = 0  # since the origin
        self._ready = silence(0)  # resampled, not yet asked for
        self._gate = Fader(1.0)  # closed around a step
        self._primed = True  # what comes before the next position was read
        self.step_due = False
        "Whether the place is to be stepped to, however near it is."
        self.steps = 0
        "How often it was, the first time included."

    @property
    def drift_ppm(self) -> float:
        """How much faster than the server's clock the device's runs, as learnt."""
        return self._servo.drift_ppm

    @property
    def position(self) -> float | None:
        """Where the next output sample lies; None before the first :meth:`steer`."""
        if self._origin is None:
            return None
        held = len(self._ready) / self._servo.ratio
        return self._origin + self._resampler.input_position - held

    @property
    def next_read(self) -> int:
        """The first sample that was not read yet."""
        return math.ceil(self._started) + self._fed_samples

    @property
    def _started(self) -> float:
        assert self._origin is not None  # steer() has set it
        return self._origin

    def steer(self, wanted: float, samples: int, *, unheard: bool) -> None:
        """Go to *wanted*: by a hair of pitch, or by a step.

        Args:
            wanted: The position at which the next *samples* ought to begin.
            samples: How many are asked for next.
            unheard: Whether a step needs no fade, since nothing sounds.
        """
        position = self.position
        if position is None:
            self._jump(wanted)
            return
        ahead = position - wanted
        if not self.step_due and abs(ahead) <= STEP_SAMPLES:
            self._servo.update(ahead, samples / SAMPLE_RATE_HZ)
            return
        self.step_due = True
        other_clock = abs(ahead) > OTHER_CLOCK_SAMPLES
        if self._gate.silent or unheard or other_clock:
            self._jump(wanted)
        else:
            self._gate.to(0.0, SWITCH_OUT_SAMPLES)

    def coast(self, samples: int, wanted: float, *, at_wanted: bool) -> int:
        """Move on through media in which nothing is heard; return from where.

        Args:
            samples: How far the output moves.
            wanted: As for :meth:`steer`.
            at_wanted: Whether to go there at once, for nobody hears the jump.
        """
        position = self.position
        assert position is not None  # as above
        if at_wanted:
            position = wanted
        if not self._primed:
            self._primed = True
            position = max(position, wanted)
        self._rest_at(position + samples / self._servo.ratio)
        return math.ceil(position)

    def prime(self) -> Pcm | None:
        """Return what comes before the next position, once after each step."""
        if self._primed:
            return None
        self._primed = True
        return self.sound(self._lead_samples)

    def sound(self, samples: int) -> Pcm:
        """Return what is heard next."""
        return self._produce(samples) * self._gate.take(samples)

    def _jump(self, wanted: float) -> None:
        self._rest_at(wanted - self._lead_samples)
        self._primed = False
        self._gate.to(1.0, FADE_IN_SAMPLES)
        self.step_due = False
        self.steps += 1

    def _rest_at(self, position: float) -> None:
        """Hold nothing, and go on from *position*."""
        self._resampler.reset()
        self._origin, self._fed_samples = position, 0
        self._ready = silence(0)

    def _produce(self, samples: int) -> Pcm:
        if self._fed_samples == 0:
            self._origin = float(math.ceil(self._started))
        while len(self._ready) < samples:
            missing = samples - len(self._ready)
            count = math.ceil(missing / self._servo.ratio) + 1
            if self._fed_samples == 0:
                count += VariableResampler.LOOKAHEAD_SAMPLES
            pcm, surplus = self._read(int(self._started) + self._fed_samples, count)
            self._origin = self._started + surplus
            self._fed_samples += len(pcm)
            output = self._resampler.process(pcm, self._servo.ratio)
            self._ready = np.concatenate((self._ready, output))
        pcm, self._ready = self._ready[:samples], self._ready[samples:]
        return pcm
