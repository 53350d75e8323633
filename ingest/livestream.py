"""A live sender's packets as PCM on the server's clock (sans-I/O).

Packets go in as they arrive, samples come out as they are asked for, each with the
capture instant that the reader wants; the server's clock is only known by that.

Rule: the sample captured at c is returned for c. The delay the reader allows is what
the network may use up. Where it uses more, the stream waits for it: what is then
returned is later than wanted by :attr:`LiveStream.extra_samples`, which shrinks again
in pauses of the speech and by the servo, once it has not been needed for a while.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ingest.packets import Arrival
from ingest.timeline import CaptureClock, Timeline
from streamer.media.drift import DriftServo, VariableResampler
from streamer.media.frame import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    MediaPacket,
    Pcm,
    silence,
)
from streamer.media.jitterbuffer import (
    Conceal,
    Decision,
    JitterBuffer,
    JitterCounters,
    Play,
    Recover,
)
from streamer.media.opus import CONCEAL_STEP_SAMPLES, OpusDecoder, OpusError

PREROLL_SAMPLES = 4 * FRAME_SAMPLES
"Decoded and not played at the start: the decoder settles (RFC 7845, section 4.6)."
HORIZON_SAMPLES = 2 * SAMPLE_RATE_HZ
MAX_EXTRA_SAMPLES = SAMPLE_RATE_HZ * 24 // 100
"Waiting for more than 240 ms would be worse than a gap."

_WAIT_STEP_SAMPLES = 2 * CONCEAL_STEP_SAMPLES
_CONCEALED_WAIT_SAMPLES = 5_760
_SPARE_SAMPLES = SAMPLE_RATE_HZ // 100
_SPARE_WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ
_STEER_LIMIT_SAMPLES = SAMPLE_RATE_HZ * 15 // 1000
_SKIP_LIMIT_SAMPLES = SAMPLE_RATE_HZ // 2
_QUIET = 1 / 30
"Against the loudest of the last second: what can be left out without being missed."
_FORGET = 0.98
_DTX_BYTES = 2
"A packet this short says that silence follows (RFC 7587, section 3.1.3)."


class LiveStream:
    """One sender, from RTP payloads to PCM; used by one thread.

    Its packets may have any length that Opus allows, be mono or stereo, stop in
    silence (DTX), get lost, and be clocked a few hundred ppm off.
    """

    def __init__(self) -> None:
        self._clock = CaptureClock()
        self._timeline = Timeline(self._clock)
        self._early: deque[MediaPacket] = deque(maxlen=100)  # before the start
        self._buffer = JitterBuffer(horizon_samples=HORIZON_SAMPLES)
        self._decoder = OpusDecoder()
        self._resampler = VariableResampler()
        self._servo = DriftServo()
        self._started = False
        self._output = silence(0)  # resampled and not yet read
        self._fed_samples = 0  # given to the resampler
        self._drop_samples = 0  # pre-roll still to come
        self._behind_samples = 0.0
        self._loudest = 0.0
        self._waited_samples = 0  # without a packet, in a row
        self._newest_end = 0
        self._newest_is_dtx = False
        self._least_spare = HORIZON_SAMPLES
        self._spare_window = 0
        self.extra_samples = 0
        "How much later than wanted samples are returned, because packets were."
        self.dropped_quiet_samples = 0
        "Left out in pauses to catch up."

    @property
    def counters(self) -> JitterCounters:
        """What became of the packets."""
        return self._buffer.counters

    @property
    def drift_ppm(self) -> float:
        """How much faster our clock runs than the sender's."""
        return self._servo.drift_ppm

    @property
    def malformed_packets(self) -> int:
        """Packets that were not Opus."""
        return self._timeline.malformed_packets

    def insert(self, arrival: Arrival) -> None:
        """Take in a packet."""
        packet = self._timeline.place(arrival)
        if packet is None:
            return
        if self._started:
            self._buffer.insert(packet)
        else:
            self._early.append(packet)
        end = packet.timestamp + packet.duration_samples
        if end > self._newest_end or not self._started:
            self._newest_end = end
            self._newest_is_dtx = len(packet.payload) <= _DTX_BYTES

    def read(self, samples: int, captured_ns: int, *, wait: bool = True) -> Pcm:
        """Return *samples*, of which the first is wanted to be of *captured_ns*.

        Args:
            samples: How many.
            captured_ns: Capture instant on the local clock.
            wait: Whether to wait for a packet that is not there, at the price of
                delay; not when the end is near.
        """
        lead = silence(0 if self._started else self._start(samples, captured_ns))
        missing = samples - len(lead)
        if missing == 0:
            return lead
        if len(lead) == 0:
            self._steer(samples, captured_ns)
        while len(self._output) < missing:
            self._feed(self._next(wait))
        self._note_spare(samples)
        pcm, self._output = self._output[:missing], self._output[missing:]
        return np.concatenate((lead, pcm))

    def samples_until(self, captured_ns: int) -> int | None:
        """Return how many are to be read until that of *captured_ns*.

        None before the first packet was played.
        """
        if not self._started:
            return None
        return round(self._clock.position(captured_ns) - self._position())

    def samples_held(self) -> int:
        """Return how many are to be read until the newest packet's end."""
        return round(self._newest_end - self._position()) if self._started else 0

    def close(self) -> None:
        """Free the decoder; idempotent."""
        self._decoder.close()

    def _position(self) -> float:
        """Return the media position of the next sample to be read."""
        unread = len(self._output) / self._servo.ratio
        inside = self._fed_samples - self._resampler.input_position
        return self._buffer.cursor - inside - unread

    # --- start ------------------------------------------------------------------

    def _start(self, samples: int, captured_ns: int) -> int:
        """Start if the wanted media has arrived; return how much silence precedes."""
        if not self._clock.is_known:
            return samples
        wanted = self._clock.position(captured_ns)
        useful = [p for p in self._early if p.timestamp >= wanted - PREROLL_SAMPLES]
        first = min((p.timestamp for p in useful), default=wanted + samples)
        if first - wanted >= samples:
            return samples
        self._buffer.start(first)
        for packet in useful:
            self._buffer.insert(packet)
        self._early.clear()
        self._started = True
        self._drop_samples = max(0, wanted - first)
        return max(0, first - wanted)

    # --- pace -------------------------------------------------------------------

    def _steer(self, samples: int, captured_ns: int) -> None:
        """Compare where we are with where we ought to be, and lean towards it."""
        due = self._clock.position(captured_ns)
        ahead = self._position() - (due - self.extra_samples)
        if ahead > _STEER_LIMIT_SAMPLES:
            # The way became longer, or less was waited for than we thought.
            spent = min(self.extra_samples, round(ahead))
            self.extra_samples -= spent
            ahead -= spent
        if ahead < -_SKIP_LIMIT_SAMPLES:
            self._buffer.skip(self._buffer.cursor - round(ahead))
            ahead = 0.0
        self._behind_samples = -ahead
        self._servo.update(ahead, samples / SAMPLE_RATE_HZ)

    def _note_spare(self, samples: int) -> None:
        """Give up extra delay of which 10 s since the last wait made no use."""
        if self._waited_samples > 0:
            return
        spare = self._newest_end - self._buffer.cursor
        self._least_spare = min(self._least_spare, spare)
        self._spare_window += samples
        if self._spare_window >= _SPARE_WINDOW_SAMPLES:
            unused = max(0, self._least_spare - _SPARE_SAMPLES)
            self.extra_samples -= min(self.extra_samples, unused)
            self._least_spare, self._spare_window = HORIZON_SAMPLES, 0

    # --- sound ------------------------------------------------------------------

    def _next(self, wait: bool) -> Pcm:
        """Return the next stretch of sound, whatever there is to make it from."""
        if wait and self._should_wait():
            return self._wait()
        self._waited_samples = 0
        # One packet at a time; of silence, as little as concealment deals in.
        decisions = self._buffer.pull(self._buffer.cursor + CONCEAL_STEP_SAMPLES)
        return np.concatenate([self._sound_of(decision) for decision in decisions])

    def _should_wait(self) -> bool:
        return (
            len(self._buffer) == 0
            and not self._newest_is_dtx
            and self.extra_samples < MAX_EXTRA_SAMPLES
        )

    def _wait(self) -> Pcm:
        """Stretch time: what is missing may still come, and is played then."""
        self.extra_samples += _WAIT_STEP_SAMPLES
        self._waited_samples += _WAIT_STEP_SAMPLES
        self._least_spare, self._spare_window = HORIZON_SAMPLES, 0
        if self._waited_samples > _CONCEALED_WAIT_SAMPLES:
            return silence(_WAIT_STEP_SAMPLES)
        return self._decoder.conceal(_WAIT_STEP_SAMPLES)

    def _sound_of(self, decision: Decision) -> Pcm:
        try:
            if isinstance(decision, Play):
                return self._decoder.decode(decision.packet.payload)
            if isinstance(decision, Recover):
                return self._decoder.recover(decision.packet.payload, decision.samples)
        except OpusError:
            return self._conceal(decision.samples)
        if isinstance(decision, Conceal):
            return self._conceal(decision.samples)
        return silence(decision.samples)

    def _conceal(self, samples: int) -> Pcm:
        steps = -(-samples // CONCEAL_STEP_SAMPLES)
        return self._decoder.conceal(steps * CONCEAL_STEP_SAMPLES)[:samples]

    def _feed(self, pcm: Pcm) -> None:
        """Resample *pcm* into the output, but for pre-roll and needless silence."""
        preroll = min(self._drop_samples, len(pcm))
        self._drop_samples -= preroll
        pcm = pcm[preroll:]
        if len(pcm) == 0:
            return
        peak = float(np.abs(pcm).max())
        self._loudest = max(peak, self._loudest * _FORGET)
        if self._behind_samples >= len(pcm) and peak <= self._loudest * _QUIET:
            self._behind_samples -= len(pcm)
            self.dropped_quiet_samples += len(pcm)
            return
        self._fed_samples += len(pcm)
        ready = self._resampler.process(pcm, self._servo.ratio)
        self._output = np.concatenate((self._output, ready))
