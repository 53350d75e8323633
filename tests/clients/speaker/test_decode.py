"""The decoder that renders a jitter buffer's decisions."""

from __future__ import annotations

import numpy as np
import pytest

from clients.speaker.decode import Outcome, StreamDecoder, has_fec
from streamer.media.frame import MediaPacket, Pcm
from streamer.media.jitterbuffer import (
    CONCEAL_LIMIT_SAMPLES,
    Conceal,
    Play,
    Recover,
    Silence,
)
from streamer.media.opus import OpusEncoder

FRAME = 960


def voice(frames: int) -> Pcm:
    """A buzz whose pitch and loudness move, which Opus takes for speech."""
    t = np.arange(frames * FRAME) / 48_000
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 3 * t)) / 48_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 30))
    loudness = 0.11 + 0.09 * np.sin(2 * np.pi * 4 * t)
    noise = np.random.default_rng(0).normal(0, 0.003, len(t))
    return (buzz * loudness + noise).astype(np.float32)


def encode(frames: int, *, fec: bool) -> list[MediaPacket]:
    with OpusEncoder(24_000, fec=fec, expected_loss_percent=10 * fec) as encoder:
        return [
            MediaPacket(index * FRAME, FRAME, encoder.encode(frame))
            for index, frame in enumerate(np.split(voice(frames), frames))
        ]


def test_sees_which_packets_carry_a_copy_of_the_one_before() -> None:
    with_fec = [has_fec(p.payload) for p in encode(50, fec=True)]
    assert sum(with_fec) > 20  # those it holds to be voiced
    assert not any(has_fec(p.payload) for p in encode(50, fec=False))


@pytest.mark.parametrize("payload", [b"", b"\x48", b"\xf8\xff", b"\x4b\xff"])
def test_what_is_no_speech_frame_carries_none(payload: bytes) -> None:
    assert not has_fec(payload)


def test_recovers_a_packet_closer_than_concealment_does() -> None:
    packets = encode(60, fec=True)
    reference = StreamDecoder()
    original = [reference.render(Play(p)).pcm for p in packets]
    missing = next(i for i in range(30, 59) if has_fec(packets[i + 1].payload))
    errors = {}
    for decision in (Recover(packets[missing + 1], FRAME), Conceal(FRAME)):
        decoder = StreamDecoder()
        for packet in packets[:missing]:
            decoder.render(Play(packet))
        rendered = decoder.render(decision)
        difference = rendered.pcm - original[missing]
        errors[rendered.outcome] = float(np.square(difference).sum())
    assert errors[Outcome.RECOVERED] < errors[Outcome.CONCEALED]


def test_without_a_copy_recovering_is_concealing() -> None:
    packets = encode(10, fec=False)
    decoder = StreamDecoder()
    for packet in packets[:5]:
        decoder.render(Play(packet))
    assert decoder.render(Recover(packets[6], FRAME)).outcome is Outcome.CONCEALED


def test_an_unreadable_packet_is_concealed_at_its_length() -> None:
    decoder = StreamDecoder()
    for packet in encode(5, fec=False):
        decoder.render(Play(packet))
    broken = MediaPacket(0, 2 * FRAME, b"\xff\xff\xff")
    rendered = decoder.render(Play(broken))
    assert rendered.outcome is Outcome.CONCEALED
    assert len(rendered.pcm) == 2 * FRAME


@pytest.mark.parametrize("samples", [1, 119, 120, 121, 959])
def test_conceals_any_length(samples: int) -> None:
    decoder = StreamDecoder()
    for packet in encode(5, fec=False):
        decoder.render(Play(packet))
    assert len(decoder.render(Conceal(samples)).pcm) == samples


@pytest.mark.parametrize("step", [480, 960, 2_880])
def test_concealment_has_faded_out_at_its_limit(step: int) -> None:
    decoder = StreamDecoder()
    for packet in encode(20, fec=False):
        decoder.render(Play(packet))
    count = CONCEAL_LIMIT_SAMPLES // step
    pcm = np.concatenate([decoder.render(Conceal(step)).pcm for _ in range(count)])
    assert np.abs(pcm[:FRAME]).max() > 0.05
    assert abs(pcm[-1]) < 1e-6
    silent = decoder.render(Silence(100))
    assert silent.outcome is Outcome.SILENT
    assert not silent.pcm.any()
    back = decoder.render(Play(encode(20, fec=False)[-1]))
    assert abs(back.pcm[0]) < 0.01
