"""Feeds a microphone's sources with what aiortc receives: `streamer.media.rtptap`."""

from __future__ import annotations

import time

from aiortc import RTCRtpReceiver

from ingest.packets import Arrival, PacketFeed
from streamer.media import rtptap
from streamer.wire.rtp import RtpPacket


def tap(receiver: RTCRtpReceiver, feed: PacketFeed) -> None:
    """Hand all that *receiver* will receive to *feed*.

    Raises:
        TapError: aiortc has changed.
    """

    def take(packet: RtpPacket) -> None:
        feed.put(
            Arrival(
                sequence=packet.sequence,
                timestamp=packet.timestamp,
                ssrc=packet.ssrc,
                payload=packet.payload,
                arrival_ns=time.monotonic_ns(),
            )
        )

    rtptap.tap(receiver, take)
