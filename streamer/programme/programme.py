"""One airing of a source: its frames, step by step, as packets on a 20 ms grid.

Pure: the clock is an argument, the source and libopus are the only things called.

The grid is absolute. Packet k is due at ``start_ns + k * 20 ms`` and is made when a
step at or after that instant asks for it, so a late thread catches up and no frame
of a file is skipped. A sample that the source returns at a frame's due time was
captured ``source.delay_ns`` before it and reaches listeners as decoded sample
``lookahead_samples`` later (limiter and encoder look ahead), hence `origin_ns`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from streamer.media.frame import (
    FRAME_NS,
    FRAME_SAMPLES,
    Pcm,
    ProgrammePacket,
    ns_to_samples,
    samples_to_ns,
    silence,
)
from streamer.media.level import Level
from streamer.media.opus import OpusEncoder
from streamer.media.source import Source, SourceFailed
from streamer.programme.condition import Conditioner
from streamer.programme.encode import PacketEncoder, StreamStart

MAX_LATE_NS = 10_000_000_000
"A programme this far behind its grid has ended: the machine stood still."


@dataclass(frozen=True, slots=True)
class ProgrammeSettings:
    """How a programme is encoded, and what sounds before its source."""

    bitrate_bps: int = 32_000
    complexity: int = 10
    in_band_fec: bool = False
    expected_loss_percent: int = 0
    chime: Pcm | None = field(default=None, compare=False)
    "Sounds first; the source is read from its end on."


class ProgrammeState(StrEnum):
    """Where a programme is in its life; it only moves down this list."""

    OPENING = "opening"
    "The chime sounds; the source is not read."
    ON_AIR = "on_air"
    ENDED = "ended"
    "No packet follows; :attr:`Programme.end` says why."


class EndReason(StrEnum):
    """Why a programme ended."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    CUT = "cut"
    "At an instant after which nobody was to hear it."


@dataclass(frozen=True, slots=True)
class ProgrammeEnd:
    """How a programme ended."""

    reason: EndReason
    detail: str
    "For the operator; empty when nothing went wrong."
    end_ns: int
    "Capture instant just after the last sample of its last packet."
    samples: int = 0
    "Length of chime and source; what else its packets hold is padding."


class Programme:
    """Turns a source into packets.

    One thread calls :meth:`step` and :meth:`close`; everything else may be called
    and read from any. The source is read, never closed.

    Args:
        source: Read from the end of the chime on, one frame per packet.
        settings: How to encode.
        ssrc: Synchronisation source of the packets.
        first_timestamp: RTP timestamp of the first packet.
        first_sequence: RTP sequence number of the first packet.
        start_ns: Local monotonic instant at which the first packet is due.

    Raises:
        OpusError: A setting is out of libopus' range.
    """

    def __init__(
        self,
        source: Source,
        settings: ProgrammeSettings,
        *,
        ssrc: int,
        first_timestamp: int,
        first_sequence: int,
        start_ns: int,
    ) -> None:
        encoder = OpusEncoder(
            settings.bitrate_bps,
            settings.complexity,
            settings.in_band_fec,
            settings.expected_loss_percent,
        )
        self._source = source
        self._chime = silence(0) if settings.chime is None else settings.chime
        self._conditioner = Conditioner()
        self._lookahead = self._conditioner.latency_samples + encoder.lookahead_samples
        self._start = StreamStart(
            ssrc=ssrc,
            timestamp=first_timestamp,
            sequence=first_sequence,
            due_ns=start_ns,
            origin_ns=start_ns - source.delay_ns - samples_to_ns(self._lookahead),
        )
        self._packets = PacketEncoder(encoder, self._start)
        self._samples = 0  # gathered so far, chime included
        self._source_over = False
        self._stopping = False
        self._cut_ns: int | None = None
        self._failure = ""
        self._end: ProgrammeEnd | None = None

    @property
    def lookahead_samples(self) -> int:
        """Decoded samples that come before the first sample of chime or source."""
        return self._lookahead

    @property
    def origin_ns(self) -> int:
        """Capture instant of the first decoded sample of packet 0."""
        return self._start.origin_ns

    @property
    def next_due_ns(self) -> int:
        """When the next packet is due."""
        return self._start.due_ns + self._packets.count * FRAME_NS

    @property
    def frames(self) -> int:
        """Packets made so far."""
        return self._packets.count

    @property
    def level(self) -> Level:
        """How loud what is sent is now."""
        return self._conditioner.level

    @property
    def state(self) -> ProgrammeState:
        """Opening, on air or ended."""
        if self._end is not None:
            return ProgrammeState.ENDED
        if self._samples < len(self._chime):
            return ProgrammeState.OPENING
        return ProgrammeState.ON_AIR

    @property
    def end(self) -> ProgrammeEnd | None:
        """How it ended; None while packets may follow."""
        return self._end

    def stop(self) -> None:
        """Ask for a graceful end: what was captured so far is still sent.

        While the chime sounds it fades within a frame, and the source is not heard.
        """
        if self._end is None:
            self._stopping = True
            self._source.finish()

    def cut(self, at_ns: int) -> None:
        """Ask for an end at a media instant: no packet is made of what is later.

        What was captured is not read to its end, and the source is not told.
        """
        self._cut_ns = at_ns

    def samples_before(self, at_ns: int) -> int:
        """Return how many samples of chime and source lie before a media instant."""
        decoded = ns_to_samples(max(0, at_ns - self.origin_ns))
        return max(0, decoded - self._lookahead)

    def step(self, now_ns: int) -> ProgrammePacket | None:
        """Return the next packet if it is due; call again until None, then see `end`.

        Blocks as long as the source's `read` does.
        """
        self._obey_cut()
        if self._end is not None or now_ns < self.next_due_ns:
            return None
        if now_ns - self.next_due_ns > MAX_LATE_NS:
            late_s = (now_ns - self.next_due_ns) // 1_000_000_000
            self.fail(f"the server stood still for {late_s} s")
            return None
        packet = self._packets.encode(self._conditioner.process(self._gather()))
        if self._source_over and self._is_drained():
            self._finish(*self._outcome())
        self._obey_cut()
        return packet

    def fail(self, detail: str) -> ProgrammeEnd:
        """End at once, because of something the source did not say.

        Returns:
            How it ended, which is another way if it had ended before.
        """
        return self._finish(EndReason.FAILED, detail)

    def close(self) -> None:
        """Free the encoder; idempotent. No step may follow."""
        self._packets.close()

    def _gather(self) -> Pcm:
        """Return the next frame of chime and source; zeros follow their end."""
        chime = self._next_of_chime()
        pcm = self._read(FRAME_SAMPLES - len(chime))
        self._samples += len(chime) + len(pcm)
        missing = FRAME_SAMPLES - len(chime) - len(pcm)
        if len(pcm) == FRAME_SAMPLES:
            return pcm
        return np.concatenate((chime, pcm, silence(missing)))

    def _next_of_chime(self) -> Pcm:
        chime = self._chime[self._samples : self._samples + FRAME_SAMPLES]
        if self._stopping and len(chime) > 0:
            self._chime = self._chime[: self._samples + len(chime)]
            self._source_over = True
            fade = np.linspace(1, 0, len(chime), dtype=np.float32)
            return chime * fade
        return chime

    def _read(self, samples: int) -> Pcm:
        """Return the source's next *samples*; fewer mean that it is over."""
        if samples == 0 or self._source_over:
            return silence(0)
        try:
            pcm = self._source.read(samples)
        except SourceFailed as error:
            self._failure = str(error) or "the source failed"
            pcm = silence(0)
        self._source_over = len(pcm) < samples
        return pcm

    def _obey_cut(self) -> None:
        """End if the packets reach as far as anybody is to hear."""
        reached_ns = self.origin_ns + self.frames * FRAME_NS
        if self._cut_ns is not None and reached_ns >= self._cut_ns:
            self._finish(EndReason.STOPPED if self._stopping else EndReason.CUT, "")

    def _is_drained(self) -> bool:
        """Whether the packets so far hold every sample, look-ahead included."""
        return self.frames * FRAME_SAMPLES >= self._samples + self._lookahead

    def _outcome(self) -> tuple[EndReason, str]:
        if self._stopping:  # what breaks while it is being stopped is no failure
            return EndReason.STOPPED, self._failure
        if self._failure:
            return EndReason.FAILED, self._failure
        return EndReason.COMPLETED, ""

    def _finish(self, reason: EndReason, detail: str) -> ProgrammeEnd:
        if self._end is None:
            end_ns = self.origin_ns + self.frames * FRAME_NS
            # What the look-aheads still hold of a programme that was cut is in none.
            held = max(0, self.frames * FRAME_SAMPLES - self._lookahead)
            samples = min(self._samples, held)
            self._end = ProgrammeEnd(reason, detail, end_ns, samples)
        return self._end
