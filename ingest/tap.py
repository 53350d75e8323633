"""Takes a receiver's packets from aiortc before it buffers or decodes them.

aiortc's audio jitter buffer counts packets instead of time and loses 6 % of the media
at 1 % of loss (aiortc#543); its decoder knows neither concealment nor FEC. So the
buffer is replaced by one that hands every packet to us and keeps none: what precedes
it in aiortc (the check of the payload type, the statistics of the receiver reports)
goes on, what follows it never happens.

That buffer is private to aiortc: :func:`tap` refuses a version in which it is not
where we know it, and a test plays through the one that is installed.
"""

from __future__ import annotations

import time

import aiortc
from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from ingest.packets import Arrival, PacketFeed

KNOWN_AIORTC = "1.16."
_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class TapError(RuntimeError):
    """The installed aiortc is not the one that this module was written for."""


def tap(receiver: RTCRtpReceiver, feed: PacketFeed) -> None:
    """Hand all that *receiver* will receive to *feed*.

    Raises:
        TapError: aiortc has changed.
    """
    known = aiortc.__version__.startswith(KNOWN_AIORTC)
    if not known or not hasattr(getattr(receiver, _BUFFER, None), "add"):
        raise TapError(f"aiortc {aiortc.__version__} is not {KNOWN_AIORTC}*")
    setattr(receiver, _BUFFER, _TapBuffer(receiver, feed))


class _TapBuffer:
    """Has the place of aiortc's jitter buffer."""

    def __init__(self, receiver: RTCRtpReceiver, feed: PacketFeed) -> None:
        self._receiver = receiver
        self._feed = feed
        self._decoder_runs = True

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take *packet*; say that no frame is complete and none is to be asked for."""
        if self._decoder_runs:
            # The decoder's thread waits for its first frame, which will never come.
            self._decoder_runs = False
            self._receiver._handle_disconnect()
        if packet.payload:
            self._feed.put(
                Arrival(
                    sequence=packet.sequence_number,
                    timestamp=packet.timestamp,
                    ssrc=packet.ssrc,
                    payload=packet.payload,
                    arrival_ns=time.monotonic_ns(),
                )
            )
        return False, None
