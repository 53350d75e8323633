"""What a speaker hears, by media instant: the switches, and the streams mixed there.

Everything is in positions: samples on the server's clock, as `clients.speaker.stream`
explains. Nothing here knows the playout delay or the device.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from clients.speaker.decode import FADE_IN_SAMPLES
from clients.speaker.loudness import gain_of, percent_of
from clients.speaker.placing import Placed
from clients.speaker.receipts import MAX_STREAMS, Account, Receipts
from clients.speaker.stream import (
    PRE_ROLL_SAMPLES,
    Counters,
    Stream,
    us_to_position,
)
from streamer.media.frame import Pcm, silence
from streamer.wire.control import Idle, Programme, Settings
from streamer.wire.rtp import RtpPacket

SWITCH_OUT_SAMPLES = 1_200
"25 ms raised cosine for what ends (research/speaker.md, section 2.2)."
VOLUME_RAMP_SAMPLES = 960
_MAX_SWITCHES = 64
_MAX_WAITING = 100  # 2 s; UDP does not overtake TCP by more


@dataclass(frozen=True, slots=True)
class _Switch:
    position: int
    ssrc: int | None


class Timeline:
    """The schedule of switches and the streams it speaks of."""

    def __init__(
        self, counters: Counters, receipts: Receipts, settings: Settings
    ) -> None:
        self._counters = counters
        self._receipts = receipts
        self._settings = settings
        self._switches: list[_Switch] = []  # by position
        self._streams: dict[int, Stream] = {}  # by SSRC, oldest announcement first
        self._waiting: deque[Placed] = deque()  # for the announcement they overtook

    def sound(self, settings: Settings) -> None:
        """Be as loud as *settings* say from now on."""
        self._settings = settings
        for stream in self._streams.values():
            self._set_volume(stream)

    def announce(self, programme: Programme) -> None:
        """A programme is heard from its instant on."""
        stream = self._streams.pop(programme.ssrc, None)
        account = self._receipts.account(programme.broadcast)
        if stream is None:
            stream = Stream(programme, self._counters, account)
        else:
            stream.account = account
            stream.announce(programme)
        self._set_volume(stream)
        self._streams[programme.ssrc] = stream
        self._switch(us_to_position(programme.from_us), programme.ssrc)
        self._forget_oldest_stream()
        waiting, self._waiting = self._waiting, deque()
        for placed in waiting:
            self.insert_at(placed)

    def idle(self, message: Idle) -> None:
        """Nothing is heard from its instant on."""
        self._switch(us_to_position(message.from_us), None)

    def insert(self, rtp: RtpPacket) -> int | None:
        """Take in a packet; one that was not announced is counted and dropped.

        Returns:
            Its position, if it is of a programme known and can be played.
        """
        stream = self._streams.get(rtp.ssrc)
        if stream is None:
            self._counters.packets_received += 1
            self._counters.packets_discarded += 1
            return None
        return stream.insert(rtp)

    def insert_at(self, placed: Placed) -> bool:
        """Take in a packet by its place; return whether it is of what is on air.

        One that no programme known has sent waits for the announcement.
        """
        starts = {
            ssrc: start
            for ssrc, stream in self._streams.items()
            if (start := stream.start_of(placed.position)) is not None
        }
        if not starts:
            self._wait(placed)
            return False
        ssrc = self._heard_at(placed.position)
        if ssrc not in starts:
            ssrc = next(reversed(starts))  # what was announced last
        self._streams[ssrc].insert_at(starts[ssrc], placed)
        return bool(self._switches) and ssrc == self._switches[-1].ssrc

    @property
    def expects_packets(self) -> bool:
        """Whether a programme is on air, as far as was said."""
        return bool(self._switches) and self._switches[-1].ssrc is not None

    def end_with_what_is_held(self) -> None:
        """The link is gone: be silent after the last packet received."""
        if self._switches and (ssrc := self._switches[-1].ssrc) is not None:
            end = self._streams[ssrc].newest_end
            begin = self._switches[-1].position
            self._switch(begin if end is None else max(begin, end), None)

    def next_heard(self, start: int, samples: int) -> Programme | None:
        """Return what is heard first within *samples* from *start* on."""
        for _, _, ssrc in self._segments(start, start + samples):
            if ssrc is not None:
                return self._streams[ssrc].programme
        return None

    def held_after(self, position: int) -> int:
        """Return how many samples of what is heard at *position* came for later."""
        heard = self._heard_at(position)
        end = None if heard is None else self._streams[heard].newest_end
        return 0 if end is None else max(0, end - position)

    def programme_at(self, position: int) -> Programme | None:
        """Return what is heard at *position*."""
        heard = self._heard_at(position)
        return None if heard is None else self._streams[heard].programme

    @property
    def speech(self) -> bool:
        """Whether all that was read last is coded as speech."""
        streams = self._streams.values()
        return all(each.speech for each in streams if not each.fader.silent)

    @property
    def missing(self) -> bool:
        """Whether all that was read last was made up to hide a gap."""
        streams = self._streams.values()
        return all(each.missing for each in streams if not each.fader.silent)

    @property
    def silent(self) -> bool:
        """Whether the last samples read were silence, and those before."""
        return all(stream.fader.silent for stream in self._streams.values())

    def quiet(self, start: int, samples: int) -> bool:
        """Say whether nothing at all is heard there."""
        segments = self._segments(start, start + samples)
        return self.silent and all(ssrc is None for _, _, ssrc in segments)

    def pass_by(self, to: int) -> None:
        """Forget what lies before *to* and will not be read any more."""
        self._receipts.hear(self._account_at(to))
        while len(self._switches) > 1 and self._switches[1].position <= to:
            del self._switches[0]
        wanted = {switch.ssrc for switch in self._switches}
        for ssrc, stream in list(self._streams.items()):
            if stream.fader.silent:
                stream.skip(to - PRE_ROLL_SAMPLES)
                if ssrc not in wanted:
                    self._streams.pop(ssrc).close()

    def read(self, start: int, samples: int) -> Pcm:
        """Return what is heard in the next *samples*; *start* may jump.

        Going back never repeats what was read: it is silence until there.
        """
        mixed = silence(samples)
        for begin, end, ssrc in self._segments(start, start + samples):
            part = mixed[begin - start : end - start]
            for each, stream in self._streams.items():
                _mix(stream, begin, part, heard=each == ssrc)
        self.pass_by(start + samples)
        return mixed

    def _heard_at(self, position: int) -> int | None:
        heard = None
        for switch in self._switches:
            if switch.position <= position:
                heard = switch.ssrc
        return heard

    def _account_at(self, position: int) -> Account | None:
        heard = self._heard_at(position)
        return None if heard is None else self._streams[heard].account

    def _set_volume(self, stream: Stream) -> None:
        """Move to the volume that holds; at once, where nothing is heard."""
        gain = gain_of(percent_of(self._settings, stream.programme))
        if stream.fader.silent:
            stream.volume.set(gain)
        else:
            stream.volume.to(gain, VOLUME_RAMP_SAMPLES)

    def _wait(self, placed: Placed) -> None:
        """Keep *placed* for an announcement to come; the oldest is given up."""
        self._waiting.append(placed)
        if len(self._waiting) > _MAX_WAITING and not self._waiting.popleft().repeated:
            self._counters.packets_received += 1
            self._counters.packets_discarded += 1

    def _switch(self, position: int, ssrc: int | None) -> None:
        """What is said last about an instant and all after it counts."""
        kept = [switch for switch in self._switches if switch.position < position]
        self._switches = [*kept, _Switch(position, ssrc)][-_MAX_SWITCHES:]

    def _segments(self, start: int, end: int) -> list[tuple[int, int, int | None]]:
        """Return (begin, end, ssrc) of the stretches between *start* and *end*."""
        segments: list[tuple[int, int, int | None]] = []
        begin, heard = start, None
        for switch in self._switches:
            border = min(max(switch.position, start), end)
            if border > begin:
                segments.append((begin, border, heard))
            begin, heard = border, switch.ssrc
        return [*segments, (begin, end, heard)] if end > begin else segments

    def _forget_oldest_stream(self) -> None:
        if len(self._streams) > MAX_STREAMS:
            ssrc = next(iter(self._streams))
            self._streams.pop(ssrc).close()
            self._switches = [
                switch if switch.ssrc != ssrc else _Switch(switch.position, None)
                for switch in self._switches
            ]


def _mix(stream: Stream, begin: int, part: Pcm, *, heard: bool) -> None:
    """Add to *part* what is heard of *stream* from *begin* on."""
    if stream.position > begin:  # we went back to what was read before
        stream.fader.set(0.0)
        part = part[stream.position - begin :]
        begin = stream.position
    if heard:
        stream.fader.to(1.0, FADE_IN_SAMPLES)
    else:
        stream.fader.to(0.0, SWITCH_OUT_SAMPLES)
    if len(part) and not stream.fader.silent:
        pcm = stream.read(begin, len(part), heard=heard)
        share = stream.fader.take(len(part)) * stream.volume.take(len(part))
        part += np.multiply(pcm, share)
