"""Every Prometheus series of the server, in one object; the registry is passed in.

Names follow Prometheus' conventions (base units, ``_total`` on counters). What
can be counted at the scrape (listeners per zone, programmes on air) is computed
then, so that joining and switching pay nothing for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from time import monotonic_ns
from typing import Self, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

ListenerCounts: TypeAlias = Callable[[], Mapping[str, int]]
"Returns the number of listeners per zone."
ProgrammeCounts: TypeAlias = Callable[[], Mapping[str, int]]
"Returns the number of programmes on air per class."
OutcomeCounts: TypeAlias = Callable[[], Mapping[str, int]]
"Returns how often each thing happened since the start; may be asked on any thread."

_LATENESS_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.25, 1.0)
_ENCODE_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_LOSS_BUCKETS = (0.0, 0.004, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"The first also counts reports of no loss; they come in steps of 1/256."
_JITTER_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
_ROUND_TRIP_BUCKETS_S = (0.002, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 2.0)
_PREEMPT_BUCKETS_S = (0.01, 0.025, 0.04, 0.06, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The series, registered in *registry* at once; hold one per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._census = _Census(registry)
        self._count_packets(registry)
        self._count_connections(registry)
        self._time(registry)
        self._read_reports(registry)
        self.database_claim = Enum(
            "loacast_database_claim",
            "Whether the database is this server's: not so, two may air the same.",
            states=["lost", "held", "taken"],
            registry=registry,
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def watch_listeners(self, transport: str, count: ListenerCounts) -> None:
        """Ask *count* at each scrape for the listeners of *transport*."""
        self._census.listeners[transport] = count

    def watch_programmes(self, count: ProgrammeCounts) -> None:
        """Ask *count* at each scrape for the programmes on air."""
        self._census.programmes = count

    def watch_datagrams(self, count: OutcomeCounts) -> None:
        """Ask *count* at each scrape what became of datagrams on the WebRTC port."""
        self._census.datagrams = count

    def _count_packets(self, registry: CollectorRegistry) -> None:
        self.frames_encoded = Counter(
            "loacast_frames_encoded",
            "20 ms frames encoded, over all programmes.",
            registry=registry,
        )
        self.packets_sent = Counter(
            "loacast_packets_sent",
            "RTP packets handed to listeners' connections, pre-roll included.",
            ["transport"],
            registry=registry,
        )
        self.packets_skipped = Counter(
            "loacast_packets_skipped",
            "RTP packets not sent when due because the listener's link was stalled,"
            " or the socket that all share had no room.",
            ["transport"],
            registry=registry,
        )
        self.packets_resent = Counter(
            "loacast_packets_resent",
            "RTP packets sent again because a listener asked for them.",
            ["transport"],
            registry=registry,
        )
        self.packets_dropped = Counter(
            "loacast_packets_dropped",
            "RTP packets of the bus that no listener could get.",
            ["transport", "reason"],
            registry=registry,
        )
        self.air_orders = Counter(
            "loacast_air_orders",
            "Sources set in motion, held or ended by what happened on the air.",
            ["kind"],
            registry=registry,
        )
        self.replays = Counter(
            "loacast_replays",
            "Missed parts of broadcasts, by what became of their replay.",
            ["outcome"],
            registry=registry,
        )
        self.recorder_alarms = Counter(
            "loacast_recorder_alarms",
            "Recordings that stopped before their broadcast.",
            ["reason"],
            registry=registry,
        )

    def _count_connections(self, registry: CollectorRegistry) -> None:
        self.joins = Counter(
            "loacast_listener_joins",
            "Listeners admitted.",
            ["transport"],
            registry=registry,
        )
        self.rejections = Counter(
            "loacast_listener_rejections",
            "Handshakes refused.",
            ["transport", "reason"],
            registry=registry,
        )
        self.closes = Counter(
            "loacast_listener_closes",
            "Listeners' connections ended, by whoever and whyever.",
            ["transport", "reason"],
            registry=registry,
        )
        self.stalls = Counter(
            "loacast_listener_stalls",
            "Times that a listener's link began to hold unsent audio.",
            ["transport"],
            registry=registry,
        )
        self.unknown_messages = Counter(
            "loacast_unknown_control_messages",
            "Control messages of a type this version does not know; ignored.",
            ["transport"],
            registry=registry,
        )

    def _time(self, registry: CollectorRegistry) -> None:
        self.loop_lateness = Histogram(
            "loacast_loop_lateness_seconds",
            "How late the event loop runs a timer.",
            buckets=_LATENESS_BUCKETS_S,
            registry=registry,
        )
        self.encode_duration = Histogram(
            "loacast_encode_duration_seconds",
            "Time to condition and encode one frame.",
            buckets=_ENCODE_BUCKETS_S,
            registry=registry,
        )
        self.preempt_latency = Histogram(
            "loacast_preempt_latency_seconds",
            "A cutting-in programme accepted, until its first packet was written to"
            " the last of its listeners.",
            ["transport", "class"],
            buckets=_PREEMPT_BUCKETS_S,
            registry=registry,
        )

    def _read_reports(self, registry: CollectorRegistry) -> None:
        """What receiver reports say (RFC 3550, section 6.4.1); each is observed."""
        self.receiver_loss = Histogram(
            "loacast_receiver_loss_ratio",
            "Packets lost of those sent since the listener's report before.",
            ["transport"],
            buckets=_LOSS_BUCKETS,
            registry=registry,
        )
        self.receiver_jitter = Histogram(
            "loacast_receiver_jitter_seconds",
            "Interarrival jitter at the listener.",
            ["transport"],
            buckets=_JITTER_BUCKETS_S,
            registry=registry,
        )
        self.receiver_round_trip = Histogram(
            "loacast_receiver_round_trip_seconds",
            "From the server to the listener and back.",
            ["transport"],
            buckets=_ROUND_TRIP_BUCKETS_S,
            registry=registry,
        )


class _Census(Collector):
    """Computes when it is scraped what need not be counted along."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.listeners: dict[str, ListenerCounts] = {}
        self.programmes: ProgrammeCounts = dict
        self.datagrams: OutcomeCounts = dict
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the series; called by the registry."""
        listeners = GaugeMetricFamily(
            "loacast_listeners",
            "Listeners connected.",
            labels=["transport", "zone"],
        )
        for transport, count in self.listeners.items():
            for zone_id, number in count().items():
                listeners.add_metric([transport, zone_id], number)
        yield listeners
        programmes = GaugeMetricFamily(
            "loacast_programmes_on_air",
            "Programmes on air, heard somewhere or waiting.",
            labels=["class"],
        )
        for programme_class, number in self.programmes().items():
            programmes.add_metric([programme_class], number)
        yield programmes
        datagrams = CounterMetricFamily(
            "loacast_webrtc_datagrams",
            "What became of datagrams on the WebRTC port, media not counted.",
            labels=["outcome"],
        )
        for outcome, number in self.datagrams().items():
            datagrams.add_metric([outcome], number)
        yield datagrams


class LoopLateness:
    """Measures how late the running event loop is, while it is entered.

    Args:
        observe: Takes each lateness in seconds.
        interval_ms: Between two measurements.
    """

    def __init__(
        self, observe: Callable[[float], object], *, interval_ms: int = 50
    ) -> None:
        self._observe = observe
        self._interval_ms = interval_ms
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="loop lateness")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            # uvloop's own clock counts milliseconds, so it cannot be asked.
            due_ns = monotonic_ns() + self._interval_ms * 1_000_000
            await asyncio.sleep(self._interval_ms / 1000)
            self._observe(max(0, monotonic_ns() - due_ns) / 1e9)
