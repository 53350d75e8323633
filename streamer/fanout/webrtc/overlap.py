"""What synchronised speakers get at a switch besides: pre-roll, and the tail.

Programmes overlap where they are switched: the decoder of the new one wants 80 ms
before its first heard sample, and of a source slower than the new one's (a microphone
against a file) the last packets before the switch are still to come. A speaker puts
packets in their place by their timestamps, so these may turn back. For a browser they
must not: what seems late is discarded, and its clock upset; so it gets neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from streamer.fanout.webrtc.peer import Peer
from streamer.fanout.webrtc.stream import Kept, Stream
from streamer.media.frame import FRAME_SAMPLES, ns_to_samples

PREROLL_SAMPLES = 4 * FRAME_SAMPLES

Send: TypeAlias = Callable[[Sequence[Peer], int, Sequence[Kept]], None]
"Sends packets of a programme to peers of one kind, and to nobody else."


@dataclass(frozen=True, slots=True)
class _Tail:
    """Who still gets the packets of a programme captured before a switch."""

    until_samples: int
    peers: dict[Peer, None]


class Overlap:
    """Sends the packets by which programmes overlap.

    Args:
        streams: The programmes, by SSRC; as they change.
        send: Called with peers that are all plain or all get RED.
    """

    def __init__(self, streams: Mapping[int, Stream], send: Send) -> None:
        self._streams = streams
        self._send = send
        self._tails: dict[int, list[_Tail]] = {}

    def switched(
        self, peers: Sequence[Peer], former: int | None, ssrc: int | None, from_ns: int
    ) -> None:
        """Note that *peers*, of one kind, hear *ssrc* from a media instant on."""
        at = ns_to_samples(from_ns)
        self._cut(peers, at)
        new = self._streams.get(ssrc) if ssrc is not None else None
        if new is not None and (preroll := new.since(at - PREROLL_SAMPLES)):
            self._send(peers, new.on_air.ssrc, preroll)
        old = self._streams.get(former) if former is not None else None
        if old is not None and old.end_samples < at:
            tail = _Tail(at, dict.fromkeys(peers))
            self._tails.setdefault(old.on_air.ssrc, []).append(tail)

    def follow(self, ssrc: int, kept: Kept) -> None:
        """Send *kept* to those who still hear programme *ssrc* to the end."""
        tails = self._tails.get(ssrc)
        if tails is None:
            return
        tails[:] = [t for t in tails if kept.plain.timestamp < t.until_samples]
        for tail in tails:
            if tail.peers:
                self._send(tuple(tail.peers), ssrc, [kept])
        if not tails:
            del self._tails[ssrc]

    def leave(self, peer: Peer) -> None:
        """Forget a peer that is gone."""
        for tails in self._tails.values():
            for tail in tails:
                tail.peers.pop(peer, None)

    def end(self, ssrc: int) -> None:
        """Forget a programme of which no packet will follow."""
        self._tails.pop(ssrc, None)

    def _cut(self, peers: Sequence[Peer], at: int) -> None:
        """Let *peers* get of tails only what was captured before *at*."""
        for tails in self._tails.values():
            for tail in tuple(tails):
                if tail.until_samples > at:
                    cut = [p for p in peers if tail.peers.pop(p, 0) is None]
                    if cut:
                        tails.append(_Tail(at, dict.fromkeys(cut)))
