"""The speech that bad links are tried with, and how it sounds when nothing is lost.

Spoken by espeak-ng where it is installed, in Vietnamese; else made of pulses and noise
through moving resonances, with the rhythm of speech. Either is the same each time.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter, resample_poly

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

_SENTENCE = (
    "Mục thứ {0}. Ủy ban nhân dân xã thông báo lịch cắt nước số {1},"
    " bà con chú ý từ {2} giờ sáng."
)
_ESPEAK = ("espeak-ng", "-v", "vi", "-s", "150", "--stdout")
_SENTENCE_S = 6
_PEAK = 0.5


@dataclass(frozen=True, slots=True)
class Track:
    """Mono speech at 48 kHz."""

    pcm: Pcm
    spoken_by: str

    def wav(self) -> bytes:
        """Return it as a 16-bit WAV file."""
        file = io.BytesIO()
        with wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(SAMPLE_RATE_HZ)
            wav.writeframes(np.rint(self.pcm * 32_767).astype("<i2").tobytes())
        return file.getvalue()


def speech(seconds: float) -> Track:
    """Return *seconds* of speech that does not repeat itself."""
    samples = round(seconds * SAMPLE_RATE_HZ)
    if shutil.which(_ESPEAK[0]):
        return Track(_levelled(_spoken(seconds)[:samples]), "espeak-ng, Vietnamese")
    return Track(_levelled(_babble(samples)), "generated")


def decode(ogg: bytes) -> Pcm:
    """Return what an Ogg Opus recording of ours holds, pre-skip taken off."""
    with av.open(io.BytesIO(ogg), "r") as container:
        resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE_HZ)
        frames = [
            out.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for out in resampler.resample(frame)
        ]
    return np.concatenate(frames).astype(np.float32)


def _spoken(seconds: float) -> npt.NDArray[np.float64]:
    count = round(seconds / _SENTENCE_S * 2) + 2
    text = " ".join(
        _SENTENCE.format(n, 7 * n % 90 + 10, 5 + n % 6) for n in range(1, count)
    )
    spoken = subprocess.run([*_ESPEAK, text], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken), "rb") as wav:
        rate_hz = wav.getframerate()
        # Written to a pipe, its length is not true; what is there counts.
        data = np.frombuffer(wav.readframes(1 << 30), "<i2").astype(np.float64)
    divisor = int(np.gcd(SAMPLE_RATE_HZ, rate_hz))
    raised: npt.NDArray[np.float64] = resample_poly(
        data, SAMPLE_RATE_HZ // divisor, rate_hz // divisor
    )
    if len(raised) < seconds * SAMPLE_RATE_HZ:
        raise ValueError(f"espeak-ng spoke {len(raised) / SAMPLE_RATE_HZ:.0f} s only")
    return raised


def _babble(samples: int) -> npt.NDArray[np.float64]:
    """Syllables of 100 to 250 ms with a pitch and two resonances each, and pauses."""
    dice = np.random.default_rng(1)
    parts: list[npt.NDArray[np.float64]] = []
    total = 0
    while total < samples:
        length = int(dice.integers(4_800, 12_000))
        if dice.random() < 0.12:
            parts.append(np.zeros(length))
        else:
            parts.append(_syllable(length, dice))
        total += length
    return np.concatenate(parts)[:samples]


def _syllable(length: int, dice: np.random.Generator) -> npt.NDArray[np.float64]:
    start_hz, end_hz = dice.uniform(90, 220, 2).tolist()
    pitch_hz = np.linspace(start_hz, end_hz, length)
    phase = np.cumsum(pitch_hz / SAMPLE_RATE_HZ)
    pulses = np.diff(np.floor(phase), prepend=0) + dice.standard_normal(length) * 0.02
    sound = pulses
    for low, high, width_hz in ((250, 900, 90), (900, 2_500, 120), (2_500, 3_500, 200)):
        angle = 2 * np.pi * dice.uniform(low, high) / SAMPLE_RATE_HZ
        radius = np.exp(-np.pi * width_hz / SAMPLE_RATE_HZ)
        sound = lfilter(
            [1 - radius], [1, -2 * radius * np.cos(angle), radius**2], sound
        )
    shaped: npt.NDArray[np.float64] = sound * np.hanning(length)
    return shaped / (float(np.max(np.abs(shaped))) + 1e-9)


def _levelled(signal: npt.NDArray[np.float64]) -> Pcm:
    levelled: Pcm = (signal * (_PEAK / np.max(np.abs(signal)))).astype(np.float32)
    return levelled
