"""What the WebRTC fan-out does, as Prometheus' series."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns

from streamer.bus.bus import OnAir
from streamer.fanout.webrtc.peer import Peer
from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.metrics import Metrics
from streamer.wire.rtcp import ReceiverReport

TRANSPORT = "webrtc"


class Meter:
    """Counts into *metrics*; `Counters` of the fan-out and `Audience` of the port."""

    def __init__(
        self, metrics: Metrics, *, clock_ns: Callable[[], int] = monotonic_ns
    ) -> None:
        self._metrics = metrics
        self._clock_ns = clock_ns
        self._sent = metrics.packets_sent.labels(TRANSPORT)
        self._skipped = metrics.packets_skipped.labels(TRANSPORT)
        self._resent = metrics.packets_resent.labels(TRANSPORT)
        self._loss = metrics.receiver_loss.labels(TRANSPORT)
        self._jitter = metrics.receiver_jitter.labels(TRANSPORT)
        self._round_trip = metrics.receiver_round_trip.labels(TRANSPORT)

    def sent(self, packets: int) -> None:
        """Count what the kernel took."""
        self._sent.inc(packets)

    def dropped(self, packets: int) -> None:
        """Count what it had no room for."""
        self._skipped.inc(packets)

    def resent(self, packets: int) -> None:
        """Count answers to NACKs."""
        self._resent.inc(packets)

    def cut_in(self, on_air: OnAir) -> None:
        """Observe how soon a programme was with its listeners."""
        if on_air.accepted_ns is not None:
            latency_ns = self._clock_ns() - on_air.accepted_ns
            self._metrics.preempt_latency.labels(
                TRANSPORT, str(on_air.programme_class)
            ).observe(latency_ns / 1e9)

    def joined(self, peer: Peer) -> None:
        """Count a listener."""
        self._metrics.joins.labels(TRANSPORT).inc()

    def left(self, peer: Peer, reason: str) -> None:
        """Count an end; *reason* is one of a few."""
        self._metrics.closes.labels(TRANSPORT, reason.replace(" ", "_")).inc()

    def reported(self, peer: Peer, report: ReceiverReport) -> None:
        """Observe how a listener receives."""
        self._loss.observe(report.fraction_lost / 256)
        self._jitter.observe(report.jitter_samples / SAMPLE_RATE_HZ)
        if peer.round_trip_ns is not None:
            self._round_trip.observe(peer.round_trip_ns / 1e9)
