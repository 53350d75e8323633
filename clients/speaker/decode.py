"""From a jitter buffer's decisions to samples of one stream.

A gap is hidden by Opus for as long as that sounds like speech, then faded out; what
follows a silence is faded in. So no gap clicks, however it begins and ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

import numpy as np

from clients.speaker.fade import Fader
from streamer.media.frame import Pcm, silence
from streamer.media.jitterbuffer import (
    CONCEAL_LIMIT_SAMPLES,
    Conceal,
    Decision,
    Play,
    Recover,
    Silence,
)
from streamer.media.opus import CONCEAL_STEP_SAMPLES, OpusDecoder, OpusError

FADE_OUT_SAMPLES = 960
"20 ms at the end of what is concealed (research/speaker.md, section 2.2)."
FADE_IN_SAMPLES = 480
"10 ms; under 5 ms clicks on horns."
_FIRST_CELT_CONFIGURATION = 16


class Outcome(Enum):
    """How samples came about."""

    PLAYED = "played"
    RECOVERED = "recovered"
    CONCEALED = "concealed"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Samples, and how they came about."""

    pcm: Pcm
    outcome: Outcome


def has_fec(payload: bytes) -> bool:
    """Say whether *payload* carries a copy of the packet before it.

    Only packets of one mono frame are looked into: others are said to have none, and
    are concealed. Source: RFC 6716, section 3.1 (TOC) and 4.2.3 (the LBRR flag comes
    after one VAD flag per 20 ms of SILK).
    """
    if len(payload) < 2:
        return False
    toc = payload[0]
    configuration, stereo_or_frames = toc >> 3, toc & 0b111
    if configuration >= _FIRST_CELT_CONFIGURATION or stereo_or_frames:
        return False
    silk_only = configuration < 12
    flags = (1, 1, 2, 3)[configuration % 4] if silk_only else 1
    return bool(payload[1] >> (7 - flags) & 1)


class StreamDecoder:
    """Renders decisions in order; an unreadable packet counts as missing."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._repair = Fader(1.0)
        self._concealed_samples = 0  # in a row
        self.speech = True
        "Whether the last packet played is coded as speech: SILK or hybrid, not CELT."

    def close(self) -> None:
        """Free the codec; idempotent."""
        self._decoder.close()

    def render(self, decision: Decision) -> Rendered:
        """Return exactly as many samples as *decision* covers."""
        match decision:
            case Play(packet):
                return self._play(packet.payload, decision.samples)
            case Recover(packet, samples):
                return self._recover(packet.payload, samples)
            case Conceal(samples):
                return self._conceal(samples)
            case Silence(samples):
                self._repair.set(0.0)
                return Rendered(silence(samples), Outcome.SILENT)
        assert_never(decision)

    def _play(self, payload: bytes, samples: int) -> Rendered:
        try:
            pcm = self._decoder.decode(payload)
        except OpusError:
            return self._conceal(samples)
        self.speech = payload[0] >> 3 < _FIRST_CELT_CONFIGURATION
        return self._sound(pcm, Outcome.PLAYED)

    def _recover(self, next_payload: bytes, samples: int) -> Rendered:
        if not has_fec(next_payload):
            return self._conceal(samples)
        try:
            pcm = self._decoder.recover(next_payload, samples)
        except OpusError:
            return self._conceal(samples)
        return self._sound(pcm, Outcome.RECOVERED)

    def _sound(self, pcm: Pcm, outcome: Outcome) -> Rendered:
        self._concealed_samples = 0
        self._repair.to(1.0, FADE_IN_SAMPLES)
        return Rendered(pcm * self._repair.take(len(pcm)), outcome)

    def _conceal(self, samples: int) -> Rendered:
        # libopus conceals in steps of 2.5 ms; what is too much is cut off.
        steps = -(-samples // CONCEAL_STEP_SAMPLES)
        pcm = self._decoder.conceal(steps * CONCEAL_STEP_SAMPLES)[:samples]
        fade_at = CONCEAL_LIMIT_SAMPLES - FADE_OUT_SAMPLES
        head = min(max(fade_at - self._concealed_samples, 0), samples)
        self._concealed_samples += samples
        gains = np.empty(samples, dtype=np.float32)
        gains[:head] = self._repair.take(head)
        if head < samples:
            self._repair.to(0.0, FADE_OUT_SAMPLES)
            gains[head:] = self._repair.take(samples - head)
        return Rendered(pcm * gains, Outcome.CONCEALED)
