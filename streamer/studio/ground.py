"""The seam between a broadcast's source on the air and the air."""

from __future__ import annotations

from typing import Protocol

from streamer.media.frame import ProgrammePacket
from streamer.programme.programme import ProgrammeEnd
from streamer.studio.live import Live


class Ground(Protocol):
    """What an airing tells the studio; on the event loop, must not wait."""

    def packet(self, packet: ProgrammePacket) -> None:
        """Take a packet."""
        ...

    def take_ended(self, ssrc: int) -> None:
        """Take note that a take is over and its broadcast is not, or was before."""
        ...

    def ended(self, live: Live, ssrc: int, end: ProgrammeEnd) -> None:
        """Take a broadcast off the air, whose source is over."""
        ...
