"""How programmes' packets are numbered for each peer, and which was which number.

A peer's stream is a list of segments, so no history is kept per peer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from streamer.fanout.webrtc.peer import Peer, Segment
from streamer.fanout.webrtc.stream import Kept, Stream
from streamer.wire.sequence import unwrap


class Numbering:
    """Knows what each peer was sent.

    Args:
        streams: The programmes, by SSRC; as they change.
        is_counted_on: Tells whether a matrix counts on for a peer.
    """

    def __init__(
        self, streams: Mapping[int, Stream], is_counted_on: Callable[[Peer], bool]
    ) -> None:
        self._streams = streams
        self._is_counted_on = is_counted_on

    def begin(self, peer: Peer, *, ssrc: int | None, kept: Kept) -> None:
        """Begin a segment if *peer* did not hear programme *ssrc* just before.

        Args:
            peer: To which *kept* will be sent next.
            ssrc: The programme's.
            kept: Its first packet for the peer.
        """
        outlet = peer.outlet
        if ssrc is None or outlet is None:
            return
        if peer.segments and _continues(peer.segments[-1], ssrc, peer, kept):
            return
        outlet.marker = True
        lag = outlet.next_timestamp - kept.plain.timestamp
        outlet.shift_samples = 0 if peer.keeps_clock else max(0, lag)
        octets = self.octets(peer) - kept.octets[peer.redundant]
        size = len((kept.redundant if peer.redundant else kept.plain).payload)
        peer.segments.append(
            Segment(
                ssrc=ssrc,
                first_sequence=outlet.next_sequence,
                first_index=kept.index,
                shift_samples=outlet.shift_samples,
                octets_before=octets + size,
            )
        )

    def next_sequence(self, peer: Peer) -> int:
        """Return the number of the packet after the newest, unwrapped."""
        assert peer.outlet is not None
        if not peer.segments or not self._is_counted_on(peer):
            return peer.outlet.next_sequence
        # The outlet's own number is stale while a matrix counts on.
        last = peer.segments[-1]
        newest = self._streams[last.ssrc].kept[-1].index
        return last.first_sequence + newest + 1 - last.first_index

    def octets(self, peer: Peer) -> int:
        """Return how many octets of payload *peer* was sent."""
        if not peer.segments:
            return 0
        last = peer.segments[-1]
        stream = self._streams.get(last.ssrc)
        index = last.first_index + self.next_sequence(peer) - last.first_sequence - 1
        kept = stream.find(index) if stream is not None else None
        return last.octets_before + (kept.octets[peer.redundant] if kept else 0)

    def find(self, peer: Peer, sequence: int) -> bytes | None:
        """Rebuild the packet that went to *peer* as *sequence*, byte for byte.

        It must be the very same plaintext: SRTP's key stream is that of the sequence
        number, and may encrypt one plaintext only (RFC 3711, section 9.1).
        """
        assert peer.outlet is not None
        end = self.next_sequence(peer)
        number = unwrap(sequence, end)
        segment = _segment_of(peer.segments, number)
        if segment is None or number >= end:
            return None
        stream = self._streams.get(segment.ssrc)
        kept = stream and stream.find(
            segment.first_index + number - segment.first_sequence
        )
        if not kept:
            return None
        packet = kept.redundant if peer.redundant else kept.plain
        header = packet.header(
            payload_type=peer.outlet.payload_type,
            sequence=number,
            shift_samples=segment.shift_samples,
            marker=number == segment.first_sequence,
        )
        return header + packet.payload


def _continues(last: Segment, ssrc: int, peer: Peer, kept: Kept) -> bool:
    outlet = peer.outlet
    assert outlet is not None
    expected = last.first_sequence + kept.index - last.first_index
    return last.ssrc == ssrc and outlet.next_sequence == expected


def _segment_of(segments: Sequence[Segment], number: int) -> Segment | None:
    older = (s for s in reversed(segments) if s.first_sequence <= number)
    return next(older, None)
