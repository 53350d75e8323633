"""Tests of streamer.programme.thread on real threads and a real event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from streamer.media.frame import FRAME_NS, Pcm, ProgrammePacket, silence
from streamer.media.source import PcmSource
from streamer.programme import thread as module
from streamer.programme.programme import (
    EndReason,
    Programme,
    ProgrammeEnd,
    ProgrammeSettings,
)
from streamer.programme.thread import ProgrammeThread


class EndlessSource(PcmSource):
    """Silence until it is asked to finish."""

    def __init__(self) -> None:
        super().__init__(silence(0))
        self._finished = False

    def read(self, samples: int) -> Pcm:
        return silence(0 if self._finished else samples)

    def finish(self) -> None:
        self._finished = True


class DeafSource(EndlessSource):
    """Does not hear that it should finish."""

    def finish(self) -> None:
        pass


class HangingSource(EndlessSource):
    """Its third read returns only after `release`."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.hung_at_ns = 0
        self.release = threading.Event()

    def read(self, samples: int) -> Pcm:
        self.reads += 1
        if self.reads == 3:
            self.hung_at_ns = time.monotonic_ns()
            self.release.wait()
        return silence(samples)


class BrokenSource(EndlessSource):
    """Raises what no source should."""

    def read(self, samples: int) -> Pcm:
        raise ZeroDivisionError("a bug")


class Air:
    """Collects what a programme's thread hands to the loop."""

    def __init__(self) -> None:
        self.loop_thread = threading.get_ident()
        self.packets: list[ProgrammePacket] = []
        self.early: list[int] = []
        self.misplaced: list[int] = []
        self.ends: list[ProgrammeEnd] = []
        self.steps_s: list[float] = []

    def on_packet(self, packet: ProgrammePacket) -> None:
        if threading.get_ident() != self.loop_thread or self.ends:
            self.misplaced.append(packet.index)
        self.packets.append(packet)
        if time.monotonic_ns() < packet.due_ns:
            self.early.append(packet.index)


def run(source: PcmSource, air: Air) -> ProgrammeThread:
    programme = Programme(
        source,
        ProgrammeSettings(complexity=0),
        ssrc=1,
        first_timestamp=0,
        first_sequence=0,
        start_ns=time.monotonic_ns(),
    )
    return ProgrammeThread(
        programme,
        source,
        on_packet=air.on_packet,
        on_end=air.ends.append,
        observe_step=air.steps_s.append,
    )


def programme_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("programme-")]


async def test_packets_come_in_order_and_on_the_grid_then_the_end_once() -> None:
    source, air = PcmSource(np.full(9_600, 0.1, dtype=np.float32)), Air()
    begun_ns = time.monotonic_ns()
    async with run(source, air) as thread:
        end = await thread.wait()
        assert time.monotonic_ns() - begun_ns >= 10 * FRAME_NS
        assert thread.level.peak_dbfs == pytest.approx(-20, abs=0.1)
    assert [packet.index for packet in air.packets] == list(range(11))
    assert (air.early, air.misplaced) == ([], [])
    assert air.ends == [end]
    assert end.reason is EndReason.COMPLETED
    assert (thread.frames, thread.dropped_packets) == (11, 0)
    assert len(air.steps_s) == 11
    assert source.closed
    assert programme_threads() == []


async def test_leaving_the_context_stops_it() -> None:
    source, air = EndlessSource(), Air()
    async with run(source, air):
        pass
    assert [end.reason for end in air.ends] == ["stopped"]
    assert source.closed
    assert programme_threads() == []


async def test_a_source_that_breaks_ends_it() -> None:
    source, air = BrokenSource(), Air()
    async with run(source, air) as thread:
        end = await thread.wait()
    assert (end.reason, end.detail) == ("failed", "ZeroDivisionError: a bug")
    assert air.ends == [end]
    assert source.closed
    assert programme_threads() == []


async def test_a_source_that_hangs_ends_it_within_two_seconds() -> None:
    source, air = HangingSource(), Air()
    async with run(source, air) as thread:
        end = await thread.wait()
        ended_ns = time.monotonic_ns()
        assert ended_ns - source.hung_at_ns < 2_000_000_000
        assert (end.reason, end.detail) == ("failed", "the source hangs")
    left_ns = time.monotonic_ns()
    assert left_ns - ended_ns < 1_000_000_000, "the loop must not wait for it"
    assert not source.closed
    (abandoned,) = programme_threads()
    source.release.set()
    await asyncio.to_thread(abandoned.join)
    assert source.closed
    assert (len(air.packets), air.misplaced) == (2, [])
    assert air.ends == [end]


async def test_a_source_that_does_not_finish_is_given_up_at_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DRAIN_TIMEOUT_S", 0.1)
    source, air = DeafSource(), Air()
    async with run(source, air):
        pass
    assert [end.detail for end in air.ends] == ["the source does not finish"]
    assert source.closed
    assert programme_threads() == []


async def test_a_loop_that_hangs_is_not_flooded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOP_QUEUE_PACKETS", 5)
    air = Air()
    async with run(EndlessSource(), air) as thread:
        while thread.dropped_packets < 3:
            pass  # the loop hangs here
        assert air.packets == []
        # One in each iteration: others get their turn while it catches up.
        for taken in range(1, 6):
            await asyncio.sleep(0)
            assert len(air.packets) == taken
    indices = [packet.index for packet in air.packets]
    assert indices[:5] == list(range(5))
    assert indices[5] >= 8
