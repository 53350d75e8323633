"""A listener to bare RTP: what the floor sends to, with neither ICE nor DTLS."""

from __future__ import annotations

import contextlib

from bench import webrtc_sdp
from streamer.fanout.webrtc.dtls import Profile
from streamer.wire.errors import RemoteWireError
from streamer.wire.rtp import RtpPacket
from streamer.wire.stun import Address

TAG_BYTES = {Profile.AEAD_AES_128_GCM: 16, Profile.AES128_CM_SHA1_80: 10}
"What SRTP appends (RFC 7714, section 5.1; RFC 3711, section 5.2)."


class PlainListener:
    """As `bench.webrtc_client.LightListener` to who drives it; it never speaks.

    Args:
        padding_bytes: What the sender appends in place of an SRTP tag.
    """

    closed = False

    def __init__(self, *, padding_bytes: int) -> None:
        self._padding_bytes = padding_bytes
        self._server: Address | None = None

    @property
    def connected(self) -> bool:
        """Whether media may come."""
        return self._server is not None

    @property
    def server(self) -> Address:
        """Where media comes from."""
        assert self._server is not None, "there is no answer yet"
        return self._server

    def offer(self, address: Address) -> str:
        """Return the offer; RTP shall go to *address*."""
        return webrtc_sdp.plain_offer(address)

    def accept(self, answer: str) -> None:
        """Take the server's answer."""
        self._server = webrtc_sdp.plain_address(answer)

    def answer(self, offer: str, address: Address) -> str:
        """Take the server's *offer*; return the answer."""
        self.accept(offer)
        return self.offer(address)

    def poll(self, *, now_ns: int) -> None:
        """Nothing is ever due."""

    def receive(self, datagram: bytes) -> None:
        """Nothing but media is expected."""

    def decrypt(self, datagram: bytes) -> RtpPacket | None:
        """Return the RTP packet in *datagram*, which is in clear."""
        with contextlib.suppress(RemoteWireError):
            return RtpPacket.parse(datagram[: len(datagram) - self._padding_bytes])
        return None

    def report(self, ssrc: int, highest_sequence: int) -> None:
        """Nobody reads reports."""

    def leave(self) -> None:
        """Nobody hears goodbyes."""

    def outgoing(self) -> list[bytes]:
        """Return nothing: a plain listener never speaks."""
        return []
