"""A live microphone on air: what a WHIP session receives, read on the 20 ms grid."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ingest.livestream import LiveStream
from ingest.packets import Microphone
from streamer.media.frame import (
    FRAME_SAMPLES,
    Pcm,
    ns_to_samples,
    samples_to_ns,
    silence,
)
from streamer.media.source import SourceFailed

DELAY_NS = 60_000_000
"20 ms to fill a packet, 40 ms for jitter and for the grids to meet."
DEAD_AFTER_NS = 1_500_000_000
"Without a packet; a sender in silence (DTX) still sends one each 400 ms."


class MicrophoneSource:
    """A `streamer.media.source.Source` that plays a microphone at its live edge.

    The first read returns what was captured `delay_ns` before it (older sound is
    never heard, and nothing newer is skipped); from then on samples are counted, for
    a programme's grid is absolute. A microphone that has sent nothing yet is silent
    until it does; then the session's own deadlines apply.

    Several sources may play the same microphone.

    Args:
        microphone: Usually a `ingest.whip.WhipSession`.
        delay_ns: Constant, for packets of up to 20 ms on a network that keeps the
            pace; see `LiveStream` for what happens on others.
        now_ns: The local monotonic clock.
    """

    def __init__(
        self,
        microphone: Microphone,
        *,
        delay_ns: int = DELAY_NS,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._feed = microphone.feed
        self._packets = self._feed.subscribe()
        self._delay_ns = delay_ns
        self._now_ns = now_ns
        self._lock = threading.Lock()  # of what read and close both use
        self._closed = False
        self._start_ns: int | None = None
        self._read_samples = 0
        self._finish_ns: int | None = None
        self.stream = LiveStream()
        "Its counters may be read from any thread."

    @property
    def delay_ns(self) -> int:
        """How long ago a sample was captured when `read` returns it."""
        return self._delay_ns

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; fewer only after `finish`.

        Raises:
            SourceFailed: Nothing has arrived for 1.5 s, or the session ended and
                what it sent has been read.
        """
        with self._lock:
            if self._closed:
                return silence(0)
            return self._read(samples, self._now_ns())

    def finish(self) -> None:
        """End with what has been captured up to now."""
        if self._finish_ns is None:
            self._finish_ns = self._now_ns()

    def close(self) -> None:
        """Let go of the session and the decoder; idempotent."""
        with self._lock:
            self._closed = True
            self._packets.close()
            self.stream.close()

    def _read(self, samples: int, now_ns: int) -> Pcm:
        # Asked for before the packets are taken, so that none is missed.
        gone = self._feed.end_reason
        for arrival in self._packets.take():
            self.stream.insert(arrival)
        if self._start_ns is None:
            # The first read is shorter than a frame when a chime ends within it:
            # what is asked for is then the frame's last part.
            self._start_ns = now_ns + samples_to_ns(max(0, FRAME_SAMPLES - samples))
        elapsed_ns = samples_to_ns(self._read_samples)
        captured_ns = self._start_ns + elapsed_ns - self._delay_ns
        if self._finish_ns is not None:
            samples = min(samples, self._left(self._finish_ns, captured_ns))
        elif gone is not None:
            samples = self._last(samples, gone)
        else:
            self._check_alive(self._start_ns, now_ns)
        draining = gone is not None or self._finish_ns is not None
        self._read_samples += samples
        return self.stream.read(samples, captured_ns, wait=not draining)

    def _left(self, finish_ns: int, captured_ns: int) -> int:
        left = self.stream.samples_until(finish_ns)
        if left is None:
            left = ns_to_samples(finish_ns - captured_ns)
        return max(0, left)

    def _last(self, samples: int, reason: str) -> int:
        """Return how much of a session that has ended can be read."""
        held = self.stream.samples_held()
        if held < samples:
            raise SourceFailed(reason)
        return samples

    def _check_alive(self, start_ns: int, now_ns: int) -> None:
        last_ns = self._feed.last_arrival_ns
        if last_ns is None:
            return
        if now_ns - max(last_ns, start_ns) > DEAD_AFTER_NS:
            raise SourceFailed("the microphone has sent nothing for 1.5 s")
