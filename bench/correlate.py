"""Find known sound in a recording: normalised cross-correlation by FFT.

What went through Opus comes back with another waveform above its cut-off and in
the quietest bins; both signals are therefore reduced to a band that speech and the
tone patterns fill and the codec keeps. The score is 1 for the same sound at any
loudness, near 0 for another one.
"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

BAND_HZ = (150.0, 7_000.0)
_SILENCE_RMS = 1e-4
"-80 dBFS: what is quieter than this matches nothing."
_MAX_WAV_HEAD_BYTES = 4096

Signal = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a reference lies in a recording, and how surely."""

    offset_samples: int
    "Index in the recording of the reference's first sample."

    score: float
    "Normalised correlation there, at most 1."


def find(reference: Pcm, recording: Pcm) -> Match:
    """Return where *reference* fits best within *recording*.

    The whole reference must lie inside the recording, which must not be shorter.
    A silent reference or recording gives a score of 0.

    Raises:
        ValueError: The recording is shorter than the reference, or one is empty.
    """
    scores = correlation(reference, recording)
    best = int(np.argmax(scores))
    return Match(best, float(scores[best]))


def find_all(reference: Pcm, recording: Pcm, *, threshold: float) -> list[Match]:
    """Return every place where *reference* scores above *threshold*, in order.

    Two places are at least one reference apart; the better of two closer ones wins.
    """
    scores = correlation(reference, recording)
    found: list[Match] = []
    while scores[best := int(np.argmax(scores))] > threshold:
        found.append(Match(best, float(scores[best])))
        scores[max(0, best - len(reference)) : best + len(reference)] = -1
    return sorted(found, key=lambda match: match.offset_samples)


def correlation(reference: Pcm, recording: Pcm) -> Signal:
    """Return the normalised correlation at every offset that holds the whole reference.

    Raises:
        ValueError: The recording is shorter than the reference, or one is empty.
    """
    if not 0 < len(reference) <= len(recording):
        raise ValueError(f"cannot find {len(reference)} in {len(recording)} samples")
    wanted, heard = band_limited(reference), band_limited(recording)
    products = _correlate(wanted, heard)
    energy = _window_energy(heard, len(wanted))
    floor = len(wanted) * _SILENCE_RMS**2
    norm = np.sqrt(np.sum(wanted**2) * energy)
    audible = (energy > floor) & (np.sum(wanted**2) > floor)
    scores: Signal = np.divide(
        products, norm, out=np.zeros_like(products), where=audible
    )
    return scores


def band_limited(pcm: Pcm, *, high_hz: float = BAND_HZ[1]) -> Signal:
    """Return *pcm* with everything outside `BAND_HZ` removed, without phase shift."""
    # A power of two: at an awkward length an FFT takes many times as long.
    size = 1 << (len(pcm) - 1).bit_length()
    spectrum = np.fft.rfft(pcm.astype(np.float64), size)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    spectrum[(hertz < BAND_HZ[0]) | (hertz > high_hz)] = 0
    limited: Signal = np.fft.irfft(spectrum, size)
    return limited[: len(pcm)]


def read_wav(path: Path, *, start: int = 0, samples: int | None = None) -> Pcm:
    """Return 16-bit mono PCM of *path*, which may still be growing.

    A writer that has not closed its file leaves a stale length in the header, so the
    file's size says how much there is.

    Raises:
        ValueError: It is not 16-bit mono at 48 kHz.
    """
    with path.open("rb") as file:
        head = file.read(_MAX_WAV_HEAD_BYTES)
        with wave.open(io.BytesIO(head), "rb") as wav:
            shape = (wav.getnchannels(), wav.getsampwidth(), wav.getframerate())
        if shape != (1, 2, SAMPLE_RATE_HZ):
            raise ValueError(f"{path} has channels, bytes, rate {shape}")
        file.seek(head.index(b"data") + 8 + 2 * start)
        body = file.read(-1 if samples is None else 2 * samples)
    pcm = np.frombuffer(body[: len(body) // 2 * 2], dtype="<i2")
    return (pcm / 32_768).astype(np.float32)


def _correlate(wanted: Signal, heard: Signal) -> Signal:
    size = 1 << (len(wanted) + len(heard) - 1).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    products: Signal = np.fft.irfft(spectrum, size)
    return products[: len(heard) - len(wanted) + 1]


def _window_energy(heard: Signal, length: int) -> Signal:
    sums = np.concatenate(([0.0], np.cumsum(heard**2)))
    energy: Signal = np.maximum(sums[length:] - sums[:-length], 0)
    return energy
