"""Low-latency mode: the delay follows the network, the samples follow the delay.

`streamer.media.pace` decides; this carries it out on what the timeline gives.
"""

from __future__ import annotations

from clients.speaker.timeline import Timeline
from streamer.media.delay import DelayEstimator
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.pace import (
    Lengthen,
    Pace,
    PaceCounters,
    PaceDecision,
    Shorten,
    Step,
    Straight,
)
from streamer.media.timestretch import (
    COMPARED_SAMPLES,
    MAX_LAG_SAMPLES,
    QUIET_POWER,
    lengthen,
    power_of,
    shorten,
)

START_DELAY_SAMPLES = 400 * SAMPLE_RATE_HZ // 1000
"Until something has come, and with it a better one."


class Pacer:
    """Reads a timeline as fast as the delay wants it; not thread-safe."""

    def __init__(self) -> None:
        self._pace = Pace(DelayEstimator(), delay=START_DELAY_SAMPLES)
        self._decision: PaceDecision = Straight()
        self._past = silence(MAX_LAG_SAMPLES)  # what was read last

    @property
    def delay(self) -> int:
        """A sample is due this long after its position."""
        return self._pace.delay

    @property
    def counters(self) -> PaceCounters:
        """What was done to the pace."""
        return self._pace.counters

    def arrived(self, position: int, at_ns: int) -> None:
        """Learn that the packet at *position* came at *at_ns* of the server's clock."""
        at = at_ns * SAMPLE_RATE_HZ // 1_000_000_000
        self._pace.arrived(position, FRAME_SAMPLES, at)

    def reset(self) -> None:
        """The server's clock is another."""
        self._pace.reset()

    def decide(self, samples: int, reach: int, timeline: Timeline) -> None:
        """Decide how the next *samples* are read.

        Args:
            samples: How many are played.
            reach: How long before it is due a sample is asked for.
            timeline: What they are read from.
        """
        # What is made up to hide a gap may as well be longer.
        quiet = timeline.missing or power_of(self._past) < QUIET_POWER
        self._decision = self._pace.pull(
            samples,
            reach=reach,
            speech=timeline.speech,
            quiet=quiet,
            heard=not timeline.silent,
        )
        if isinstance(self._decision, Step):
            self._pace.stepped(self._decision.samples)

    def read(self, timeline: Timeline, start: int, samples: int) -> tuple[Pcm, int]:
        """Return at least *samples* from *start* on, and by how much more was read.

        That is negative where a period was put in.
        """
        decision, self._decision = self._decision, Straight()
        match decision:
            case Shorten(longest):
                # No more than is held: what is too long is what may be read early.
                samples = max(samples, COMPARED_SAMPLES)
                media = timeline.read(start, samples + longest)
                pcm = shorten(media, longest)
            case Lengthen(longest):
                media = timeline.read(start, max(samples, COMPARED_SAMPLES))
                pcm = lengthen(self._past, media, longest)
            case _:
                media = pcm = timeline.read(start, samples)
        surplus = len(media) - len(pcm)
        if not isinstance(decision, Straight | Step):
            self._pace.stretched(-surplus)
        if len(pcm) >= MAX_LAG_SAMPLES:
            self._past = pcm[-MAX_LAG_SAMPLES:]
        else:
            self._past[: -len(pcm)] = self._past[len(pcm) :].copy()
            self._past[-len(pcm) :] = pcm
        return pcm, surplus
