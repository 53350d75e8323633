"""WHIP ingest (RFC 9725): sessions that receive a microphone, without their HTTP.

    async with WhipServer() as whip:
        session = await whip.accept(offer)     # POST: 201, session.answer_sdp
        source = MicrophoneSource(session)     # on air
        await whip.delete(session.id)          # DELETE: 200

Errors map to answers: `BadOfferError` 400, `UnacceptableOfferError` 422,
`TooManySessionsError` 503, `UnknownSessionError` 404.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Self

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError

from ingest.packets import PacketFeed
from ingest.sdp import BadOfferError, Offer, OfferError, UnacceptableOfferError
from ingest.tap import tap

__all__ = [
    "BadOfferError",
    "OfferError",
    "TooManySessionsError",
    "UnacceptableOfferError",
    "UnknownSessionError",
    "WhipServer",
    "WhipSession",
]

MAX_SESSIONS = 16
CONNECT_TIMEOUT_S = 15.0
SILENCE_TIMEOUT_S = 30.0
"A session that sends nothing this long gives its place to another."
_LOOK_INTERVAL_S = 1.0

_log = logging.getLogger(__name__)


class TooManySessionsError(Exception):
    """All places are taken; try again later."""


class UnknownSessionError(LookupError):
    """There is no such session, or no longer."""


class WhipSession:
    """One connected sender: an `ingest.packets.Microphone`.

    Made by `WhipServer.accept` alone. It is over once `end_reason` says why.
    """

    def __init__(self, session_id: str, peer: RTCPeerConnection) -> None:
        self.id = session_id
        "Unguessable; the last part of the session's URL."
        self.etag = f'"{secrets.token_hex(8)}"'
        "Names the ICE session (RFC 9725, section 4.3.1), quoted as a header wants it."
        self.answer_sdp = ""
        self.feed = PacketFeed()
        "Its packets; for `MicrophoneSource`."
        self.is_connected = False
        "Whether ICE and DTLS are through."
        self._peer = peer
        self._changed = asyncio.Event()

    @property
    def end_reason(self) -> str | None:
        """Why the session is over; None while it is not."""
        return self.feed.end_reason

    @property
    def has_sound(self) -> bool:
        """Whether a packet has arrived; the source of a session without is silent."""
        return self.feed.last_arrival_ns is not None


class WhipServer:
    """Holds the sessions; use as an async context manager, on one event loop.

    A session ends when it is deleted, when its peer closes or falls silent, when it
    does not connect in time, and when the server does. Whatever ends it, its sources
    are told why.

    Args:
        max_sessions: Places; those being negotiated count.
        connect_timeout_s: From the answer until ICE and DTLS are through.
        silence_timeout_s: Without a packet, until a session is ended.
    """

    def __init__(
        self,
        *,
        max_sessions: int = MAX_SESSIONS,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        silence_timeout_s: float = SILENCE_TIMEOUT_S,
    ) -> None:
        self._max_sessions = max_sessions
        self._connect_timeout_s = connect_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._sessions: dict[str, WhipSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._negotiating = 0
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for session in self.sessions:
            self._end(session, "the server is closing")
        await asyncio.gather(*self._tasks.values())

    @property
    def sessions(self) -> tuple[WhipSession, ...]:
        """Those that are not over."""
        return tuple(self._sessions.values())

    def session(self, session_id: str) -> WhipSession:
        """Return a session that is not over.

        Raises:
            UnknownSessionError: There is none of that name.
        """
        try:
            return self._sessions[session_id]
        except KeyError:
            raise UnknownSessionError(f"no session {session_id[:40]!r}") from None

    async def accept(self, sdp_offer: str) -> WhipSession:
        """Answer an offer; return at once, the peer connects afterwards.

        Raises:
            BadOfferError: It is not SDP, or not of WebRTC.
            UnacceptableOfferError: It has no Opus audio for us.
            TooManySessionsError: No place is free.
        """
        offer = Offer.parse(sdp_offer)
        if self._closing or len(self._tasks) + self._negotiating >= self._max_sessions:
            raise TooManySessionsError(f"{self._max_sessions} microphones are open")
        self._negotiating += 1
        try:
            session = await self._negotiate(offer)
        finally:
            self._negotiating -= 1
        self._sessions[session.id] = session
        name = f"whip session {session.id}"
        watch = asyncio.create_task(self._watch(session), name=name)
        self._tasks[session.id] = watch
        return session

    async def delete(self, session_id: str) -> None:
        """End a session; return when all it held is released.

        Raises:
            UnknownSessionError: There is none of that name.
        """
        self._end(self.session(session_id), "the microphone was switched off")
        await asyncio.shield(self._tasks[session_id])

    async def _negotiate(self, offer: Offer) -> WhipSession:
        # No STUN or TURN: provinces run closed networks, and the server is reachable.
        peer = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        try:
            session = WhipSession(secrets.token_urlsafe(16), peer)
            session.answer_sdp = offer.complete(await _answer(session, offer))
        except BaseException:
            await peer.close()
            raise
        return session

    async def _watch(self, session: WhipSession) -> None:
        """Hold a session until it is over, then release what it holds."""
        peer = session._peer
        peer.on("connectionstatechange", lambda: self._note_state(session))
        self._note_state(session)
        try:
            await self._wait_until_over(session)
        finally:
            self._end(session, "the session failed")
            try:
                await peer.close()
            finally:
                del self._tasks[session.id]

    async def _wait_until_over(self, session: WhipSession) -> None:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                while not session.is_connected and session.end_reason is None:
                    await session._changed.wait()
                    session._changed.clear()
        except TimeoutError:
            self._end(session, "the microphone's connection was not made in time")
        connected_ns = time.monotonic_ns()
        while session.end_reason is None:
            last_ns = max(session.feed.last_arrival_ns or 0, connected_ns)
            if time.monotonic_ns() - last_ns > self._silence_timeout_s * 1e9:
                self._end(session, "the microphone has fallen silent")
                return
            try:
                async with asyncio.timeout(_LOOK_INTERVAL_S):
                    await session._changed.wait()
                    session._changed.clear()
            except TimeoutError:
                continue

    def _note_state(self, session: WhipSession) -> None:
        state = session._peer.connectionState
        if state == "connected":
            session.is_connected = True
            session._changed.set()
        elif state in ("failed", "closed"):
            self._end(session, "the microphone's connection is lost")

    def _end(self, session: WhipSession, reason: str) -> None:
        if session.end_reason is None:
            _log.info("whip session %s ends: %s", session.id, reason)
        session.feed.end(reason)
        session._changed.set()
        self._sessions.pop(session.id, None)


async def _answer(session: WhipSession, offer: Offer) -> str:
    """Negotiate the offer's audio and return aiortc's answer to it."""
    peer = session._peer
    transceiver = peer.addTransceiver("audio", direction="recvonly")
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    assert capabilities is not None
    opus = [c for c in capabilities.codecs if c.mimeType.lower() == "audio/opus"]
    transceiver.setCodecPreferences(opus)
    tap(transceiver.receiver, session.feed)
    _check_transport(offer)
    try:
        await peer.setRemoteDescription(
            RTCSessionDescription(sdp=offer.audio_only(), type="offer")
        )
    except OperationError:
        raise UnacceptableOfferError("the offer's audio is not Opus") from None
    except Exception as error:
        # aiortc's parser has no errors of its own: it fails where it stumbles.
        detail = str(error) or type(error).__name__
        raise BadOfferError(f"the offer is not understood: {detail}") from None
    await peer.setLocalDescription(await peer.createAnswer())
    return str(peer.localDescription.sdp)


def _check_transport(offer: Offer) -> None:
    """Refuse what aiortc would only stumble over once it connects.

    Raises:
        BadOfferError: No certificate is stated (RFC 8842, section 5).
    """
    text = offer.audio_only()
    for wanted in ("a=fingerprint:", "a=setup:", "a=ice-ufrag:", "a=ice-pwd:"):
        if wanted not in text:
            raise BadOfferError(f"the offer has no {wanted.removesuffix(':')}")
