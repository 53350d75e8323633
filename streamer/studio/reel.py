"""The takes of a broadcast, one behind the other in one recording.

A take that was cut ends up to a frame after the last sample that was heard; the
next one begins with the first sample that was not, and with the 11.5 ms in which its
encoder looks ahead. So a joint sounds like that: up to 20 ms twice, then a pause of
11.5 ms. The pause in which the broadcast stood still is not recorded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from streamer.media.frame import FRAME_SAMPLES, ProgrammePacket, ns_to_samples
from streamer.programme.recorder import Recorder

HELD_PACKETS = 500
"Of a take whose predecessor hangs: ten seconds, then the oldest are not recorded."


@dataclass(slots=True)
class _Take:
    ssrc: int
    origin_ns: int
    first_packet: int | None = None
    "Its number in the recording; None until its predecessor is whole."
    held: deque[ProgrammePacket] = field(
        default_factory=lambda: deque(maxlen=HELD_PACKETS)
    )
    samples: int | None = None
    "How long it was; None while it is made."


class Reel:
    """Records takes in the order in which they begin; call it on the event loop.

    Args:
        recorder: Written to by this alone; None records nothing.
        lookahead_samples: The programmes', which is the recording's pre-skip.
    """

    def __init__(self, recorder: Recorder | None, lookahead_samples: int) -> None:
        self._recorder = recorder
        self._lookahead = lookahead_samples
        self._takes: list[_Take] = []
        self._open: deque[_Take] = deque()
        self._packets = 0

    def begin(self, ssrc: int, origin_ns: int) -> None:
        """Take note that a take begins; the ones before it may still be made."""
        take = _Take(ssrc, origin_ns)
        self._takes.append(take)
        self._open.append(take)
        self._go_on()

    def write(self, packet: ProgrammePacket) -> None:
        """Record *packet*, at once or when the takes before its own are whole."""
        take = self._take(packet.ssrc)
        if take.first_packet is None:
            take.held.append(packet)
        else:
            self._record(take, packet)

    def end(self, ssrc: int, samples: int) -> None:
        """Take note that no packet of a take follows, and how long it was."""
        self._take(ssrc).samples = samples
        self._go_on()

    def sample_at(self, instant_ns: int) -> int:
        """Return which sample of the recording was captured at a media instant.

        Of an instant between two takes: the end of the earlier one.
        """
        place = 0
        for take in self._takes:
            if take.first_packet is None or instant_ns < take.origin_ns:
                break
            lead = ns_to_samples(instant_ns - take.origin_ns)
            lasted = max(0, lead - self._lookahead)
            if take.samples is not None:
                lasted = min(lasted, take.samples)
            place = take.first_packet * FRAME_SAMPLES + lasted
        return place

    def _take(self, ssrc: int) -> _Take:
        return next(each for each in reversed(self._takes) if each.ssrc == ssrc)

    def _go_on(self) -> None:
        """Write what waited for its turn."""
        while self._open:
            take = self._open[0]
            if take.first_packet is None:
                take.first_packet = self._packets
                for packet in take.held:
                    self._record(take, packet)
                take.held.clear()
            if take.samples is None:
                return
            self._open.popleft()
            self._finish(take.first_packet, take.samples)

    def _record(self, take: _Take, packet: ProgrammePacket) -> None:
        assert take.first_packet is not None
        if take.first_packet:
            packet = replace(packet, index=take.first_packet + packet.index)
        self._packets = packet.index + 1
        if self._recorder is not None:
            self._recorder.write(packet)

    def _finish(self, first_packet: int, samples: int) -> None:
        """Say how long the audio is, should nothing follow."""
        if self._recorder is not None:
            self._recorder.finish(first_packet * FRAME_SAMPLES + samples)
