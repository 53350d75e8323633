"""Generated test signals, each a pure function of the sample's number.

Made to be recognised again in what a speaker played: the patterns hardly
correlate with one another, and no pattern looks like itself at another position.
The bench and the demo correlate a speaker's output with :func:`render`.

A signal is computed in tiles of 960 samples on a fixed grid, so that what is
rendered does not depend on how it is cut (to the bit).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence

PEAK = 0.25
"Full scale of every pattern: -12 dBFS."

_Samples = npt.NDArray[np.float64]
_TILE_SAMPLES = FRAME_SAMPLES


class Pattern(StrEnum):
    """What a tone sounds like."""

    CHIRPS = "chirps"
    "A burst of sweeps at each second, telling which second it is; else silence."
    MUSIC = "music"
    "Plucked notes, eight a second, never the same tune."
    BULLETIN = "bulletin"
    "Babble with the rhythm, pitch and formants of speech."
    SIREN = "siren"
    "A wail, up and down each second, never to the same height."


def render(pattern: str, start_sample: int, samples: int, *, seed: int = 0) -> Pcm:
    """Return *samples* of *pattern* from sample number *start_sample* on.

    Args:
        pattern: One of `Pattern`.
        start_sample: Number of the first sample at 48 kHz; not negative.
        samples: How many.
        seed: Another seed is another tune, bulletin and so on.

    Raises:
        ValueError: *pattern* is none of `Pattern`, or a number is negative.
    """
    kind = Pattern(pattern)
    if start_sample < 0 or samples < 0:
        raise ValueError(f"need {start_sample=} and {samples=} >= 0")
    first, skip = divmod(start_sample, _TILE_SAMPLES)
    count = -(-(skip + samples) // _TILE_SAMPLES)
    tiles = [_tile(kind, seed, number) for number in range(first, first + count)]
    return np.concatenate([silence(0), *tiles])[skip : skip + samples]


class ToneSource:
    """A `streamer.media.source.Source` that plays a pattern from its start.

    Args:
        pattern: One of `Pattern`.
        duration_s: How long; None for without end.
        seed: As in :func:`render`.

    Raises:
        ValueError: *pattern* is none of `Pattern`, or *duration_s* is negative.
    """

    def __init__(
        self, pattern: str, duration_s: float | None = None, *, seed: int = 0
    ) -> None:
        if duration_s is not None and not duration_s >= 0:
            raise ValueError(f"need {duration_s=} >= 0")
        self._pattern = Pattern(pattern)
        self._seed = seed
        self._position = 0
        self._end = None if duration_s is None else round(duration_s * SAMPLE_RATE_HZ)
        self._finished = False

    @property
    def delay_ns(self) -> int:
        """What is made when it is read did not wait."""
        return 0

    def read(self, samples: int) -> Pcm:
        """Return the pattern's next *samples*."""
        if self._finished:
            return silence(0)
        if self._end is not None:
            samples = min(samples, self._end - self._position)
        pcm = render(self._pattern, self._position, samples, seed=self._seed)
        self._position += samples
        return pcm

    def finish(self) -> None:
        """End before the next sample: nothing was captured that is not read."""
        self._finished = True

    def close(self) -> None:
        """End; there is nothing to release."""
        self._finished = True


@lru_cache(maxsize=64)
def _tile(pattern: Pattern, seed: int, number: int) -> Pcm:
    """Return tile *number*: the samples from ``number * _TILE_SAMPLES`` on."""
    start = number * _TILE_SAMPLES
    tile = (PEAK * _VOICES[pattern](start, seed)).astype(np.float32)
    tile.flags.writeable = False  # shared by whoever asks for it again
    return tile


def _hash(seed: int, *values: int | npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return 64 well-mixed bits per element of *values* (SplitMix64, Steele 2014)."""
    state = np.asarray([seed % 2**63], dtype=np.uint64)
    for value in values:
        state = state * np.uint64(0x9E3779B97F4A7C15) + np.asarray(value, np.uint64)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state


def _chance(seed: int, *values: int | npt.NDArray[np.int64]) -> _Samples:
    """Return a number in [0, 1) per element of *values*, always the same one."""
    return _hash(seed, *values) / 2.0**64


def _circle(turns: _Samples) -> tuple[Pcm, Pcm]:
    """Return sine and cosine; the whole turns go first, single precision will do."""
    phase = (2 * np.pi * (turns - np.floor(turns))).astype(np.float32)
    return np.sin(phase), np.cos(phase)


# --- chirps ---------------------------------------------------------------------

_SWEEP_SAMPLES = SAMPLE_RATE_HZ * 30 // 1000
_SWEEPS_HZ = ((1000, 3500), (3500, 1000), (3500, 6000), (6000, 3500))
CODES = 64
"Seconds after which the bursts of `Pattern.CHIRPS` repeat."


def _chirps(start: int, seed: int) -> _Samples:
    """Six sweeps of 30 ms at each second, then silence.

    Which of four sweeps, a word of the hexacode tells: of its 64 words any two
    differ in at least four places of six, so that the burst of one second
    correlates with no other's by more than a third.
    """
    second, within = divmod(start + np.arange(_TILE_SAMPLES), SAMPLE_RATE_HZ)
    place, offset = divmod(within, _SWEEP_SAMPLES)
    # An odd factor visits all codes, in another order for each seed.
    code = (int(second[0]) * (2 * seed + 1) + seed) % CODES
    word = np.array(_hexacode(code))
    low_hz, high_hz = np.array(_SWEEPS_HZ).T[:, word[np.minimum(place, 5)]]
    time_s = offset / SAMPLE_RATE_HZ
    slope = (high_hz - low_hz) * SAMPLE_RATE_HZ / _SWEEP_SAMPLES
    wave, _ = _circle(time_s * (low_hz + slope * time_s / 2))
    edge = np.minimum(offset, _SWEEP_SAMPLES - offset) / (_SWEEP_SAMPLES / 10)
    burst: _Samples = np.where(place < 6, wave * np.minimum(edge, 1.0), 0.0)
    return burst


def _hexacode(code: int) -> tuple[int, ...]:
    """Return word *code* of the hexacode [6, 3, 4] over GF(4) (Conway and Sloane)."""
    a, b, c = code & 3, code >> 2 & 3, code >> 4 & 3
    # The values at 1, w and w + 1 of the polynomial a x^2 + b x + c; a sum is XOR.
    values = (_times(_times(x, x), a) ^ _times(x, b) ^ c for x in (1, 2, 3))
    return (a, b, c, *values)


def _times(x: int, y: int) -> int:
    """Multiply in GF(4), whose elements 0, 1, w, w + 1 are written 0 to 3."""
    return 0 if 0 in (x, y) else (x + y - 2) % 3 + 1


# --- music ----------------------------------------------------------------------

_NOTE_SAMPLES = SAMPLE_RATE_HZ // 8
_RINGING = 4
"Notes heard at once: each rings for this many steps."
_SCALE = (0, 2, 4, 7, 9)
_CHORDS = (0, -3, -7, -5)


def _music(start: int, seed: int) -> _Samples:
    """Plucked notes of a pentatonic scale over four chords in turn."""
    tune = np.zeros(_TILE_SAMPLES)
    newest = (start + _TILE_SAMPLES - 1) // _NOTE_SAMPLES
    for number in range(max(0, newest - _RINGING), newest + 1):
        into = start - number * _NOTE_SAMPLES  # of the note; before it when negative
        sounding = _note(_semitones(number, seed))[max(into, 0) : into + _TILE_SAMPLES]
        first = max(-into, 0)
        tune[first : first + len(sounding)] += sounding
    melody: _Samples = np.tanh(tune)
    return melody


@lru_cache(maxsize=64)
def _semitones(number: int, seed: int) -> int:
    """Return how high note *number* is, above middle C."""
    pick = int(_chance(seed, 1, number)[0] * 10)
    return _SCALE[pick % 5] + 12 * (pick // 5) + _CHORDS[number // 16 % len(_CHORDS)]


@lru_cache(maxsize=64)
def _note(semitones: int) -> _Samples:
    """Return a plucked string; a tune has few pitches, so each is made once."""
    length = _RINGING * _NOTE_SAMPLES
    time_s = np.arange(length) / SAMPLE_RATE_HZ
    attack = np.clip(time_s / 0.005, 0, 1)
    release = np.clip((length / SAMPLE_RATE_HZ - time_s) / 0.05, 0, 1)
    sine, cosine = _circle(261.6 * 2 ** (semitones / 12) * time_s)
    # With two and three times the pitch (by the formulas of the double angle).
    wave = sine * (1 + 0.8 * cosine + 0.2 * (3 - 4 * sine * sine))
    note: _Samples = 0.7 * attack * release * np.exp(-5 * time_s) * wave
    note.flags.writeable = False  # shared by all who play it
    return note


# --- bulletin -------------------------------------------------------------------

_SYLLABLE_SAMPLES = SAMPLE_RATE_HZ // 5
_HARMONICS = np.arange(1, 25)
_FORMANTS_HZ = np.array(
    [(730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480)]
)
"First three formants of a, i, u and e (Peterson and Barney, 1952)."
_BANDWIDTHS_HZ = np.array((90.0, 110.0, 170.0))


def _bulletin(start: int, seed: int) -> _Samples:
    """Syllables of hiss and vowel with a gliding pitch, and pauses between phrases."""
    at = start + np.arange(_TILE_SAMPLES)
    # A syllable is a whole number of tiles, so that a tile lies within one.
    syllable = start // _SYLLABLE_SAMPLES
    if _chance(seed, 2, syllable)[0] < 0.12:
        return np.zeros(_TILE_SAMPLES)
    time_s = (at - syllable * _SYLLABLE_SAMPLES) / SAMPLE_RATE_HZ
    hiss = _chance(seed, 3, at) - _chance(seed, 3, at + 1)
    hiss_loudness = np.clip(time_s / 0.005, 0, 1) * np.clip(
        (0.05 - time_s) / 0.02, 0, 1
    )
    wave = _vowel(time_s, seed, syllable) + 0.5 * hiss * hiss_loudness
    return np.tanh(1.4 * wave)


def _vowel(time_s: _Samples, seed: int, syllable: int) -> _Samples:
    vowel, pitch, glide = (float(_chance(seed, k, syllable)[0]) for k in (4, 5, 6))
    pitch_hz, glide_hz_per_s = 110 + 90 * pitch, 300 * (glide - 0.5)
    sine, cosine = _circle(time_s * (pitch_hz + glide_hz_per_s * time_s / 2))
    spectrum = _spectrum(_FORMANTS_HZ[int(vowel * 4)], pitch_hz)
    loudness = np.clip((time_s - 0.03) / 0.02, 0, 1) * np.clip(
        (0.19 - time_s) / 0.04, 0, 1
    )
    vowel_wave: _Samples = loudness * _sum_of_sines(spectrum, sine, cosine)
    return vowel_wave


def _sum_of_sines(spectrum: _Samples, sine: Pcm, cosine: Pcm) -> Pcm:
    """Return harmonic k times ``spectrum[k - 1]``, summed (Clenshaw, 1955)."""
    twice = 2 * cosine
    last, current = np.zeros_like(sine), np.zeros_like(sine)
    for amplitude in spectrum[::-1].astype(np.float32):
        last, current = current, amplitude + twice * current - last
    return current * sine


def _spectrum(formants_hz: _Samples, pitch_hz: float) -> _Samples:
    """Return how loud each harmonic is: resonances over a falling source."""
    distance = (_HARMONICS[:, None] * pitch_hz - formants_hz) / _BANDWIDTHS_HZ
    gain: _Samples = (1 / (1 + distance**2)).sum(axis=1) / np.sqrt(_HARMONICS)
    gain /= np.sqrt((gain**2).sum())
    return gain


# --- siren ----------------------------------------------------------------------


def _siren(start: int, seed: int) -> _Samples:
    """One wail a second, from a low to a high pitch and back, both chosen anew."""
    at = start + np.arange(_TILE_SAMPLES)
    wail = start // SAMPLE_RATE_HZ
    time_s = (at - wail * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    low_hz = 450 + 300 * float(_chance(seed, 7, wail)[0])
    rise_hz = 500 + 600 * float(_chance(seed, 8, wail)[0])
    # The integral of low + rise * (1 - cos(2 pi t)) / 2.
    turns = (low_hz + rise_hz / 2) * time_s
    turns -= rise_hz * np.sin(2 * np.pi * time_s) / (4 * np.pi)
    sine, _ = _circle(turns)
    edge = np.clip(np.minimum(time_s, 1 - time_s) / 0.01, 0, 1)
    wave = sine * (1 + 0.3 * (3 - 4 * sine * sine))  # with three times the pitch
    return np.tanh(1.6 * edge * wave)


_VOICES: dict[Pattern, Callable[[int, int], _Samples]] = {
    Pattern.CHIRPS: _chirps,
    Pattern.MUSIC: _music,
    Pattern.BULLETIN: _bulletin,
    Pattern.SIREN: _siren,
}
