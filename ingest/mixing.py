"""Whatever FFmpeg decodes as mono 48 kHz PCM."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from ingest.errors import UnsupportedAudioError
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

SAMPLE_RATES_HZ = range(4_000, 768_001)
"Outside of it a header is wrong or meant to make us allocate gigabytes."
_HEADROOM = 8.0


class Mixer:
    """Mixes and resamples frames, whose kind may change, to mono 48 kHz."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None

    def mix(self, frame: AudioFrame) -> Iterator[Pcm]:
        """Yield what *frame* completes.

        Raises:
            UnsupportedAudioError: Its sample rate is absurd.
        """
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.flush()
            checked_rate(frame.sample_rate)
            self._kind = kind
            self._resampler = AudioResampler(
                format="flt",
                layout="mono",
                rate=SAMPLE_RATE_HZ,
                # Two equal channels shall sound as loud as one; of more, the centre
                # (the voice) shall, and the limiter sees to the rest.
                options={"rematrix_maxval": "1.0"}
                if frame.layout.nb_channels == 2
                else {},
            )
        assert self._resampler is not None
        frame.pts = None  # gaps in the timestamps of a broken file are not silence
        yield from map(_samples_of, self._resampler.resample(frame))

    def flush(self) -> Iterator[Pcm]:
        """Yield what the filter still holds, and be ready for another kind."""
        if self._resampler is not None:
            yield from map(_samples_of, self._resampler.resample(None))
        self._resampler = self._kind = None


def checked_rate(sample_rate_hz: int) -> int:
    """Return *sample_rate_hz*.

    Raises:
        UnsupportedAudioError: It is absurd.
    """
    if sample_rate_hz not in SAMPLE_RATES_HZ:
        raise UnsupportedAudioError(f"its sample rate is {sample_rate_hz} Hz")
    return sample_rate_hz


def _samples_of(frame: AudioFrame) -> Pcm:
    # Float formats may hold anything, and a codec must not be fed NaN.
    pcm = np.nan_to_num(frame.to_ndarray().reshape(-1).astype(np.float32), nan=0.0)
    return pcm.clip(-_HEADROOM, _HEADROOM)
