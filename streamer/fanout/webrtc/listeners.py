"""The WebRTC listeners: how many may come, what ends them, who is there.

A session lives as long as the right by which it was opened: when a token is deleted or
expires, a zone is no longer public, a speaker is removed, or a broadcast is over, its
sessions end, and a speaker's follows it to another zone.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from streamer.bus.bus import AirChange
from streamer.fanout.listener import ListenerIdentity
from streamer.fanout.presence import Attendance, Presence
from streamer.fanout.webrtc.endpoint import TooManyPeersError
from streamer.fanout.webrtc.peer import Admission, Peer, Target
from streamer.fanout.webrtc.port import WebRtcServer
from streamer.media.frame import ProgrammePacket
from streamer.wire.rtcp import ReceiverReport

SESSIONS_PER_SPEAKER = 2
"A new one beside one that is about to be found dead; a third ends the oldest."
REVIEWED_AT_ONCE = 200
"Then the loop gets its turn: ten thousand sessions take a while."


class TooManyJoinsError(Exception):
    """Too many joins without a token are under way from one address."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of sessions that were opened without a token."""

    public: int
    "All of them; the places beyond are for tokens and speakers."
    joining_per_client: int = 20
    "Under way at once from one address: a flood of offers ends there."


class WebRtcListeners:
    """Opens and ends sessions on *port*; call everything on the event loop.

    It is the port's `Audience`, a `Subscriber` of the bus after the port's fan-out,
    and the speakers' `Fanout`.
    """

    def __init__(
        self, port: WebRtcServer, *, presence: Presence, limits: Limits
    ) -> None:
        self._port = port
        self._presence = presence
        self._limits = limits
        self._public = 0
        self._joining: dict[str, str] = {}
        "Sessions without a token that have not joined yet, and whence."
        self._joining_from: Counter[str] = Counter()
        self._speakers: dict[str, list[Peer]] = {}
        self._attendances: dict[str, Attendance] = {}
        self._people: Counter[str] = Counter()
        "Of those who joined and are no speakers, by zone."

    def __len__(self) -> int:
        """Return how many joined."""
        return self._people.total() + len(self._attendances)

    def people_by_zone(self) -> Mapping[str, int]:
        """Return how many listen who are no speakers, by zone."""
        return dict(self._people)

    def speakers(self) -> list[tuple[str, str]]:
        """Return the id and the zone of every speaker that joined."""
        return [
            (speaker_id, peer.target.zone_id)
            for speaker_id, peers in self._speakers.items()
            for peer in peers[-1:]
            if peer.target.zone_id is not None and peer.id in self._attendances
        ]

    def open(self, offer: str, target: Target, admission: Admission) -> tuple[str, str]:
        """Open a session; return its id and the answer.

        Raises:
            OfferError: The offer is no SDP.
            UnacceptableOfferError: There is nothing in it that we can serve.
            TooManyJoinsError: Too many of this client's are under way.
            TooManyPeersError: There is no room.
        """
        if admission.is_public:
            self._demand_room(admission.client)
        speaker_id = admission.speaker_id
        peer, answer = self._port.accept(
            offer, target, admission=admission, keeps_clock=speaker_id is not None
        )
        if speaker_id is not None:
            self._replace(speaker_id, peer)
        elif admission.is_public:
            self._public += 1
            self._joining[peer.id] = admission.client
            self._joining_from[admission.client] += 1
        return peer.id, answer

    def close(self, session_id: str) -> bool:
        """End a session; return whether there was one."""
        return self._port.remove(session_id)

    async def review(self, allows: Callable[[Admission, Target], bool]) -> None:
        """End the sessions that *allows* does not allow any more.

        Speakers are left out: what becomes of them is told.
        """
        verdicts: dict[tuple[str | None, Target], bool] = {}
        peers = self._port.endpoint.peers()
        for start in range(0, len(peers), REVIEWED_AT_ONCE):
            for peer in peers[start : start + REVIEWED_AT_ONCE]:
                admission = peer.admission
                if admission.speaker_id is not None:
                    continue
                key = admission.token_id, peer.target
                if key not in verdicts:
                    verdicts[key] = allows(admission, peer.target)
                if not verdicts[key]:
                    self._port.remove(peer.id, "no right")
            await asyncio.sleep(0)

    def token_deleted(self, token_id: str) -> None:
        """End what was opened with a token."""
        self._end(
            peer
            for peer in self._port.endpoint.peers()
            if peer.admission.token_id == token_id
        )

    # What becomes of speakers.

    def update(self, identity: ListenerIdentity) -> None:
        """Let a speaker's sessions follow it to its zone."""
        for peer in self._speakers.get(identity.speaker_id, ()):
            if peer.target.zone_id != identity.zone_id:
                self._port.fanout.retarget(peer, Target(zone_id=identity.zone_id))

    def revoke(self, speaker_id: str) -> None:
        """End a speaker's sessions."""
        self._end(tuple(self._speakers.get(speaker_id, ())))

    # What the bus says.

    def on_packet(self, packet: ProgrammePacket) -> None:
        """Leave packets to the fan-out."""

    def on_air_change(self, change: AirChange) -> None:
        """End the sessions of broadcasts that are over; one that holds goes on."""
        if change.over:
            self._end(
                peer
                for peer in self._port.endpoint.peers()
                if peer.target.broadcast_id in change.over
            )

    # What the port says.

    def joined(self, peer: Peer) -> None:
        """Count a listener."""
        self._no_longer_joining(peer)
        speaker_id = peer.admission.speaker_id
        if speaker_id is not None:
            self._attendances[peer.id] = self._presence.came(
                speaker_id, now_ns=time.monotonic_ns()
            )
        else:
            self._people[peer.target.zone_id or ""] += 1

    def left(self, peer: Peer, reason: str) -> None:
        """Count one less, if it ever joined."""
        self._no_longer_joining(peer)
        admission = peer.admission
        self._public -= admission.is_public
        if admission.speaker_id is not None:
            self._speaker_left(admission.speaker_id, peer)
        elif peer.connected:
            zone_id = peer.target.zone_id or ""
            self._people[zone_id] -= 1
            if not self._people[zone_id]:
                del self._people[zone_id]

    def reported(self, peer: Peer, report: ReceiverReport) -> None:
        """Note a speaker's sign of life."""
        if (attendance := self._attendances.get(peer.id)) is not None:
            attendance.heard_ns = max(attendance.heard_ns, peer.heard_ns)

    def _demand_room(self, client: str) -> None:
        if self._public >= self._limits.public:
            raise TooManyPeersError(f"{self._public} listen without a token already")
        if self._joining_from[client] >= self._limits.joining_per_client:
            raise TooManyJoinsError("Too many are joining from your address.")

    def _replace(self, speaker_id: str, peer: Peer) -> None:
        peers = self._speakers.setdefault(speaker_id, [])
        peers.append(peer)
        self._end(tuple(peers[:-SESSIONS_PER_SPEAKER]))

    def _speaker_left(self, speaker_id: str, peer: Peer) -> None:
        peers = self._speakers[speaker_id]
        peers.remove(peer)
        if not peers:
            del self._speakers[speaker_id]
        if (attendance := self._attendances.pop(peer.id, None)) is not None:
            attendance.connections -= 1
            attendance.heard_ns = max(attendance.heard_ns, peer.heard_ns)

    def _no_longer_joining(self, peer: Peer) -> None:
        client = self._joining.pop(peer.id, None)
        if client is not None:
            self._joining_from[client] -= 1
            if not self._joining_from[client]:
                del self._joining_from[client]

    def _end(self, peers: Iterable[Peer]) -> None:
        for peer in peers:
            self._port.remove(peer.id, "no right")
