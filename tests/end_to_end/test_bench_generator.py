"""The load generator against the peers, on real sockets: does it see what happens?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.load import Load, Target
from bench.processes import Child, ChildDied, cores
from streamer.media.frame import FRAME_NS

pytestmark = pytest.mark.end_to_end
LISTENERS = 30


@contextmanager
def on_air(
    peer: str, ptime_ms: int, *, stallable: int = 0
) -> Iterator[tuple[Load, int]]:
    """Yield a generator with listeners of *peer*, and the SSRC they hear."""
    with Child(("python", "-m", f"bench.peers.{peer}", str(ptime_ms))) as child:
        port = int(child.hear_until("Listening:"))
        target = Target(port, ["credential"] * LISTENERS, ptime_ms)
        with Load(target, core=cores()[1], eager=10, stallable=stallable) as load:
            assert load.ask("join", count=LISTENERS)["joined"] == LISTENERS
            child.say(f"start {LISTENERS}")
            ssrc = int(child.hear_until("SSRC"))
            load.await_programme(ssrc)
            yield load, ssrc


@pytest.mark.parametrize("peer", ["floor", "broadcast"])
@pytest.mark.parametrize("ptime_ms", [20, 60])
def test_every_packet_of_every_listener_is_accounted_for(
    peer: str, ptime_ms: int
) -> None:
    with on_air(peer, ptime_ms) as (load, ssrc):
        time.sleep(0.2)
        from_ns = time.monotonic_ns()
        time.sleep(1)
        to_ns = time.monotonic_ns()
        time.sleep(0.5)
        found = load.ask("collect", ssrc=ssrc, from_ns=from_ns, to_ns=to_ns)
        due = (to_ns - from_ns) / FRAME_NS  # the sleep may be longer than it should
        assert found["packets_due"] == pytest.approx(due, abs=1)
        assert found["delivered_ratio"] == 1
        assert found["misnumbered"] == 0
        # Ten are timed, each message once.
        assert found["lateness_samples"] == pytest.approx(
            due * 10 * 20 / ptime_ms, abs=10
        )
        assert 0 < found["p50_ms"] < 100
        # What was not sent was not received: the generator cannot be fooled.
        future = load.ask(
            "collect", ssrc=ssrc, from_ns=from_ns, to_ns=to_ns + 10 * 10**9
        )
        assert future["delivered_ratio"] < 0.5


def test_who_stops_reading_is_late_and_comes_back() -> None:
    with on_air("floor", 20, stallable=3) as (load, ssrc):
        load.ask("forget")
        assert load.ask("stall") == {"stalled": 3}
        from_ns = time.monotonic_ns()
        time.sleep(1)
        to_ns = time.monotonic_ns()
        time.sleep(0.3)
        stalled = load.ask("collect", ssrc=ssrc, from_ns=from_ns, to_ns=to_ns)
        load.ask("resume")
        time.sleep(0.5)
        resumed = load.ask("collect", ssrc=ssrc, from_ns=from_ns, to_ns=to_ns)
        edges = load.ask("edges")
    assert stalled["delivered_ratio"] == 1  # of the others
    assert resumed["listeners_with_loss"] in range(4)
    assert len(edges["live_after_ns"]) == 3
    assert edges["closed"] == 0
    assert all(0 < after_ns < 500_000_000 for after_ns in edges["live_after_ns"])


def test_a_server_that_is_not_there_is_told() -> None:
    with (
        Load(Target(1, ["x"]), core=cores()[1]) as load,
        pytest.raises(ChildDied, match="ConnectionRefusedError"),
    ):
        load.ask("join", count=1)
