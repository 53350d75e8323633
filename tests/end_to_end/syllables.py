"""Programmes of syllables, each its own, and what became of them in a recording.

A syllable is a chirp of 50 ms between two frequencies that no other one has, so each
50 ms of a recording tell by themselves which place of which programme they are.
"""

from __future__ import annotations

import io
import random
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.correlate import find
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

SYLLABLE_SAMPLES = 2_400
WHOLE_SCORE = 0.97
"Opus at 64 kb/s leaves 0.98 and more; without 3 ms of the 50 it would be this."
WHOLE_ENERGY = (0.9, 1.1)
"Heard to sent."
SAME_SAMPLES = 48
"1 ms: how far a run may wander, for the speaker follows its clock."
STEP_SAMPLES = 120
"2.5 ms: one period at 400 Hz, the lowest there is."
_EDGE_SAMPLES = 48  # 1 ms, so that it is nearly all sound


def syllables(count: int, *, seed: int) -> Pcm:
    """Return that many syllables, without a pause, from the first sample on."""
    rng = random.Random(seed)
    return np.concatenate([_syllable(rng) for _ in range(count)])


def wav_bytes(pcm: Pcm) -> bytes:
    """Return *pcm* as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        out.writeframes(np.rint(pcm * 32_767).astype("<i2").tobytes())
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Sounding:
    """A piece of a programme as it was found in a recording."""

    place: int
    "Index in the recording of its first sample."
    score: float
    "Normalised correlation."
    energy: float
    "Heard to sent."

    @classmethod
    def of(cls, reference: Pcm, recording: Pcm) -> Sounding:
        """Return where *reference* fits best."""
        match = find(reference, recording)
        heard = recording[match.offset_samples :][: len(reference)]
        energy = float(np.sum(heard**2) / np.sum(reference**2))
        return cls(match.offset_samples, match.score, energy)

    @property
    def is_whole(self) -> bool:
        """Whether all of it was heard, as loud as it was sent."""
        least, most = WHOLE_ENERGY
        return self.score >= WHOLE_SCORE and least <= self.energy <= most


def shares(programme: Pcm, recording: Pcm, shift: int) -> npt.NDArray[np.float64]:
    """Return how loud each step of *programme* is, if it began at index *shift*.

    1 is as it was sent, 0 is not at all; one number per `STEP_SAMPLES`.
    """
    steps = len(programme) // STEP_SAMPLES
    found = np.zeros(steps)
    for step in range(steps):
        first = step * STEP_SAMPLES
        sent = programme[first : first + STEP_SAMPLES].astype(np.float64)
        heard = recording[max(0, shift + first) :][:STEP_SAMPLES]
        if shift + first >= 0 and len(heard) == STEP_SAMPLES:
            found[step] = np.dot(sent, heard) / np.dot(sent, sent)
    return found


def _syllable(rng: random.Random) -> Pcm:
    first_hz, last_hz = rng.uniform(400, 2_000), rng.uniform(1_000, 3_500)
    seconds = np.arange(SYLLABLE_SAMPLES) / SAMPLE_RATE_HZ
    length = SYLLABLE_SAMPLES / SAMPLE_RATE_HZ
    phase = first_hz * seconds + (last_hz - first_hz) * seconds**2 / (2 * length)
    edge = np.sin(np.linspace(0, np.pi / 2, _EDGE_SAMPLES)) ** 2
    loudness = np.full(SYLLABLE_SAMPLES, 0.4)
    loudness[:_EDGE_SAMPLES] *= edge
    loudness[-_EDGE_SAMPLES:] *= edge[::-1]
    return (loudness * np.sin(2 * np.pi * phase)).astype(np.float32)
