"""Tests of streamer.programme.programme in virtual time, with real Opus."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.frame import (
    FRAME_NS,
    FRAME_SAMPLES,
    Pcm,
    ProgrammePacket,
    samples_to_ns,
)
from streamer.media.opus import OpusDecoder
from streamer.media.source import PcmSource
from streamer.programme.chime import LENGTH_SAMPLES, three_tone_gong
from streamer.programme.programme import (
    MAX_LATE_NS,
    EndReason,
    Programme,
    ProgrammeEnd,
    ProgrammeSettings,
    ProgrammeState,
)
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

START_NS = 5_000_000_000
LOOKAHEAD = 552  # the limiter's 240 and libopus' 312


class DelayedSource(PcmSource):
    """A live source by its looks: what it returns was captured 60 ms before."""

    @property
    def delay_ns(self) -> int:
        return 60_000_000


def make_programme(
    source: PcmSource,
    *,
    chime: Pcm | None = None,
    bitrate_bps: int = 32_000,
    complexity: int = 0,
) -> Programme:
    return Programme(
        source,
        ProgrammeSettings(bitrate_bps=bitrate_bps, complexity=complexity, chime=chime),
        ssrc=7,
        first_timestamp=0xFFFFFFFF - 1_000,
        first_sequence=0xFFFE,
        start_ns=START_NS,
    )


def drain(programme: Programme) -> list[ProgrammePacket]:
    packets = []
    while packet := programme.step(programme.next_due_ns):
        packets.append(packet)
    return packets


def ended(programme: Programme) -> ProgrammeEnd:
    assert programme.end is not None
    return programme.end


def decode(packets: list[ProgrammePacket], lookahead_samples: int = LOOKAHEAD) -> Pcm:
    with OpusDecoder() as decoder:
        heard = [decoder.decode(RtpPacket.parse(p.rtp).payload) for p in packets]
    return np.concatenate(heard)[lookahead_samples:]


def speech_like(samples: int, seed: int = 3) -> Pcm:
    """Return noise without highs, loud from the first sample to the last."""
    noise = np.random.default_rng(seed).standard_normal(samples + 32)
    smooth = np.convolve(noise, np.hanning(32), mode="valid")[:samples]
    speech: Pcm = (smooth / 16).astype(np.float32)
    return speech


def similarity(heard: Pcm, said: Pcm) -> float:
    return float(np.corrcoef(heard[: len(said)], said)[0, 1])


def best_lag(heard: Pcm, said: Pcm, start: int, length: int, reach: int = 60) -> int:
    """Return by how much *heard* lags behind *said* in a stretch of it."""
    stretch = said[start : start + length]
    padded = np.pad(heard, reach)
    lags = range(-reach, reach + 1)
    windows = [padded[start + reach + lag :][:length] for lag in lags]
    return lags[int(np.argmax([np.dot(window, stretch) for window in windows]))]


@given(samples=st.integers(0, 6_000), chime=st.none() | st.integers(1, 3_000))
def test_law_packets_hold_every_sample_and_no_packet_more(
    samples: int, chime: int | None
) -> None:
    sound = None if chime is None else speech_like(chime)
    programme = make_programme(PcmSource(speech_like(samples)), chime=sound)
    packets = drain(programme)
    assert programme.lookahead_samples == LOOKAHEAD
    length = (chime or 0) + samples
    assert len(packets) == -(-(length + LOOKAHEAD) // FRAME_SAMPLES)
    assert programme.frames == len(packets)
    assert ended(programme) == ProgrammeEnd(
        EndReason.COMPLETED,
        "",
        programme.origin_ns + len(packets) * FRAME_NS,
        length,
    )


@pytest.mark.parametrize("samples", [48_000, 48_000 + 407, 48_000 + 409])
def test_first_and_last_syllable_are_heard_in_their_place(samples: int) -> None:
    said = speech_like(samples)
    heard = decode(drain(make_programme(PcmSource(said), bitrate_bps=128_000)))
    assert similarity(heard, said) > 0.95
    assert best_lag(heard, said, 0, samples) == 0
    five_ms = 240
    for start in (0, samples - five_ms):
        assert best_lag(heard, said, start, five_ms) == 0
        end = start + five_ms
        assert similarity(heard[start:end], said[start:end]) > 0.9
    assert np.max(np.abs(heard[samples + 240 :]), initial=0) < 0.05


def test_packets_count_on_from_the_first_numbers() -> None:
    programme = make_programme(PcmSource(speech_like(4_000)))
    packets = drain(programme)
    for index, packet in enumerate(packets):
        rtp = RtpPacket.parse(packet.rtp)
        assert (packet.ssrc, rtp.ssrc) == (7, 7)
        assert packet.index == index
        assert rtp.payload_type == OPUS_PAYLOAD_TYPE
        assert rtp.sequence == (0xFFFE + index) % 2**16
        assert rtp.timestamp == (0xFFFFFFFF - 1_000 + index * 960) % 2**32
        assert rtp.marker == (index == 0)
        assert packet.due_ns == START_NS + index * FRAME_NS
        assert packet.capture_ns == programme.origin_ns + index * FRAME_NS


def test_capture_times_say_when_a_sample_was_captured() -> None:
    """Sample p is decoded sample p + lookahead, captured at due - delay + p."""
    programme = make_programme(DelayedSource(speech_like(960)))
    p_ns = samples_to_ns(480)
    captured_ns = programme.origin_ns + samples_to_ns(480 + LOOKAHEAD)
    assert captured_ns == START_NS - 60_000_000 + p_ns


class TestGrid:
    """When packets are made, and when they are not."""

    def test_nothing_before_it_is_due(self) -> None:
        programme = make_programme(PcmSource(speech_like(9_600)))
        assert programme.step(START_NS - 1) is None
        assert programme.step(START_NS) is not None
        assert programme.step(START_NS + FRAME_NS - 1) is None
        assert programme.next_due_ns == START_NS + FRAME_NS

    def test_a_late_thread_catches_up_without_skipping_a_frame(self) -> None:
        said = speech_like(480_000)
        late, punctual = (
            make_programme(PcmSource(said)),
            make_programme(PcmSource(said)),
        )
        now_ns, packets = START_NS + 3_000_000_000, []
        while packet := late.step(now_ns):
            packets.append(packet)
        assert len(packets) == 151
        assert packets == drain(punctual)[:151]
        assert late.next_due_ns == now_ns + FRAME_NS

    def test_after_standing_still_it_has_failed(self) -> None:
        programme = make_programme(PcmSource(speech_like(480_000)))
        programme.step(START_NS)
        assert programme.step(START_NS + FRAME_NS + MAX_LATE_NS + 1) is None
        end = ended(programme)
        assert (end.reason, end.detail) == ("failed", "the server stood still for 10 s")
        assert end.end_ns == programme.origin_ns + FRAME_NS
        assert programme.step(START_NS + 2 * MAX_LATE_NS) is None


class TestChime:
    """The source waits until the chime has sounded."""

    def test_the_source_is_not_read_while_the_chime_sounds(self) -> None:
        said, chime = speech_like(4_800), speech_like(2_500, seed=9)
        source = PcmSource(said)
        programme = make_programme(source, chime=chime)
        states = []
        for _ in range(5):
            states.append(programme.state)
            programme.step(programme.next_due_ns)
        assert states == ["opening"] * 3 + ["on_air"] * 2
        read = 5 * FRAME_SAMPLES - len(chime)
        assert np.array_equal(source.read(10), said[read : read + 10])

    def test_chime_and_source_join_without_a_seam(self) -> None:
        said, chime = speech_like(9_600), speech_like(2_500, seed=9)
        programme = make_programme(PcmSource(said), chime=chime, bitrate_bps=128_000)
        heard = decode(drain(programme))
        assert similarity(heard, np.concatenate((chime, said))) > 0.95
        assert best_lag(heard[len(chime) :], said, 0, len(said)) == 0

    def test_stopped_while_it_sounds_it_fades_and_the_source_is_not_heard(self) -> None:
        source = PcmSource(speech_like(9_600))
        chime = speech_like(48_000)
        programme = make_programme(source, chime=chime, bitrate_bps=128_000)
        first = programme.step(programme.next_due_ns)
        programme.stop()
        rest = drain(programme)
        assert ended(programme).reason is EndReason.STOPPED
        assert ended(programme).samples == 2 * FRAME_SAMPLES
        assert first is not None
        heard = decode([first, *rest])
        sent = chime[: 2 * FRAME_SAMPLES].copy()
        sent[FRAME_SAMPLES:] *= np.linspace(1, 0, FRAME_SAMPLES)
        assert similarity(heard, sent) > 0.95
        assert np.max(np.abs(heard[len(sent) + 240 :])) < 0.03

    def test_the_gong_is_the_same_every_time_and_ends_quietly(self) -> None:
        gong = three_tone_gong()
        assert np.array_equal(gong, three_tone_gong())
        assert gong.shape == (LENGTH_SAMPLES,)
        assert np.max(np.abs(gong)) == pytest.approx(0.5)
        assert np.max(np.abs(gong[-100:])) < 1e-4
        assert abs(gong[0]) < 1e-4


class TestEnd:
    """Why a programme ended."""

    def test_a_stopped_programme_sends_what_it_has_read(self) -> None:
        said = speech_like(48_000)
        programme = make_programme(PcmSource(said), bitrate_bps=128_000)
        packets = [programme.step(programme.next_due_ns) for _ in range(10)]
        programme.stop()
        assert programme.state is ProgrammeState.ON_AIR
        packets += drain(programme)
        assert ended(programme).reason is EndReason.STOPPED
        assert ended(programme).samples == 10 * FRAME_SAMPLES
        assert len(packets) == 11
        heard = decode([packet for packet in packets if packet is not None])
        assert similarity(heard, said[:9_600]) > 0.95

    def test_a_source_that_dies_ends_it_with_its_reason(self) -> None:
        said = speech_like(1_920)
        programme = make_programme(PcmSource(said, failure="the cable was pulled"))
        packets = drain(programme)
        assert len(packets) == 3
        end = ended(programme)
        assert (end.reason, end.detail) == ("failed", "the cable was pulled")
        assert programme.state is ProgrammeState.ENDED

    def test_what_breaks_after_stop_is_a_stop(self) -> None:
        programme = make_programme(PcmSource(speech_like(1_920), failure="closed"))
        programme.step(START_NS)
        programme.stop()
        drain(programme)
        end = ended(programme)
        assert (end.reason, end.detail) == ("stopped", "closed")

    def test_the_first_end_stays(self) -> None:
        programme = make_programme(PcmSource(speech_like(960)))
        drain(programme)
        programme.stop()
        assert programme.fail("too late").reason is EndReason.COMPLETED


def test_what_is_not_a_number_is_not_heard() -> None:
    said = speech_like(48_000)
    broken = said.copy()
    broken[2_000], broken[3_000], broken[4_000] = np.nan, np.inf, -np.inf
    heard = decode(drain(make_programme(PcmSource(broken), bitrate_bps=128_000)))
    assert np.isfinite(heard).all()
    assert similarity(heard[20_000:], said[20_000:]) > 0.9


def test_the_level_is_that_of_what_is_sent() -> None:
    loud = np.full(48_000, 2.0, dtype=np.float32)
    programme = make_programme(PcmSource(loud))
    for _ in range(20):
        programme.step(programme.next_due_ns)
    assert programme.level.peak_dbfs == pytest.approx(-1.0, abs=0.01)
