"""Audio files made on the spot, by FFmpeg itself."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

Encode = Callable[..., Path]


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Return a function that writes mono PCM at 48 kHz into a file of some kind."""

    def encode(
        name: str, codec: str, pcm: Pcm, rate: int = 48_000, layout: str = "mono"
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            assert isinstance(stream, AudioStream)
            stream.layout = layout
            context = stream.codec_context
            context.time_base = Fraction(1, rate)
            context.open()
            resampler = AudioResampler(
                format=context.format.name,
                layout=layout,
                rate=rate,
                frame_size=context.frame_size or 1024,
                options={"rematrix_maxval": "1.0"},
            )
            frame = AudioFrame.from_ndarray(pcm[None, :], format="flt", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            frame.pts, frame.time_base = 0, Fraction(1, SAMPLE_RATE_HZ)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))
        return path

    return encode
