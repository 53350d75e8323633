"""Takes a receiver's packets from aiortc before it buffers or decodes them.

aiortc's audio jitter buffer counts packets instead of time and loses 6 % of the media
at 1 % of loss (aiortc#543); its decoder knows neither concealment nor FEC. So the
buffer is replaced by one that hands every packet to us and keeps none: what precedes
it in aiortc (the check of the payload type, the statistics of the receiver reports)
goes on, what follows it never happens. Nor does aiortc ask for lost audio again, so
there is a way to do that.

What is used here is private to aiortc: :func:`tap` refuses a version in which it is
not where we know it, and a test plays through the one that is installed.

The one module of the base packages that needs aiortc: import it only where WebRTC is
about to be used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import aiortc
from aiortc import RTCRtpReceiver, rtp

from streamer.wire.rtcp import Nack
from streamer.wire.rtp import RtpPacket

KNOWN_AIORTC = "1.16."
_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_OWN_SSRC = "_RTCRtpReceiver__rtcp_ssrc"


class TapError(RuntimeError):
    """The installed aiortc is not the one that this module was written for."""


def tap(receiver: RTCRtpReceiver, take: Callable[[RtpPacket], None]) -> None:
    """Hand all that *receiver* will receive to *take*, on the event loop.

    Packets without a payload, which probe the path, are left out.

    Raises:
        TapError: aiortc has changed.
    """
    known = aiortc.__version__.startswith(KNOWN_AIORTC)
    if not known or not hasattr(getattr(receiver, _BUFFER, None), "add"):
        raise TapError(f"aiortc {aiortc.__version__} is not {KNOWN_AIORTC}*")
    setattr(receiver, _BUFFER, _TapBuffer(receiver, take))


async def ask_again(
    receiver: RTCRtpReceiver, ssrc: int, sequences: Sequence[int]
) -> None:
    """Ask the sender of *ssrc* for packets that did not come (RFC 4585, 6.2.1)."""
    nack = Nack(ssrc, tuple(sequences))
    with contextlib.suppress(ConnectionError):  # then nothing will come any more
        await receiver.transport._send_rtp(nack.serialize(getattr(receiver, _OWN_SSRC)))


class _TapBuffer:
    """Has the place of aiortc's jitter buffer."""

    def __init__(
        self, receiver: RTCRtpReceiver, take: Callable[[RtpPacket], None]
    ) -> None:
        self._receiver = receiver
        self._take = take
        self._decoder_runs = True

    def add(self, packet: rtp.RtpPacket) -> tuple[bool, None]:
        """Take *packet*; say that no frame is complete and none is to be asked for."""
        if self._decoder_runs:
            # The decoder's thread waits for its first frame, which will never come.
            self._decoder_runs = False
            self._receiver._handle_disconnect()
        if packet.payload:
            self._take(
                RtpPacket(
                    payload_type=packet.payload_type,
                    sequence=packet.sequence_number,
                    timestamp=packet.timestamp,
                    ssrc=packet.ssrc,
                    payload=packet.payload,
                    marker=bool(packet.marker),
                )
            )
        return False, None
