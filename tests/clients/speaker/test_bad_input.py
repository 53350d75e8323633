"""Whatever comes: played where it belongs, hidden, or silence; never noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.speaker.mode import Mode
from clients.speaker.placing import Placed
from clients.speaker.playout import Playout
from ingest.tone import Pattern, render
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, samples_to_ns
from streamer.media.opus import OpusEncoder
from streamer.wire.control import Programme, ProgrammeClass, Settings
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

SECOND = SAMPLE_RATE_HZ
BLOCK = 1_920
DELAY_MS = 400
DELAY = DELAY_MS * 48
START = 1_000_000 * 48
HOUR = 3_600 * SECOND
FIRST_TIMESTAMP = 0xFFFF_F000  # wraps within the first packets


def encode(pcm: Pcm) -> list[bytes]:
    with OpusEncoder(24_000) as encoder:
        return [encoder.encode(frame) for frame in np.split(pcm, len(pcm) // 960)]


SPEECH = [
    RtpPacket(
        payload_type=OPUS_PAYLOAD_TYPE,
        sequence=(65_500 + index) % 65_536,
        timestamp=(FIRST_TIMESTAMP + index * FRAME_SAMPLES) % (1 << 32),
        ssrc=1,
        payload=payload,
    )
    for index, payload in enumerate(encode(render(Pattern.BULLETIN, 0, 3 * SECOND)))
]


def hear(
    packets: Sequence[RtpPacket], *, mode: Mode = Mode.SYNCED, frames: int = 150
) -> tuple[Pcm, Playout]:
    """Play a programme of so many *frames* from *packets*, evenly spread over it."""
    playout = Playout(mode)
    playout.on_settings(Settings(volume_percent=100, playout_delay_ms=DELAY_MS))
    playout.on_programme(
        Programme(
            broadcast="b",
            programme_class=ProgrammeClass.NORMAL,
            title="",
            ssrc=1,
            payload_type=OPUS_PAYLOAD_TYPE,
            timestamp=FIRST_TIMESTAMP,
            clock_us=START // 48 * 1_000,
            from_us=START // 48 * 1_000,
        )
    )
    blocks, given = [], 0
    for now in range(START - 2 * BLOCK, START + DELAY + frames * 960, BLOCK):
        while given < len(packets):
            at = START + 1_200 + given * frames // len(packets) * FRAME_SAMPLES
            if at > now:
                break
            playout.on_packet(packets[given], samples_to_ns(at))
            given += 1
        blocks.append(playout.render(BLOCK, samples_to_ns(now)))
    return np.concatenate(blocks), playout


PLAIN, _ = hear(SPEECH)


def loudest(pcm: Pcm) -> float:
    return float(np.abs(pcm).max())


def steepest(pcm: Pcm) -> float:
    return float(np.abs(np.diff(pcm)).max())


@pytest.mark.parametrize("mode", list(Mode))
def test_garbage_between_the_packets_changes_nothing(mode: Mode) -> None:
    """Other payload types, empty or cut payloads, frames that are not there."""
    dice = random.Random(1)
    garbage = [
        replace(
            dice.choice(SPEECH),
            payload_type=dice.choice((0, 96, 112, OPUS_PAYLOAD_TYPE)),
            payload=dice.choice((b"", b"\xff", b"\x03", b"\x63\x3f" + bytes(9))),
        )
        for _ in range(300)
    ]
    clean, _ = hear(SPEECH, mode=mode)
    pairs = zip(SPEECH, garbage[::2], garbage[1::2], strict=True)
    heard, playout = hear([each for pair in pairs for each in pair], mode=mode)
    assert np.array_equal(heard, clean)
    assert playout.counters().packets_discarded == len(garbage)


def test_another_payload_type_is_not_decoded() -> None:
    wrong = [replace(each, payload_type=0) for each in SPEECH]
    heard, playout = hear(wrong)
    assert not heard.any()
    assert playout.counters().packets_discarded == len(SPEECH)


def test_packets_that_do_not_decode_are_hidden_like_lost_ones() -> None:
    """The header promises frames that the payload has not (RFC 6716, section 3.4)."""
    broken = SPEECH.copy()
    for index in (30, 31, 60):
        broken[index] = replace(broken[index], payload=bytes([0x03 | 12 << 3, 0x82, 9]))
    missing = [each for index, each in enumerate(SPEECH) if index not in (30, 31, 60)]
    heard, playout = hear(broken)
    lost, _ = hear(missing)
    assert playout.counters().concealed_samples >= 3 * 960
    assert loudest(heard) <= 1.2 * loudest(PLAIN)
    assert steepest(heard) <= 1.5 * max(steepest(PLAIN), steepest(lost))


def test_a_stranger_of_unknown_ssrc_is_not_heard() -> None:
    strangers = [replace(each, ssrc=7) for each in SPEECH]
    assert not hear(strangers)[0].any()


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 13 * HOUR, -13 * HOUR, 1 << 31])
def test_timestamps_that_jump_move_nothing(jump: int) -> None:
    jumped = replace(SPEECH[50], timestamp=(SPEECH[50].timestamp + jump) % (1 << 32))
    heard, _ = hear([*SPEECH[:50], jumped, *SPEECH[51:]])
    jumped_at = 2 * BLOCK + DELAY + 50 * 960
    assert np.array_equal(heard[:jumped_at], PLAIN[:jumped_at])
    # One is missing; what comes after is where it belongs.
    after = jumped_at + 10 * 960
    assert np.abs(heard[after:] - PLAIN[after:]).max() < 0.02
    assert steepest(heard) <= 1.3 * steepest(PLAIN)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("hours", [1, -1])
def test_a_server_clock_that_steps_by_an_hour_is_silence_not_noise(
    mode: Mode, hours: int
) -> None:
    heard, playout = hear(SPEECH, mode=mode, frames=50)
    playout.on_other_clock()
    now = START + DELAY + 50 * 960 + hours * HOUR
    after = np.concatenate(
        [
            playout.render(BLOCK, samples_to_ns(now + at))
            for at in range(0, SECOND, BLOCK)
        ]
    )
    assert steepest(np.concatenate((heard, after))) <= 1.3 * steepest(PLAIN)
    assert not after[4_800 + 5_760 :].any()  # what was concealed has faded


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_law_no_packets_of_any_kind_raise_click_or_exceed_full_scale(seed: int) -> None:
    dice = random.Random(seed)

    def mangled(packet: RtpPacket) -> RtpPacket:
        payload = bytearray(packet.payload)
        for _ in range(dice.randrange(4)):
            payload[dice.randrange(len(payload))] = dice.randrange(256)
        return replace(
            packet,
            payload=bytes(payload[: dice.choice((0, 1, 2, len(payload)))]),
            timestamp=dice.choice((packet.timestamp, dice.randrange(1 << 32))),
            payload_type=dice.choice((OPUS_PAYLOAD_TYPE, dice.randrange(128))),
        )

    packets = [mangled(p) if dice.random() < 0.2 else p for p in SPEECH[:60]]
    heard, playout = hear(packets, frames=60, mode=dice.choice(list(Mode)))
    assert np.isfinite(heard).all()
    assert loudest(heard) <= 10 ** (-1 / 20) + 1e-6
    for _ in range(50):
        where = START + dice.randrange(-HOUR, HOUR)
        playout.on_placed(Placed(where, dice.randbytes(dice.randrange(5))))
    assert playout.counters().packets_received >= 60
