"""The sound card's adapter against a stand-in for PortAudio's module.

There is no card where tests run; the stand-in calls back as `sounddevice` does.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from time import monotonic_ns
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

from clients.speaker.soundcard import SoundCard
from streamer.media.frame import Pcm

FRAMES = 960
DAC_DELAY_S = 0.08


class PortAudio:
    """The module: each stream asks for a few blocks, then its card is pulled out."""

    def __init__(self, *, missing: int = 0, tells: bool = True) -> None:
        self.missing, self.tells = missing, tells
        self.opened = 0
        self.written: list[Pcm] = []
        self.reopened = Event()

    def load(self) -> Self:
        if self.missing:
            self.missing -= 1
            raise OSError("PortAudio is missing")
        return self

    def OutputStream(self, **options: Any) -> Stream:
        assert options["samplerate"] == 48_000
        assert options["channels"] == 1
        self.opened += 1
        if self.opened > 1:
            self.reopened.set()
        return Stream(self, options["callback"], options["finished_callback"])


class Stream:
    """What `sounddevice.OutputStream` is to the adapter."""

    def __init__(
        self,
        module: PortAudio,
        callback: Callable[[Any, int, Any, Any], None],
        finished: Callable[[], None],
    ) -> None:
        self.module, self.callback, self.finished = module, callback, finished

    def __enter__(self) -> Self:
        for index in range(3):
            output = np.full((FRAMES, 1), np.nan, dtype=np.float32)
            now_s = index * 0.02
            times = SimpleNamespace(
                outputBufferDacTime=now_s + DAC_DELAY_S, currentTime=now_s
            )
            self.callback(
                output, FRAMES, times, SimpleNamespace(output_underflow=index == 2)
            )
            self.module.written.append(output[:, 0])
        if self.module.tells:
            self.finished()
        return self

    def __exit__(self, *_: object) -> None:
        pass


def play(module: PortAudio) -> tuple[SoundCard, list[int]]:
    """Play until the card was opened a second time; return when sound was due."""
    due_ns: list[int] = []

    def render(samples: int, local_ns: int) -> Pcm:
        due_ns.append(local_ns - monotonic_ns())
        return np.full(samples, len(due_ns) / 100, dtype=np.float32)

    card = SoundCard(load=module.load, retry_s=0.02)
    card.start(render)
    reopened = module.reopened.wait(5)
    card.stop()
    assert reopened
    return card, due_ns


def test_plays_what_is_rendered_for_the_instant_it_is_heard() -> None:
    module = PortAudio()
    card, due_ns = play(module)
    assert [float(pcm[0]) for pcm in module.written[:3]] == pytest.approx(
        [0.01, 0.02, 0.03]
    )
    assert not np.isnan(np.concatenate(module.written)).any()
    assert 0.06e9 < due_ns[0] <= DAC_DELAY_S * 1e9
    assert card.underflows >= 1


@pytest.mark.parametrize("tells", [True, False], ids=["said so", "just silent"])
def test_a_card_that_is_gone_is_opened_again(
    tells: bool, caplog: pytest.LogCaptureFixture
) -> None:
    play(PortAudio(tells=tells))
    assert "no sound (the sound card stopped)" in caplog.text


def test_a_missing_library_is_said_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    play(PortAudio(missing=2))
    assert caplog.text.count("no sound (PortAudio is missing)") == 2


def test_stopping_is_idempotent_and_needs_no_start() -> None:
    card = SoundCard(load=PortAudio().load)
    card.stop()
    card.stop()
