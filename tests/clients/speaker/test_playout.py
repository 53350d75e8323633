"""Playout in virtual time: real Opus packets in, the device's samples out."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.speaker.head import STEP_SAMPLES
from clients.speaker.playout import Playout
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from streamer.media.opus import OpusDecoder, OpusEncoder
from streamer.wire.control import (
    Idle,
    Programme,
    ProgrammeClass,
    Receipt,
    Settings,
)
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

SECOND = SAMPLE_RATE_HZ
BLOCK = 960
DELAY_MS = 400
DELAY = DELAY_MS * 48
START = 1_000_000 * 48  # position of the first packet: a whole number of microseconds
SLOPE = 0.5 * 2 * np.pi / SAMPLE_RATE_HZ  # steepest step of a tone, per Hz


def tone(hz: float, samples: int) -> Pcm:
    phase = 2 * np.pi * hz * np.arange(samples) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(phase)).astype(np.float32)


def encode(pcm: Pcm) -> list[bytes]:
    with OpusEncoder(96_000) as encoder:
        return [encoder.encode(frame) for frame in np.split(pcm, len(pcm) // 960)]


def decode(payloads: list[bytes]) -> Pcm:
    with OpusDecoder() as decoder:
        return np.concatenate([decoder.decode(payload) for payload in payloads])


PAYLOADS = {hz: encode(tone(hz, 3 * SECOND)) for hz in (440, 620)}
HEARD = {hz: decode(payloads) for hz, payloads in PAYLOADS.items()}


def us(position: int) -> int:
    return position * 1_000_000 // SAMPLE_RATE_HZ


def announcement(
    ssrc: int,
    *,
    start: int = START,
    heard_from: int,
    programme_class: ProgrammeClass = ProgrammeClass.NORMAL,
    broadcast: str | None = None,
) -> Programme:
    return Programme(
        broadcast=broadcast or f"broadcast-{ssrc}",
        programme_class=programme_class,
        title="",
        ssrc=ssrc,
        payload_type=OPUS_PAYLOAD_TYPE,
        timestamp=0xFFFF_FF00,  # wraps with the first packet
        clock_us=us(start),
        from_us=us(heard_from),
    )


def packets(ssrc: int) -> list[RtpPacket]:
    """The packets of a tone whose frequency is its SSRC."""
    return [
        RtpPacket(
            payload_type=OPUS_PAYLOAD_TYPE,
            sequence=(65_530 + index) % 65_536,
            timestamp=(0xFFFF_FF00 + index * FRAME_SAMPLES) % (1 << 32),
            ssrc=ssrc,
            payload=payload,
        )
        for index, payload in enumerate(PAYLOADS[ssrc])
    ]


def make_playout(*received: RtpPacket, ssrc: int = 440) -> Playout:
    """A speaker told to hear one tone from its first packet on."""
    playout = Playout()
    playout.on_settings(Settings(volume_percent=100, playout_delay_ms=DELAY_MS))
    playout.on_programme(announcement(ssrc, heard_from=START))
    for packet in received:
        playout.on_packet(packet)
    return playout


def play(
    playout: Playout,
    *,
    start: int = START,
    samples: int = SECOND,
    delay: int = DELAY,
    ppm: float = 0.0,
    block: int = BLOCK,
) -> Pcm:
    """Render what a device plays from the media position *start* on."""
    blocks = []
    for offset in range(0, samples, block):
        elapsed = offset / (1 + ppm * 1e-6)
        server_ns = round((start + delay + elapsed) * 1e9 / SAMPLE_RATE_HZ)
        blocks.append(playout.render(block, server_ns))
    return np.concatenate(blocks)


def steepest(pcm: Pcm) -> float:
    return float(np.abs(np.diff(pcm)).max())


def power(pcm: Pcm, hz: float) -> float:
    """Amplitude of one frequency within *pcm*."""
    turns = np.exp(-2j * np.pi * hz * np.arange(len(pcm)) / SAMPLE_RATE_HZ)
    return float(2 * np.abs(np.dot(pcm, turns)) / len(pcm))


class TestDelay:
    """A sample captured at c leaves the device at c + D."""

    @pytest.mark.parametrize("block", [480, 960, 1_000, 137])
    def test_to_the_sample_for_any_block(self, block: int) -> None:
        heard = play(make_playout(*packets(440)), block=block)
        expected = HEARD[440][: len(heard)]
        assert np.abs(heard - expected)[500:].max() < 0.005

    def test_is_silent_before(self) -> None:
        playout = make_playout(*packets(440))
        heard = play(playout, start=START - 4_800, samples=9_600)
        assert not heard[: 4_800 - 24].any()
        assert power(heard[5_280:], 440) == pytest.approx(0.5, abs=0.05)

    def test_joins_in_the_middle(self) -> None:
        playout = make_playout(*packets(440)[20:])
        heard = play(playout, start=START + SECOND)
        expected = HEARD[440][SECOND : SECOND + len(heard)]
        # After 80 ms of pre-roll the decoder has all but converged.
        assert np.abs(heard - expected)[500:].max() < 0.06
        assert np.abs(heard - expected)[9_600:].max() < 0.005

    def test_shorter_is_taken_up_by_a_skip_without_a_click(self) -> None:
        playout = make_playout(*packets(440))
        play(playout, samples=SECOND)
        playout.on_settings(Settings(volume_percent=100, playout_delay_ms=150))
        heard = play(playout, start=START + SECOND + DELAY - 7_200, delay=7_200)
        expected = HEARD[440][SECOND + DELAY - 7_200 :][: len(heard)]
        assert np.abs(heard - expected)[4_800:].max() < 0.005
        assert steepest(heard) < 440 * SLOPE * 1.3
        assert playout.steps == 2

    def test_longer_is_taken_up_by_a_pause_and_nothing_is_heard_twice(self) -> None:
        playout = make_playout(*packets(440))
        play(playout, samples=SECOND)
        playout.on_settings(Settings(volume_percent=100, playout_delay_ms=1_000))
        longer = 48_000
        heard = play(playout, start=START + SECOND + DELAY - longer, delay=longer)
        pause = longer - DELAY
        assert not heard[2 * BLOCK : pause].any()
        expected = HEARD[440][SECOND - pause :][: len(heard)]
        assert np.abs(heard - expected)[pause + 3 * BLOCK :].max() < 0.005
        assert steepest(heard) < 440 * SLOPE * 1.3

    @pytest.mark.parametrize("ppm", [100, -100])
    def test_holds_on_a_device_whose_clock_drifts(self, ppm: float) -> None:
        """Silence is drift too: the servo learns before the programme begins."""
        playout = make_playout(*packets(440))
        lead = 60 * SECOND
        heard = play(playout, start=START - lead, samples=lead + 2 * SECOND, ppm=ppm)
        assert playout.drift_ppm == pytest.approx(ppm, abs=2)
        # After 62 s the device's sample count is off by 300 samples; its time is not.
        first = round(lead * (1 + ppm * 1e-6))
        index = np.arange(4_800, SECOND)
        instants = (first + index) / (1 + ppm * 1e-6) - lead
        expected = np.interp(instants, np.arange(3 * SECOND), HEARD[440])
        # One sample of a 440 Hz tone is 0.029.
        assert np.abs(heard[first + index] - expected).max() < 0.04
        assert playout.steps == 1

    def test_a_jump_of_the_devices_clock_is_stepped_over(self) -> None:
        playout = make_playout(*packets(440))
        play(playout, samples=SECOND // 2)
        heard = play(playout, start=START + SECOND)
        expected = HEARD[440][SECOND : SECOND + len(heard)]
        assert np.abs(heard - expected)[4_800:].max() < 0.005
        assert steepest(heard) < 440 * SLOPE * 1.3

    def test_a_small_error_is_worked_off_at_most_at_500_ppm(self) -> None:
        playout = make_playout(*packets(440))
        play(playout, samples=SECOND // 2)
        late = STEP_SAMPLES // 2
        heard = play(playout, start=START + SECOND // 2 + late)
        assert playout.steps == 1
        caught_up = 500e-6 * len(heard)
        end = SECOND // 2 + len(heard)
        errors = [
            float(np.abs(heard[-960:] - HEARD[440][end - 960 + k : end + k]).max())
            for k in range(100)  # less than a period of the tone
        ]
        assert 0.8 * caught_up < np.argmin(errors) <= caught_up + 1


class TestSwitch:
    """From an instant on, another programme."""

    def switch(self, at: int, *, old_goes_on: bool) -> Pcm:
        """Hear 440 Hz until *at*, then 620 Hz, which began 80 ms before."""
        first = packets(440)
        last = len(first) if old_goes_on else -(-at // 960)
        playout = make_playout(*first[:last])
        begin = START + at - 3_840
        # Positions that are whole microseconds, so that the oracle is exact.
        playout.on_programme(announcement(620, start=begin, heard_from=START + at))
        for packet in packets(620):
            playout.on_packet(packet)
        return play(playout, samples=2 * SECOND)

    @pytest.mark.parametrize("old_goes_on", [True, False])
    def test_happens_at_its_sample(self, old_goes_on: bool) -> None:
        at = 48_000 + 480
        heard = self.switch(at, old_goes_on=old_goes_on)
        assert np.abs(heard - HEARD[440][: len(heard)])[500:at].max() < 0.005
        after = heard[at + 1_200 :]
        expected = HEARD[620][3_840 + 1_200 :][: len(after)]
        assert np.abs(after - expected).max() < 0.005

    @pytest.mark.parametrize("old_goes_on", [True, False])
    def test_does_not_click(self, old_goes_on: bool) -> None:
        heard = self.switch(48_480, old_goes_on=old_goes_on)
        assert steepest(heard) < (440 + 620) * SLOPE * 1.1
        assert np.abs(heard).max() <= 1.0

    def test_back_to_a_programme_that_went_on_meanwhile(self) -> None:
        playout = make_playout(*packets(440)[:25])
        at, back = START + 24_000, START + 72_000
        playout.on_programme(announcement(620, start=at, heard_from=at))
        for packet in packets(620)[:50]:
            playout.on_packet(packet)
        early = play(playout, samples=SECOND)
        playout.on_programme(announcement(440, heard_from=back))
        for packet in packets(440)[71:]:
            playout.on_packet(packet)
        late = play(playout, start=START + SECOND)
        heard = np.concatenate((early, late))
        expected = HEARD[440][: len(heard)]
        # After 80 ms of pre-roll the decoder has all but converged.
        assert np.abs(heard - expected)[72_000 + 1_200 :].max() < 0.05
        assert power(heard[24_000 + 1_200 : 72_000], 620) > 0.45
        assert playout.counters().packets_lost == 0
        assert playout.counters().concealed_samples == 0

    def test_to_nothing_leaves_nothing(self) -> None:
        playout = make_playout(*packets(440))
        playout.on_idle(Idle(from_us=us(START + 24_000)))
        heard = play(playout)
        assert power(heard[960:24_000], 440) > 0.45
        assert not heard[24_000 + 1_200 + 40 :].any()
        assert steepest(heard) < 440 * SLOPE * 1.3
        assert playout.playing is None

    def test_the_last_word_about_an_instant_counts(self) -> None:
        playout = make_playout(*packets(440))
        playout.on_idle(Idle(from_us=us(START + 24_000)))
        playout.on_programme(announcement(440, heard_from=START + 12_000))
        heard = play(playout)
        assert np.abs(heard - HEARD[440][: len(heard)])[500:].max() < 0.005
        assert playout.playing == announcement(440, heard_from=START + 12_000)


class TestLoss:
    """What did not come is hidden, then faded out."""

    def test_a_lost_packet_is_concealed_and_counted(self) -> None:
        received = [p for index, p in enumerate(packets(440)) if index != 20]
        playout = make_playout(*received)
        heard = play(playout)
        assert steepest(heard) < 440 * SLOPE * 1.5
        assert np.abs(heard[20 * 960 : 21 * 960]).max() > 0.3
        counters = playout.counters()
        assert counters.concealed_samples == 960
        assert counters.concealment_events == 1
        assert counters.packets_lost == 1
        assert counters.silent_concealed_samples == 0

    def test_a_long_gap_is_faded_to_silence_and_back(self) -> None:
        received = packets(440)[:15] + packets(440)[35:]
        playout = make_playout(*received)
        heard = play(playout)
        gap = 15 * 960
        assert not heard[gap + 5_760 + 30 : 34 * 960].any()
        assert power(heard[36 * 960 : 48 * 960], 440) > 0.45
        assert steepest(heard) < 440 * SLOPE * 1.5
        counters = playout.counters()
        assert counters.concealed_samples == 20 * 960
        assert counters.silent_concealed_samples == 20 * 960 - 5_760 - 960

    def test_without_a_link_what_is_held_is_played_and_no_more(self) -> None:
        playout = make_playout(*packets(440)[:25])
        playout.on_link_lost()
        heard = play(playout)
        assert np.abs(heard - HEARD[440][: len(heard)])[500 : 25 * 960].max() < 0.005
        assert not heard[25 * 960 + 1_200 + 40 :].any()
        assert steepest(heard) < 440 * SLOPE * 1.3
        assert playout.counters().concealed_samples == 0

    def test_packets_that_are_not_opus_are_as_good_as_lost(self) -> None:
        received = packets(440)
        received[20] = replace(received[20], payload=b"")
        received[21] = replace(received[21], payload_type=0)
        received[22] = replace(received[22], payload=b"\xff\xff\xff")
        playout = make_playout(*received)
        assert steepest(play(playout)) < 440 * SLOPE * 1.5
        assert playout.counters().concealed_samples == 3 * 960

    def test_packets_never_announced_are_dropped(self) -> None:
        playout = make_playout(*packets(620))
        assert not play(playout).any()
        assert playout.counters().packets_discarded == len(packets(620))

    @pytest.mark.parametrize("start", [START // 2, 2 * START])
    def test_a_server_with_another_clock_is_followed(self, start: int) -> None:
        playout = make_playout(*packets(440))
        play(playout)
        playout.on_link_lost()
        playout.on_programme(announcement(620, start=start, heard_from=start))
        for packet in packets(620):
            playout.on_packet(packet)
        heard = play(playout, start=start, samples=2 * SECOND)
        expected = HEARD[620][: len(heard)]
        assert np.abs(heard - expected)[4_800:].max() < 0.005
        assert steepest(heard) < (440 + 620) * SLOPE * 1.3
        assert playout.steps == 2


class TestVolume:
    """Loudness as told, without a click."""

    def test_moves_along_a_ramp(self) -> None:
        playout = make_playout(*packets(440))
        loud = play(playout, samples=SECOND // 2)
        playout.on_settings(Settings(volume_percent=50, playout_delay_ms=DELAY_MS))
        soft = play(playout, start=START + SECOND // 2, samples=SECOND // 2)
        assert power(soft[960:], 440) == pytest.approx(0.25 * 0.5, rel=0.05)
        assert steepest(np.concatenate((loud, soft))) < 440 * SLOPE * 1.3

    def test_zero_is_silence(self) -> None:
        playout = make_playout(*packets(440))
        playout.on_settings(Settings(volume_percent=0, playout_delay_ms=DELAY_MS))
        assert not play(playout)[960:].any()

    def test_the_level_is_of_what_left_since_it_was_taken(self) -> None:
        playout = make_playout(*packets(440))
        play(playout)
        assert playout.take_level() == pytest.approx(0.125, rel=0.05)
        assert playout.take_level() == 0


class TestEmergencies:
    """Heard at no less than their floor, also by the muted."""

    def heard_at(self, volume: int, floor: int | None) -> Pcm:
        """Hear 440 Hz, at 0.5 s an emergency of 620 Hz, at 1 s again 440 Hz."""
        playout = make_playout(*packets(440))
        playout.on_settings(Settings(volume, DELAY_MS, floor))
        at, back = START + SECOND // 2, START + SECOND
        playout.on_programme(
            announcement(
                620, start=at, heard_from=at, programme_class=ProgrammeClass.EMERGENCY
            )
        )
        for packet in packets(620):
            playout.on_packet(packet)
        playout.on_programme(announcement(440, heard_from=back))
        heard = play(playout, samples=3 * SECOND // 2)
        self.steps = playout.steps
        return heard

    @pytest.mark.parametrize(
        ("volume", "floor", "percent"),
        [(0, 70, 70), (50, 70, 70), (90, 70, 90), (50, None, 50), (60, 400, 100)],
    )
    def test_the_floor_holds_while_one_is_heard(
        self, volume: int, floor: int | None, percent: int
    ) -> None:
        heard = self.heard_at(volume, floor)
        gain = (percent / 100) ** 2
        before, after = heard[960 : SECOND // 2], heard[SECOND + 1_200 :]
        usual = 0.5 * (volume / 100) ** 2
        assert power(before, 440) == pytest.approx(usual, rel=0.05)
        loud = heard[SECOND // 2 + 1_200 : SECOND]
        assert power(loud, 620) == pytest.approx(0.5 * gain, rel=0.05)
        assert power(after, 440) == pytest.approx(usual, rel=0.05)
        assert steepest(heard) < (440 + 620) * SLOPE * 1.1

    def test_what_it_cuts_off_is_not_raised_while_it_fades(self) -> None:
        muted = self.heard_at(0, 100)
        assert not muted[: SECOND // 2 - 48].any()
        assert not muted[SECOND + 1_200 + 144 :].any()
        assert power(muted[SECOND // 2 + 1_200 : SECOND], 440) < 0.01

    def test_a_new_floor_is_moved_to_along_the_ramp(self) -> None:
        playout = make_playout()
        playout.on_programme(
            announcement(
                440, heard_from=START, programme_class=ProgrammeClass.EMERGENCY
            )
        )
        for packet in packets(440):
            playout.on_packet(packet)
        playout.on_settings(Settings(0, DELAY_MS, 50))
        soft = play(playout, samples=SECOND // 2)
        playout.on_settings(Settings(0, DELAY_MS, 100))
        loud = play(playout, start=START + SECOND // 2, samples=SECOND // 2)
        assert power(soft[960:], 440) == pytest.approx(0.125, rel=0.05)
        assert power(loud[1_200:], 440) == pytest.approx(0.5, rel=0.05)
        assert steepest(np.concatenate((soft, loud))) < 440 * SLOPE * 1.3


class TestSilencing:
    """An instant long past cuts what is held, from where the speaker is."""

    PAST_S = 10
    DELAY_MS = 1_000

    def cut(self, *words: Idle | Programme) -> tuple[Pcm, Playout]:
        """Play 0.5 s with a second held, hear *words*, and return the rest."""
        playout = make_playout(*packets(440))
        playout.on_settings(Settings(100, self.DELAY_MS))
        delay = self.DELAY_MS * 48
        before = play(playout, samples=SECOND // 2, delay=delay)
        assert power(before[960:], 440) > 0.45
        for word in words:
            if isinstance(word, Idle):
                playout.on_idle(word)
            else:
                playout.on_programme(word)
        after = play(playout, start=START + SECOND // 2, delay=delay)
        assert steepest(np.concatenate((before, after))) < 440 * SLOPE * 1.3
        return after, playout

    @property
    def past(self) -> int:
        """Ten seconds before what is captured when the word comes."""
        return START + SECOND // 2 + self.DELAY_MS * 48 - self.PAST_S * SECOND

    def test_by_silence(self) -> None:
        after, playout = self.cut(Idle(us(self.past)))
        assert np.abs(after[:480]).max() > 0.3  # it fades
        assert not after[1_200 + 144 :].any()
        assert playout.playing is None

    def test_by_another_programme(self) -> None:
        after, playout = self.cut(announcement(620, heard_from=self.past))
        assert not after[1_200 + 144 :].any()  # nothing of it came
        assert playout.playing is not None
        assert playout.playing.ssrc == 620

    def test_until_it_is_lifted(self) -> None:
        back = START + SECOND
        after, _ = self.cut(Idle(us(self.past)), announcement(440, heard_from=back))
        gap = SECOND // 2
        assert np.abs(after[1_200 + 144 : gap]).max() < 1e-6
        expected = HEARD[440][SECOND:][: len(after) - gap]
        assert np.abs(after[gap:] - expected)[1_200:].max() < 0.005

    def test_what_comes_afterwards_stays_unheard(self) -> None:
        _, playout = self.cut(Idle(us(self.past)))
        for packet in packets(440)[75:]:
            playout.on_packet(packet)
        late = play(playout, start=START + 3 * SECOND // 2, delay=self.DELAY_MS * 48)
        assert not late.any()


class TestAccounts:
    """Receipts count what was heard, to the sample."""

    def receipt(self, playout: Playout) -> Receipt:
        receipt = playout.next_receipt(0)
        assert receipt is not None
        return receipt

    def test_from_the_first_sample_to_the_switch(self) -> None:
        playout = make_playout(*packets(440))
        playout.on_idle(Idle(us(START + 24_048)))
        play(playout, start=START - 4_800)
        assert self.receipt(playout) == Receipt(
            broadcast="broadcast-440",
            packets_received=len(packets(440)),
            total_samples_received=24_048,
            played_samples=24_048,
            concealed_samples=0,
            complete=True,
            first_played_us=us(START),
            last_played_us=us(START + 24_047),
        )
        assert playout.next_receipt(0) is None

    def test_who_joins_late_has_not_heard_the_beginning(self) -> None:
        playout = make_playout(*packets(440)[20:30])
        playout.on_link_lost()
        play(playout)
        receipt = self.receipt(playout)
        assert receipt.played_samples == 9_600
        assert receipt.concealed_samples == 0
        assert receipt.first_played_us == us(START + 20 * 960)
        assert receipt.last_played_us == us(START + 30 * 960 - 1)

    def test_a_silenced_speaker_has_not_heard_what_it_held(self) -> None:
        playout = make_playout(*packets(440))
        play(playout, samples=SECOND // 2)
        playout.on_idle(Idle(us(START - SECOND)))
        play(playout, start=START + SECOND // 2)
        receipt = self.receipt(playout)
        assert 24_000 <= receipt.played_samples < 24_000 + 960  # what was read ahead
        assert receipt.complete

    def test_one_broadcast_in_two_takes(self) -> None:
        """Held at 0.5 s, and at 1 s it goes on from there, under another SSRC."""
        playout = make_playout(*packets(440)[:25])
        held, on = START + SECOND // 2, START + SECOND
        playout.on_idle(Idle(us(held)))
        play(playout, samples=3 * SECOND // 4)
        first = self.receipt(playout)
        assert (first.played_samples, first.complete) == (24_000, True)
        playout.on_programme(
            announcement(620, start=on, heard_from=on, broadcast="broadcast-440")
        )
        for packet in packets(620)[:25]:
            playout.on_packet(packet)
        playout.on_idle(Idle(us(on + 24_000)))
        play(playout, start=START + 3 * SECOND // 4, samples=SECOND // 2)
        playout.owe_receipt()
        under_way = self.receipt(playout)
        assert under_way.played_samples > 24_000
        assert not under_way.complete
        play(playout, start=START + 5 * SECOND // 4)
        assert self.receipt(playout) == replace(
            first,
            packets_received=50,
            total_samples_received=48_000,
            played_samples=48_000,
            last_played_us=us(on + 23_999),
        )

    def test_who_lost_its_zone_goes_on_counting_when_it_is_back(self) -> None:
        playout = make_playout(*packets(440))
        at, back, end = (START + n for n in (24_000, 48_000, 72_000))
        playout.on_programme(announcement(620, start=at, heard_from=at))
        for packet in packets(620):
            playout.on_packet(packet)
        playout.on_programme(announcement(440, heard_from=back))
        playout.on_idle(Idle(us(end)))
        play(playout, samples=2 * SECOND)
        found = {}
        while receipt := playout.next_receipt(0):
            found[receipt.broadcast] = receipt
        assert {b: r.played_samples for b, r in found.items()} == {
            "broadcast-440": 48_000,
            "broadcast-620": 24_000,
        }
        assert all(receipt.complete for receipt in found.values())
        assert found["broadcast-440"].last_played_us == us(end - 1)

    @settings(max_examples=25, deadline=None)
    @given(lost=st.sets(st.integers(0, 49)), end=st.integers(30_000, 47_000))
    def test_law_what_did_not_come_is_not_played(
        self, lost: set[int], end: int
    ) -> None:
        received = [p for k, p in enumerate(packets(440)) if k not in lost]
        playout = make_playout(*received)
        playout.on_idle(Idle(us(START + end)))
        position = (
            us(START + end) * 48 // 1_000 - START
        )  # rounded down to a microsecond
        play(playout, start=START - 960, samples=SECOND + 1_920)
        come = [k for k in range(50) if k not in lost and k * 960 < position]
        receipt = playout.next_receipt(0)
        if not come:
            assert receipt is None
            return
        assert receipt is not None
        heard = sum(min(960, position - k * 960) for k in come)
        assert receipt.played_samples == heard
        assert receipt.total_samples_received == position - come[0] * 960
        assert receipt.first_played_us == us(START + come[0] * 960)
        last = min(position, come[-1] * 960 + 960) - 1
        assert receipt.last_played_us == us(START + last)


@settings(max_examples=20, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_law_order_and_copies_do_not_matter_in_time(rng: random.Random) -> None:
    received = packets(440)
    arrivals = rng.sample(received, len(received)) + rng.choices(received, k=20)
    disturbed = make_playout(*arrivals)
    assert np.array_equal(play(disturbed), play(make_playout(*received)))
    counters = disturbed.counters()
    assert counters.packets_lost == counters.concealed_samples == 0
    assert counters.packets_discarded == 20
    assert counters.packets_late == 0
