"""The last stage, and what no listener may hear: steps, clicks, overload."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.speaker.output import Output
from clients.speaker.playout import Playout
from ingest.tone import Pattern, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, samples_to_ns, silence
from streamer.media.opus import OpusEncoder
from streamer.wire.control import Programme, ProgrammeClass, Settings
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE, RtpPacket

SECOND = SAMPLE_RATE_HZ
BLOCK = 960
DELAY_MS = 400
START = 1_000_000 * 48
CEILING = 10 ** (-1 / 20)
SWITCH = SECOND  # after the start


def encode(pcm: Pcm) -> list[bytes]:
    with OpusEncoder(96_000) as encoder:
        return [encoder.encode(frame) for frame in np.split(pcm, len(pcm) // 960)]


def tone(hz: float, amplitude: float) -> Pcm:
    turns = 2 * np.pi * hz * np.arange(3 * SECOND) / SECOND
    return (amplitude * np.sin(turns)).astype(np.float32)


PROGRAMMES = {
    1: encode(render(Pattern.BULLETIN, 0, 3 * SECOND)),
    2: encode(render(Pattern.MUSIC, 0, 3 * SECOND)),
    3: encode(tone(440, 0.98)),
    4: encode(tone(442, 0.98)),
}


def announce(playout: Playout, ssrc: int, *, at: int, lost: range = range(0)) -> None:
    playout.on_programme(
        Programme(
            broadcast=f"b{ssrc}",
            programme_class=ProgrammeClass.NORMAL,
            title="",
            ssrc=ssrc,
            payload_type=OPUS_PAYLOAD_TYPE,
            timestamp=0,
            clock_us=START // 48 * 1_000,
            from_us=(START + at) // 48 * 1_000,
        )
    )
    for index, payload in enumerate(PROGRAMMES[ssrc]):
        if index not in lost:
            playout.on_packet(
                RtpPacket(OPUS_PAYLOAD_TYPE, index, index * 960, ssrc, payload)
            )


def set_volume(playout: Playout, percent: int) -> None:
    playout.on_settings(Settings(volume_percent=percent, playout_delay_ms=DELAY_MS))


def play(playout: Playout, begin: int, end: int) -> Pcm:
    """Render the media from *begin* to *end* after the start."""
    instants = range(START + DELAY_MS * 48 + begin, START + DELAY_MS * 48 + end, BLOCK)
    return np.concatenate([playout.render(BLOCK, samples_to_ns(at)) for at in instants])


def alone(ssrc: int) -> Pcm:
    playout = Playout()
    announce(playout, ssrc, at=0)
    return play(playout, 0, 2 * SECOND)


ALONE = {ssrc: alone(ssrc) for ssrc in PROGRAMMES}


def steepest(pcm: Pcm) -> float:
    return float(np.abs(np.diff(pcm)).max())


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 1), (3, 4), (1, 3), (3, 2)])
def test_law_no_step_over_a_crossfade_is_6_db_above_the_programmes_own(
    old: int, new: int
) -> None:
    playout = Playout()
    announce(playout, old, at=0)
    announce(playout, new, at=SWITCH)
    heard = play(playout, 0, 2 * SECOND)
    around = slice(SWITCH - 2_400, SWITCH + 4_800)
    own = max(steepest(ALONE[old][around]), steepest(ALONE[new][around]))
    assert steepest(heard[around]) < 2 * own
    assert np.abs(heard).max() <= CEILING + 1e-6


def test_two_at_full_scale_are_turned_down_together_not_cut_off() -> None:
    """A sine that is cut off has harmonics; one that is turned down has not."""
    playout = Playout()
    announce(playout, 3, at=0)
    announce(playout, 4, at=SWITCH)
    heard = play(playout, 0, 2 * SECOND)
    # In both fades together the sum reaches 1.5: cut off, it would be flat on top.
    fade = heard[SWITCH : SWITCH + 1_200]
    flat = np.abs(np.diff(fade[np.abs(fade) > 0.99 * CEILING]))
    assert np.abs(fade).max() > 0.8
    assert np.count_nonzero(flat < 1e-6) < 5


@pytest.mark.parametrize("ssrc", [1, 2])
@pytest.mark.parametrize("percent", [0, 30, 70])
def test_volume_moves_within_20_ms_without_a_click(ssrc: int, percent: int) -> None:
    playout = Playout()
    set_volume(playout, 100)
    announce(playout, ssrc, at=0)
    before = play(playout, 0, SECOND)
    set_volume(playout, percent)
    turned = play(playout, SECOND, SECOND + SECOND // 2)
    set_volume(playout, 100)
    after = play(playout, SECOND + SECOND // 2, 2 * SECOND)
    heard = np.concatenate((before, turned, after))
    assert steepest(heard) < 1.3 * steepest(ALONE[ssrc])
    gain = (percent / 100) ** 2
    settled = slice(SECOND + 2 * BLOCK, SECOND + SECOND // 2)
    assert np.abs(heard[settled] - gain * ALONE[ssrc][settled]).max() < 1e-3
    back = slice(SECOND + SECOND // 2 + 2 * BLOCK, 2 * SECOND)
    assert np.abs(heard[back] - ALONE[ssrc][back]).max() < 1e-3


@pytest.mark.parametrize("ssrc", [1, 2, 3])
def test_fades_to_silence_after_120_ms_and_back_without_a_click(ssrc: int) -> None:
    playout = Playout()
    announce(playout, ssrc, at=0, lost=range(50, 75))
    heard = play(playout, 0, 2 * SECOND)
    hidden = slice(50 * 960 + 5_760 + 100, 73 * 960)
    assert not heard[hidden].any()
    assert steepest(heard) < 1.3 * steepest(ALONE[ssrc])
    assert np.abs(heard[80 * 960 :] - ALONE[ssrc][80 * 960 :]).max() < 0.1


class TestOutput:
    """The stage by itself."""

    def test_gives_back_what_was_given_2_ms_later(self) -> None:
        output, pcm = Output(), tone(300, 0.5)[:9_600]
        heard = np.concatenate([output.sound(part) for part in np.split(pcm, 10)])
        late = output.latency_samples
        assert np.array_equal(heard[late:], pcm[:-late])

    def test_what_is_held_comes_before_the_silence(self) -> None:
        output, pcm = Output(), tone(300, 0.5)[:960]
        heard = np.concatenate((output.sound(pcm), output.silence(960)))
        late = output.latency_samples
        assert np.array_equal(heard[late : 960 + late], pcm)
        assert not heard[960 + late :].any()
        assert not output.silence(100).any()

    def test_says_how_loud_it_was_silence_included(self) -> None:
        output = Output()
        output.sound(np.full(4_800, 0.5, dtype=np.float32))
        output.silence(4_800)
        assert output.take_level() == pytest.approx(0.125, rel=0.03)
        assert output.take_level() == 0

    @settings(max_examples=50, deadline=None)
    @given(
        levels=st.lists(st.floats(0, 4), min_size=1, max_size=8),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_law_never_above_the_ceiling_and_quiet_is_untouched(
        self, levels: list[float], seed: int
    ) -> None:
        noise = np.random.default_rng(seed)
        output = Output()
        for level in levels:
            pcm = noise.uniform(-level, level, 960).astype(np.float32)
            assert np.abs(output.sound(pcm)).max() <= CEILING + 1e-6
        for _ in range(70):  # 1.4 s: the limiter has let go
            output.sound(silence(960))
        quiet = noise.uniform(-0.8, 0.8, 960).astype(np.float32)
        late = output.latency_samples
        assert np.array_equal(output.sound(quiet)[late:], quiet[:-late])
