"""Laws and scenarios of streamer.media.jitterbuffer, all in media time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.frame import MediaPacket
from streamer.media.jitterbuffer import (
    Conceal,
    Decision,
    JitterBuffer,
    Play,
    Recover,
    Silence,
    Verdict,
)

FRAME = 960
LIMIT = 5_760
HORIZON = 100 * FRAME
OPUS_DURATIONS = (120, 240, 480, 960, 1_920, 2_880)


def make_buffer(*, at: int = 0, horizon: int = HORIZON) -> JitterBuffer:
    buffer = JitterBuffer(horizon_samples=horizon)
    buffer.start(at)
    return buffer


def packet(index: int, *, frame: int = FRAME) -> MediaPacket:
    return MediaPacket(index * frame, frame, b"%d" % index)


def filled(*indices: int) -> JitterBuffer:
    buffer = make_buffer()
    for index in indices:
        assert buffer.insert(packet(index)) is Verdict.ACCEPTED
    return buffer


def played(decisions: list[Decision]) -> list[MediaPacket]:
    return [d.packet for d in decisions if isinstance(d, Play)]


@st.composite
def streams(draw: st.DrawFn) -> list[MediaPacket]:
    """A stream with packets of any Opus length, some of them lost."""
    durations = draw(st.lists(st.sampled_from(OPUS_DURATIONS), max_size=30))
    lost = draw(st.sets(st.integers(0, 30)))
    packets, timestamp = [], draw(st.integers(0, 3_000))
    for index, duration in enumerate(durations):
        if index not in lost:
            packets.append(MediaPacket(timestamp, duration, b"%d" % index))
        timestamp += duration
    return packets


readings = st.lists(st.integers(1, 4_000), max_size=60)
"How far the reader moves with each pull."


class TestInsert:
    """What becomes of a packet that arrives."""

    def test_a_packet_before_the_cursor_is_late(self) -> None:
        buffer = make_buffer(at=FRAME + 1)
        assert buffer.insert(packet(1)) is Verdict.LATE
        assert buffer.insert(packet(2)) is Verdict.ACCEPTED

    def test_the_same_packet_twice_is_a_duplicate(self) -> None:
        assert filled(3).insert(packet(3)) is Verdict.DUPLICATE

    def test_a_played_packet_that_comes_again_is_late(self) -> None:
        buffer = filled(0)
        buffer.pull(FRAME)
        assert buffer.insert(packet(0)) is Verdict.LATE

    @pytest.mark.parametrize("timestamp", [FRAME - 1, FRAME + 1, 2 * FRAME - 1])
    def test_of_two_that_overlap_the_first_is_kept(self, timestamp: int) -> None:
        buffer = filled(1)
        clash = MediaPacket(timestamp, FRAME, b"")
        assert buffer.insert(clash) is Verdict.DUPLICATE

    def test_the_horizon_bounds_how_far_ahead_packets_are_kept(self) -> None:
        buffer = make_buffer(horizon=10 * FRAME)
        assert buffer.insert(packet(9)) is Verdict.ACCEPTED
        assert buffer.insert(packet(10)) is Verdict.TOO_FAR
        buffer.pull(FRAME)
        assert buffer.insert(packet(10)) is Verdict.ACCEPTED

    def test_a_packet_without_length_is_a_bug_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="0 samples"):
            make_buffer().insert(MediaPacket(0, 0, b""))

    def test_what_is_refused_is_counted(self) -> None:
        buffer = filled(1)
        buffer.insert(packet(1))
        assert buffer.counters.packets_received == 2
        assert buffer.counters.packets_discarded == 1


class TestPull:
    """What the reader is told to do."""

    def test_plays_in_order_whatever_the_order_of_arrival(self) -> None:
        decisions = filled(2, 0, 1).pull(3 * FRAME)
        assert decisions == [Play(packet(0)), Play(packet(1)), Play(packet(2))]

    def test_a_packet_is_never_cut(self) -> None:
        buffer = filled(0, 1)
        assert buffer.pull(1) == [Play(packet(0))]
        assert buffer.cursor == FRAME
        assert buffer.pull(FRAME) == []

    def test_one_missing_packet_is_recovered_from_the_next(self) -> None:
        decisions = filled(0, 2).pull(3 * FRAME)
        assert decisions == [
            Play(packet(0)),
            Recover(packet(2), FRAME),
            Play(packet(2)),
        ]

    def test_of_two_missing_packets_only_the_second_is_recovered(self) -> None:
        decisions = filled(0, 3).pull(3 * FRAME)
        assert decisions == [Play(packet(0)), Conceal(FRAME), Recover(packet(3), FRAME)]

    def test_conceals_up_to_the_limit_then_is_silent(self) -> None:
        decisions = filled(0).pull(10 * FRAME)
        assert decisions == [Play(packet(0)), *[Conceal(FRAME)] * 6, Silence(3 * FRAME)]

    def test_silence_ends_where_the_next_packet_can_be_recovered(self) -> None:
        decisions = filled(0, 20).pull(21 * FRAME)
        assert decisions[-3:] == [
            *(Silence(12 * FRAME), Recover(packet(20), FRAME)),
            Play(packet(20)),
        ]

    def test_concealment_keeps_the_grid_of_long_packets(self) -> None:
        buffer = make_buffer()
        buffer.insert(packet(0, frame=2_880))
        assert buffer.pull(2_881)[1:] == [Conceal(2_880)]

    def test_before_the_first_packet_there_is_nothing_to_conceal(self) -> None:
        buffer = make_buffer()
        assert buffer.pull(500) == [Silence(500)]
        assert buffer.counters.concealed_samples == 0
        assert buffer.counters.total_samples_received == 0

    def test_counts_what_was_not_received(self) -> None:
        buffer = filled(0, 2, 12)
        buffer.pull(20 * FRAME)
        counters = buffer.counters
        assert counters.recovered_samples == 2 * FRAME
        assert counters.concealed_samples == (8 + 7) * FRAME
        assert counters.silent_concealed_samples == (2 + 1) * FRAME
        assert counters.concealment_events == 2
        assert counters.total_samples_received == 20 * FRAME


class TestMoving:
    """Leaving media out, and starting anew."""

    def test_skip_drops_what_it_passes_and_keeps_the_rest(self) -> None:
        buffer = filled(0, 1, 2)
        buffer.skip(FRAME + 1)
        assert buffer.counters.packets_discarded == 2
        assert played(buffer.pull(3 * FRAME)) == [packet(2)]

    def test_skip_never_goes_back(self) -> None:
        buffer = make_buffer(at=FRAME)
        buffer.skip(0)
        assert buffer.cursor == FRAME

    def test_start_forgets_a_former_sender(self) -> None:
        buffer = filled(0, 1)
        buffer.start(-FRAME)
        assert len(buffer) == 0
        assert buffer.insert(packet(0)) is Verdict.ACCEPTED
        assert buffer.insert(packet(-1)) is Verdict.ACCEPTED
        assert (buffer.next_timestamp, buffer.newest) == (-FRAME, 0)


@given(packets=streams(), moves=readings)
def test_law_every_sample_is_covered_once(
    packets: list[MediaPacket], moves: list[int]
) -> None:
    buffer = make_buffer()
    for each in packets:
        buffer.insert(each)
    until = 0
    for move in moves:
        until += move
        before = buffer.cursor
        decisions = buffer.pull(until)
        assert all(d.samples > 0 for d in decisions)
        assert before + sum(d.samples for d in decisions) == buffer.cursor
        assert until <= buffer.cursor < until + max(OPUS_DURATIONS)


@given(packets=streams(), moves=readings, rng=st.randoms(use_true_random=False))
def test_law_order_of_arrival_does_not_matter_in_time(
    packets: list[MediaPacket], moves: list[int], rng: random.Random
) -> None:
    shuffled = rng.sample(packets, len(packets))
    outcomes = []
    for arrivals in (packets, shuffled, packets + shuffled):
        buffer, until = make_buffer(), 0
        for each in arrivals:
            buffer.insert(each)
        decisions = []
        for move in moves:
            until += move
            decisions += buffer.pull(until)
        outcomes.append(decisions)
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(packets=streams(), moves=readings, rng=st.randoms(use_true_random=False))
def test_law_what_arrives_in_time_is_played_once_in_order(
    packets: list[MediaPacket], moves: list[int], rng: random.Random
) -> None:
    """Arrivals and reads interleave at random; the verdicts are the oracle."""
    buffer, until = make_buffer(), 0
    arrivals = rng.choices(packets, k=2 * len(packets)) if packets else []
    steps: list[MediaPacket | int] = rng.sample(
        [*arrivals, *moves], k=len(arrivals) + len(moves)
    )
    accepted: set[int] = set()
    heard: list[MediaPacket] = []
    for step in steps:
        if isinstance(step, MediaPacket):
            if buffer.insert(step) is Verdict.ACCEPTED:
                accepted.add(step.timestamp)
        else:
            until += step
            heard += played(buffer.pull(until))
    heard += played(buffer.pull(until + HORIZON + 10_000))
    assert [each.timestamp for each in heard] == sorted(accepted)


@given(
    arrivals=st.lists(
        st.builds(
            MediaPacket,
            timestamp=st.integers(-5_000, 20_000),
            duration_samples=st.sampled_from(OPUS_DURATIONS),
            payload=st.just(b""),
        )
    )
)
def test_law_memory_is_bounded_whatever_arrives(arrivals: list[MediaPacket]) -> None:
    buffer = make_buffer(horizon=10 * FRAME)
    for each in arrivals:
        buffer.insert(each)
        assert len(buffer) <= 10 * FRAME // min(OPUS_DURATIONS)
    pulled = played(buffer.pull(20 * FRAME))
    ends = [each.timestamp + each.duration_samples for each in pulled]
    starts = [each.timestamp for each in pulled]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def test_ten_minutes_of_bursty_loss_and_jitter() -> None:
    """The seeded network is the oracle: exactly what came in time is played."""
    rng, losing = random.Random(42), False
    arrivals: list[tuple[int, int]] = []
    for index in range(10 * 60 * 50):
        losing = rng.random() < (0.5 if losing else 0.01)
        if not losing:
            arrivals.append((index * FRAME + rng.randrange(6 * FRAME), index))
    budget = 4 * FRAME
    buffer, heard = make_buffer(), []
    for now, index in sorted(arrivals):
        heard += played(buffer.pull(max(buffer.cursor, now - budget)))
        buffer.insert(packet(index))
    heard += played(buffer.pull(buffer.cursor + HORIZON))
    in_time = {i for now, i in arrivals if now - budget <= i * FRAME}
    assert {int(each.payload) for each in heard} >= in_time
    assert len(heard) == len(set(heard)) < len(arrivals)
