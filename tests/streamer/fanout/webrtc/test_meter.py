"""Tests of streamer.fanout.webrtc.meter: what it counts, and under which names."""

from __future__ import annotations

import datetime

import pytest
from prometheus_client import CollectorRegistry

from streamer.bus.bus import OnAir
from streamer.fanout.webrtc.dtls import Certificate, DtlsContext, DtlsTransport
from streamer.fanout.webrtc.meter import Meter
from streamer.fanout.webrtc.peer import Peer, Target
from streamer.metrics import Metrics
from streamer.wire.control import ProgrammeClass
from streamer.wire.rtcp import ReceiverReport

CONTEXT = DtlsContext(
    Certificate.generate(now_utc=datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC))
)


class Rig:
    """A meter, its registry, and a clock."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.now_ns = 0
        self.meter = Meter(Metrics(self.registry), clock_ns=lambda: self.now_ns)
        dtls = DtlsTransport(CONTEXT, client=False, fingerprints={})
        self.peer = Peer(
            id="p",
            target=Target(zone_id="z"),
            ufrag="u",
            password=b"p",
            dtls=dtls,
            payload_type=111,
            redundant=False,
            first_sequence=0,
            created_ns=0,
            heard_ns=0,
        )

    def value(self, name: str, **labels: str) -> float:
        labels = {"transport": "webrtc", **labels}
        return self.registry.get_sample_value(f"loacast_{name}", labels) or 0.0


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_packets_are_counted_by_what_became_of_them(rig: Rig) -> None:
    rig.meter.sent(5)
    rig.meter.dropped(3)
    rig.meter.resent(2)
    assert rig.value("packets_sent_total") == 5
    assert rig.value("packets_skipped_total") == 3
    assert rig.value("packets_resent_total") == 2


def test_comings_and_goings_are_counted(rig: Rig) -> None:
    rig.meter.joined(rig.peer)
    rig.meter.left(rig.peer, "never connected")
    assert rig.value("listener_joins_total") == 1
    assert rig.value("listener_closes_total", reason="never_connected") == 1


def test_a_receiver_report_is_read_in_our_units(rig: Rig) -> None:
    rig.peer.round_trip_ns = 30_000_000
    rig.meter.reported(rig.peer, ReceiverReport(1, 64, 9, 0, 480, 0, 0))
    rig.peer.round_trip_ns = None
    rig.meter.reported(rig.peer, ReceiverReport(1, 0, 9, 0, 0, 0, 0))
    assert rig.value("receiver_loss_ratio_sum") == 0.25
    assert rig.value("receiver_loss_ratio_bucket", le="0.0") == 1
    assert rig.value("receiver_jitter_seconds_sum") == 0.01
    assert rig.value("receiver_round_trip_seconds_sum") == 0.03
    assert rig.value("receiver_round_trip_seconds_count") == 1


def test_a_cut_in_is_timed_from_its_acceptance(rig: Rig) -> None:
    on_air = OnAir(1, "b", ProgrammeClass.EMERGENCY, "", 0, 0, accepted_ns=1_000_000)
    rig.now_ns = 31_000_000
    rig.meter.cut_in(on_air)
    labels = {"class": "emergency"}
    assert rig.value("preempt_latency_seconds_sum", **labels) == 0.03
