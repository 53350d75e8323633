"""Tests of streamer.media.opus against the real libopus, the wheel's included."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from streamer.media.opus import (
    OpusDecoder,
    OpusEncoder,
    OpusError,
    libopus_version,
    packet_samples,
)


def tone(samples: int, *, hz: float = 440.0) -> Pcm:
    phase = 2 * np.pi * hz * np.arange(samples) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(phase)).astype(np.float32)


def encode(pcm: Pcm, encoder: OpusEncoder) -> list[bytes]:
    starts = range(0, len(pcm), FRAME_SAMPLES)
    return [encoder.encode(pcm[start : start + FRAME_SAMPLES]) for start in starts]


def rms(pcm: Pcm) -> float:
    return float(np.sqrt(np.mean(pcm**2)))


class TestRoundTrip:
    """What comes out is what went in."""

    def test_decoded_samples_lag_by_the_lookahead(self) -> None:
        pcm = tone(50 * FRAME_SAMPLES)
        with OpusEncoder(bitrate_bps=64_000) as encoder, OpusDecoder() as decoder:
            lag = encoder.lookahead_samples
            heard = np.concatenate([decoder.decode(p) for p in encode(pcm, encoder)])
        assert heard.dtype == np.float32
        assert len(heard) == len(pcm)
        settled = slice(FRAME_SAMPLES, len(pcm) - lag)
        assert rms(heard[lag:][settled] - pcm[settled]) < 0.02

    def test_bitrate_is_kept(self) -> None:
        rng = np.random.default_rng(1)
        noise = (0.1 * rng.standard_normal(100 * FRAME_SAMPLES)).astype(np.float32)
        for bitrate_bps in (32_000, 64_000):
            with OpusEncoder(bitrate_bps) as encoder:
                sizes = [len(payload) for payload in encode(noise, encoder)]
            assert sum(sizes) * 8 / 2 == pytest.approx(bitrate_bps, rel=0.15)

    def test_the_encoder_takes_views_and_wider_floats(self) -> None:
        pcm = tone(2 * FRAME_SAMPLES)
        with OpusEncoder() as one, OpusEncoder() as other:
            every_second = np.repeat(pcm, 2)[::2].astype(np.float64)
            assert encode(every_second, one) == encode(pcm, other)  # type: ignore[arg-type]

    def test_what_was_decoded_is_not_overwritten(self) -> None:
        with OpusEncoder() as encoder, OpusDecoder() as decoder:
            first, second = encode(tone(2 * FRAME_SAMPLES), encoder)
            heard = decoder.decode(first)
            kept = heard.copy()
            decoder.decode(second)
        assert np.array_equal(heard, kept)


class TestLoss:
    """Packets that never came."""

    def test_concealment_continues_the_sound(self) -> None:
        with OpusEncoder() as encoder, OpusDecoder() as decoder:
            for payload in encode(tone(20 * FRAME_SAMPLES), encoder):
                level = rms(decoder.decode(payload))
            hidden = decoder.conceal(FRAME_SAMPLES)
        assert hidden.shape == (FRAME_SAMPLES,)
        assert rms(hidden) > 0.3 * level

    @pytest.mark.parametrize("samples", [120, 480, 960, 2880, 5760])
    def test_concealment_covers_what_is_missing(self, samples: int) -> None:
        with OpusDecoder() as decoder:
            assert decoder.conceal(samples).shape == (samples,)

    @pytest.mark.parametrize("samples", [-120, 0, 1, 961, 5880])
    def test_concealment_refuses_odd_lengths(self, samples: int) -> None:
        with OpusDecoder() as decoder, pytest.raises(OpusError, match="conceal"):
            decoder.conceal(samples)

    def test_the_next_packet_holds_a_copy_of_the_missing_one(self) -> None:
        """A chirp's onset is in the lost frame: only the copy can tell of it."""
        pcm = np.zeros(20 * FRAME_SAMPLES, dtype=np.float32)
        pcm[10 * FRAME_SAMPLES :] = tone(10 * FRAME_SAMPLES, hz=300)
        payloads, lost = self._encode_for_loss(pcm), 11
        recovered, concealed = OpusDecoder(), OpusDecoder()
        for payload in payloads[:lost]:
            recovered.decode(payload)
            concealed.decode(payload)
        with OpusDecoder() as perfect:
            truth = [perfect.decode(payload) for payload in payloads][lost]
        copy = recovered.recover(payloads[lost + 1], FRAME_SAMPLES)
        guess = concealed.conceal(FRAME_SAMPLES)
        assert rms(copy - truth) < 0.5 * rms(guess - truth)

    @staticmethod
    def _encode_for_loss(pcm: Pcm) -> list[bytes]:
        with OpusEncoder(24_000, fec=True, expected_loss_percent=20) as encoder:
            return encode(pcm, encoder)

    def test_recovery_works_without_a_copy(self) -> None:
        with OpusEncoder(64_000) as encoder, OpusDecoder() as decoder:
            first, _, third = encode(tone(3 * FRAME_SAMPLES), encoder)
            decoder.decode(first)
            recovered = decoder.recover(third, FRAME_SAMPLES)
            assert recovered.shape == (FRAME_SAMPLES,)
            decoder.decode(third)


class TestBadInput:
    """Bytes from strangers and arguments out of range."""

    @given(payload=st.binary(max_size=1500))
    def test_law_any_bytes_decode_or_raise(self, payload: bytes) -> None:
        with OpusDecoder() as decoder:
            try:
                heard = decoder.decode(payload)
            except OpusError:
                return
            assert len(heard) == packet_samples(payload)
            assert np.isfinite(heard).all()

    def test_the_decoder_survives_a_bad_packet(self) -> None:
        with OpusEncoder() as encoder, OpusDecoder() as decoder:
            first, second = encode(tone(2 * FRAME_SAMPLES), encoder)
            decoder.decode(first)
            for bad in (b"", b"\xff", b"\x03"):
                with pytest.raises(OpusError):
                    decoder.decode(bad)
            assert len(decoder.decode(second)) == FRAME_SAMPLES

    @pytest.mark.parametrize("samples", [0, 480, 961])
    def test_the_encoder_takes_20_ms_only(self, samples: int) -> None:
        with OpusEncoder() as encoder, pytest.raises(OpusError, match="960"):
            encoder.encode(tone(samples))

    @pytest.mark.parametrize("settings", [(32_000, 11), (32_000, 10, True, 101)])
    def test_impossible_settings_are_refused(self, settings: tuple[int, ...]) -> None:
        with pytest.raises(OpusError):
            OpusEncoder(*settings)  # type: ignore[arg-type]

    def test_a_closed_codec_refuses_and_closes_again(self) -> None:
        encoder, decoder = OpusEncoder(), OpusDecoder()
        for codec in (encoder, decoder):
            codec.close()
            codec.close()
        with pytest.raises(OpusError, match="closed"):
            encoder.encode(tone(FRAME_SAMPLES))
        with pytest.raises(OpusError, match="closed"):
            decoder.conceal(FRAME_SAMPLES)


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"\x00", 480),  # SILK narrowband, 10 ms
        (b"\x18", 2880),  # SILK narrowband, 60 ms
        (b"\xf8", 960),  # CELT fullband, 20 ms
        (b"\xfb\x06", 5760),  # code 3: six frames of 20 ms
    ],
)
def test_packet_length_is_read_from_its_first_bytes(
    payload: bytes, samples: int
) -> None:
    assert packet_samples(payload) == samples


@pytest.mark.parametrize("payload", [b"", b"\xfb", b"\xfb\x07", b"\xfb\x00"])
def test_packets_that_cannot_be_have_no_length(payload: bytes) -> None:
    with pytest.raises(OpusError):
        packet_samples(payload)


def run(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_wheels_libopus_serves_where_the_system_has_none() -> None:
    output = run("""
        import ctypes.util, sys
        find_nothing = ctypes.util.find_library = lambda name: None
        import numpy as np
        from streamer.media import opus
        with opus.OpusEncoder() as encoder, opus.OpusDecoder() as decoder:
            payload = encoder.encode(np.zeros(960, dtype=np.float32))
            assert len(decoder.decode(payload)) == 960
        assert ctypes.util.find_library is find_nothing, "the patch must not stay"
        assert "av" not in sys.modules, "a speaker need not import PyAV"
        print(opus.libopus_location(), opus.libopus_version())
        import av
        av.CodecContext.create("libopus", "r").open()
    """)
    assert "av.libs/libopus-" in output
    assert "libopus 1." in output


def test_without_any_libopus_the_message_says_how_to_get_one() -> None:
    output = run("""
        import ctypes.util, importlib.util
        ctypes.util.find_library = importlib.util.find_spec = lambda name: None
        try:
            import streamer.media.opus
        except ImportError as error:
            print(error)
    """)
    assert "libopus0" in output
    assert "pip install" in output


def test_the_library_is_named() -> None:
    assert libopus_version().startswith("libopus 1.")
