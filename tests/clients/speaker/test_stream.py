"""What a stream counts and where it places packets."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.receipts import Account
from clients.speaker.stream import Counters, Holes, Stream, us_to_position
from streamer.wire.control import Programme, ProgrammeClass
from streamer.wire.rtp import RtpPacket

SILENT_FRAME = b"\xf8\xff\xfe"  # RFC 6716: CELT, 20 ms, mono, nothing coded
HOUR_SAMPLES = 3_600 * 48_000


def programme(*, timestamp: int, clock_us: int) -> Programme:
    return Programme("b", ProgrammeClass.NORMAL, "", 1, 111, timestamp, clock_us, 0)


def rtp(timestamp: int, *, sequence: int = 0) -> RtpPacket:
    return RtpPacket(111, sequence, timestamp % (1 << 32), 1, SILENT_FRAME)


def make_stream(announced: Programme, counters: Counters | None = None) -> Stream:
    return Stream(announced, counters or Counters(), Account(announced.broadcast))


@given(
    first=st.integers(0, 65_535),
    lost=st.sets(st.integers(1, 198)),
    rng=st.randoms(use_true_random=False),
)
def test_law_holes_are_what_never_came(
    first: int, lost: set[int], rng: random.Random
) -> None:
    """Whatever is overtaken by less than is remembered, and however often it comes."""
    arriving = [n for n in range(200) if n not in lost]
    arriving = sorted(arriving, key=lambda n: n + (rng.uniform(0, 20) if n else 0))
    arriving += rng.choices(arriving, k=10)
    holes = Holes()
    # The last number arrives last, so that no hole is hidden behind the end.
    total = sum(holes.add(first + n) for n in [*arriving, 199])
    assert total == len(lost)


def test_a_jump_of_the_sequence_does_not_fill_the_memory() -> None:
    holes = Holes()
    holes.add(0)
    assert holes.add(30_000) == 29_999
    assert len(holes._missing) <= Holes.REMEMBERED


def test_joins_thirteen_hours_after_the_announced_timestamp() -> None:
    """More than half the range of a timestamp; FORMAT.md says modulo 2**32."""
    late = 13 * HOUR_SAMPLES
    stream = make_stream(programme(timestamp=0xFFFF_FF00, clock_us=500))
    stream.insert(rtp(0xFFFF_FF00 + late))
    assert stream.newest_end == us_to_position(500) + late + 960


def test_timestamps_wrap_every_day_and_go_on() -> None:
    stream = make_stream(programme(timestamp=0, clock_us=0))
    for hours in range(0, 60, 10):
        stream.skip(hours * HOUR_SAMPLES - 960)
        stream.insert(rtp(hours * HOUR_SAMPLES, sequence=hours))
    assert stream.newest_end == 50 * HOUR_SAMPLES + 960


def test_a_newer_announcement_may_be_anchored_elsewhere() -> None:
    stream = make_stream(programme(timestamp=0, clock_us=0))
    stream.insert(rtp(0))
    stream.announce(programme(timestamp=96_000, clock_us=2_000_000))
    stream.insert(rtp(96_960, sequence=40))
    assert stream.newest_end == 97_920


def test_what_was_not_sent_during_an_absence_is_not_lost() -> None:
    counters = Counters()
    stream = make_stream(programme(timestamp=0, clock_us=0), counters)
    stream.insert(rtp(0, sequence=0))
    stream.announce(programme(timestamp=0, clock_us=0))
    stream.insert(rtp(960 * 500, sequence=500))
    assert counters.packets_lost == 0


def test_late_is_what_came_after_its_time_and_not_what_came_twice() -> None:
    counters = Counters()
    stream = make_stream(programme(timestamp=0, clock_us=0), counters)
    for number in (0, 2, 2):
        stream.insert(rtp(960 * number, sequence=number))
    assert (counters.packets_discarded, counters.packets_late) == (1, 0)
    stream.read(0, 3 * 960, heard=True)
    stream.insert(rtp(960, sequence=1))
    assert (counters.packets_discarded, counters.packets_late) == (2, 1)
