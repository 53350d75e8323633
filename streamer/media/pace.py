"""When a listener in a hurry plays faster, slower or as it comes (sans-I/O, integers).

The state machine of low-latency playout (README.md draws it). Media is read at
``now - delay``; this module decides how *delay* follows what `DelayEstimator` learns:

- too short: lengthened at once, a period of speech at a time;
- too long: shortened by a period of speech each 60 ms, faster in quiet;
- music is not stretched: it glides, by less than ears notice, or waits for quiet;
- far off: one step, with a fade, is better than a second of stretching.

A decision is carried out by whoever holds the samples, who then says how much was
really taken out or put in: only then the delay is another.

Units: samples at 48 kHz. Counters are named as in W3C webrtc-stats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from streamer.media.delay import DelayEstimator
from streamer.media.timestretch import MAX_LAG_SAMPLES, MIN_LAG_SAMPLES

_MS = 48
SLACK_SAMPLES = 15 * _MS
"How much too long a delay may be before it is shortened, and then by half."
SPACING_SAMPLES = 60 * _MS
"From one stretch of sounding speech to the next."
RETRY_SAMPLES = 20 * _MS
"From a search for a period that found none to the next."
STEP_SAMPLES = 250 * _MS
"Too short or too long by more is stepped over."
GLIDE_PARTS = 2_500
"Music is heard up to 400 ppm fast or slow: the drift servo does it."


@dataclass(frozen=True, slots=True)
class Straight:
    """Play what comes next as it is."""


@dataclass(frozen=True, slots=True)
class Shorten:
    """Take out a period of speech, or of quiet, of at most `samples`."""

    samples: int


@dataclass(frozen=True, slots=True)
class Lengthen:
    """Put in a period of at most `samples`."""

    samples: int


@dataclass(frozen=True, slots=True)
class Step:
    """Fade out, go to the delay of `samples`, fade in."""

    samples: int


PaceDecision: TypeAlias = Straight | Shorten | Lengthen | Step


@dataclass(slots=True)
class PaceCounters:
    """What was done to the pace; names of W3C webrtc-stats, in samples."""

    removed_samples_for_acceleration: int = 0
    inserted_samples_for_deceleration: int = 0
    jitter_buffer_emitted_count: int = 0
    jitter_buffer_delay: int = 0
    "Sum over emitted samples of how long each was held, seen from its arrival."
    jitter_buffer_target_delay: int = 0
    "Sum over emitted samples of the delay that was aimed at then."
    jitter_buffer_minimum_delay: int = 0
    "The same without what is kept for the jitter: what no buffer could undercut."


class Pace:
    """Keeps the delay of one listener.

    Args:
        estimator: Learns from :meth:`arrived`.
        delay: What to begin with.
    """

    def __init__(self, estimator: DelayEstimator, *, delay: int) -> None:
        self._estimator = estimator
        self._rest = 0  # until a stretch may be heard again
        self._shrinking = False
        self._gliding = 0  # samples of music not yet worth one of the delay
        self.delay = delay
        "A sample is due this long after its position."
        self.counters = PaceCounters()

    def arrived(self, start: int, samples: int, at: int) -> None:
        """Learn that the packet at *start* was here at *at*, for the first time."""
        transit = at - start
        self._estimator.add(transit, at)
        self.counters.jitter_buffer_delay += max(0, self.delay - transit) * samples

    def wanted(self, reach: int) -> int | None:
        """Return the delay to aim at; None before anything came.

        Args:
            reach: How long before it is due a sample is asked for: the device's
                lead, its block, and what filters look ahead.
        """
        base = self._estimator.base
        return None if base is None else base + self._estimator.target + reach

    def pull(
        self, samples: int, *, reach: int, speech: bool, quiet: bool, heard: bool = True
    ) -> PaceDecision:
        """Decide what to do with the next *samples*.

        Args:
            samples: How many are about to be played.
            reach: See :meth:`wanted`.
            speech: Whether what sounds may be stretched.
            quiet: Whether nothing sounds, so that no stretch is heard.
            heard: Whether anything was played before; else the delay just changes.
        """
        wanted = self.wanted(reach)
        self._rest = max(0, self._rest - samples)
        if wanted is None:
            return Straight()
        self._emitted(samples, wanted, reach)
        excess = self.delay - wanted
        if not heard:
            self.delay = wanted
            return Straight()
        if abs(excess) > STEP_SAMPLES:
            return Step(wanted)
        if quiet:
            return _in_quiet(excess)
        if speech:
            return self._in_speech(excess)
        self._glide(excess, samples)
        return Straight()

    def stretched(self, inserted: int) -> None:
        """Take note of what a `Shorten` or `Lengthen` came to.

        Args:
            inserted: Samples put in; negative when they were taken out; 0 when none
                that might be were found.
        """
        self._rest = SPACING_SAMPLES if inserted else RETRY_SAMPLES
        self.delay += inserted
        self.counters.inserted_samples_for_deceleration += max(0, inserted)
        self.counters.removed_samples_for_acceleration += max(0, -inserted)

    def stepped(self, delay: int) -> None:
        """Take note of a step to *delay*; nothing was stretched."""
        self.delay = delay

    def reset(self) -> None:
        """Forget the path; the delay stays until something comes."""
        self._estimator.reset()

    def _in_speech(self, excess: int) -> PaceDecision:
        if excess > SLACK_SAMPLES:
            self._shrinking = True
        elif excess < SLACK_SAMPLES // 2:
            self._shrinking = False
        if self._rest > 0:
            return Straight()
        if self._shrinking:
            return Shorten(min(excess, MAX_LAG_SAMPLES))
        # Whatever the period is: a little too long is better than too short.
        return Lengthen(MAX_LAG_SAMPLES) if excess < -MIN_LAG_SAMPLES else Straight()

    def _glide(self, excess: int, samples: int) -> None:
        """Move the delay, not the samples: the drift servo follows."""
        if 0 <= excess <= SLACK_SAMPLES:
            return
        self._gliding += samples
        most, self._gliding = divmod(self._gliding, GLIDE_PARTS)
        self.delay += max(-most, min(most, -excess))

    def _emitted(self, samples: int, wanted: int, reach: int) -> None:
        counters = self.counters
        counters.jitter_buffer_emitted_count += samples
        held = self._estimator.target + reach
        counters.jitter_buffer_target_delay += held * samples
        counters.jitter_buffer_minimum_delay += reach * samples


def _in_quiet(excess: int) -> PaceDecision:
    """Go to what is wanted: nobody hears it, and every sample counts."""
    if excess >= MIN_LAG_SAMPLES:
        return Shorten(min(excess, MAX_LAG_SAMPLES))
    if excess <= -MIN_LAG_SAMPLES:
        return Lengthen(min(-excess, MAX_LAG_SAMPLES))
    return Straight()
