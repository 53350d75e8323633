"""Receives what the speaker's zone hears over WebRTC (adapter over aiortc).

aiortc does ICE, DTLS and SRTP; its packets are taken before it buffers or decodes them.
The one module of the speaker that needs aiortc: import it only to use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
from collections.abc import Sequence

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from clients.speaker.mishaps import Mishap
from clients.speaker.sdp import answer_for_aiortc, offer_for_server
from clients.speaker.session import SessionEvents
from clients.speaker.whep import Resource, WhepAddress, WhepError, delete, post_offer
from streamer.media import rtptap

_log = logging.getLogger(__name__)

for _noisy in ("aioice", "aiortc"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


class WebRtcSession:
    """A `clients.speaker.session.Session` with a WHEP server.

    Args:
        address: Of the server, and who we are to it.
        events: Is told of the connection and its packets.
    """

    def __init__(self, address: WhepAddress, events: SessionEvents) -> None:
        self._address = address
        self._events = events
        self._over = asyncio.Event()
        self._receiver: RTCRtpReceiver | None = None

    async def run(self) -> None:
        """Connect and receive until the connection is lost.

        Raises:
            WhepError: The server refused, or its answer cannot be used.
        """
        # No STUN or TURN: the server is reachable, and provinces run closed networks.
        peer = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        peer.on("connectionstatechange", lambda: self._note(peer.connectionState))
        resource: Resource | None = None
        try:
            offer = await self._offer(peer)
            resource = await asyncio.to_thread(post_offer, self._address, offer)
            await _accept(peer, resource.answer)
            await self._over.wait()
        finally:
            await self._leave(peer, resource)

    async def ask_again(self, ssrc: int, sequences: Sequence[int]) -> None:
        """Ask the server for packets that did not come."""
        if self._receiver is not None:
            await rtptap.ask_again(self._receiver, ssrc, sequences)

    async def _offer(self, peer: RTCPeerConnection) -> str:
        transceiver = peer.addTransceiver("audio", direction="recvonly")
        capabilities = RTCRtpReceiver.getCapabilities("audio")
        assert capabilities is not None  # of audio there are
        opus = [c for c in capabilities.codecs if c.mimeType.lower() == "audio/opus"]
        transceiver.setCodecPreferences(opus)
        self._receiver = transceiver.receiver
        rtptap.tap(transceiver.receiver, self._events.on_rtp)
        await peer.setLocalDescription(await peer.createOffer())
        return offer_for_server(peer.localDescription.sdp)

    def _note(self, state: str) -> None:
        _log.debug("WebRTC is %s", state)
        if state == "connected":
            self._events.on_connected()
        elif state in ("failed", "closed"):
            self._over.set()

    async def _leave(self, peer: RTCPeerConnection, resource: Resource | None) -> None:
        """Close our end first, which the server sees at once; then say so by HTTP."""
        await peer.close()
        if resource is not None:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                await asyncio.to_thread(delete, resource, self._address.credential)


async def _accept(peer: RTCPeerConnection, answer: str) -> None:
    description = RTCSessionDescription(answer_for_aiortc(answer), "answer")
    try:
        await peer.setRemoteDescription(description)
    except Exception as error:
        # aiortc's parser has no errors of its own: it fails where it stumbles.
        text = f"the server's answer is not understood: {error}"
        raise WhepError(Mishap(text, refused=True)) from error
