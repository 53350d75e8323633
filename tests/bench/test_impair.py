"""Laws of bench.impair, in virtual time."""

from __future__ import annotations

import statistics
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.impair import (
    MS,
    PROFILES,
    QUEUE_NS,
    SECOND,
    Every,
    Line,
    Link,
    Loss,
    Normal,
    Profile,
    Weather,
)

FRAME_NS = 20 * MS
FAR_APART_NS = 10 * SECOND
PACKET_BYTES = 160
NO_LOSS = Loss(0.0)
IMPAIRED = ("good", "fair", "s1", "poor", "terrible")


def arrivals(
    profile: Profile,
    seed: str,
    packets: int,
    *,
    interval_ns: int = FRAME_NS,
    size_bytes: int = PACKET_BYTES,
) -> list[tuple[int, int]]:
    """Send packets at even intervals; return (number, arrival) in order of arrival."""
    line: Line[int] = Line(profile, Weather(profile, seed), seed, "down")
    found: list[tuple[int, int]] = []

    def take(until_ns: int | None) -> None:
        while (at := line.next_ns) is not None and (until_ns is None or at <= until_ns):
            found.extend((number, at) for number in line.due(at))

    for number in range(packets):
        now_ns = number * interval_ns
        take(now_ns)
        line.send(now_ns, number, size_bytes)
    take(None)
    return found


def only_losing(profile: Profile) -> Profile:
    return Profile(Normal(0, 0), profile.loss)


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(IMPAIRED), seed=st.text(max_size=5))
def test_law_the_same_seed_gives_each_packet_the_same_fate(
    name: str, seed: str
) -> None:
    first = arrivals(PROFILES[name], seed, 300)
    assert arrivals(PROFILES[name], seed, 300) == first
    assert arrivals(PROFILES[name], f"{seed}'", 300) != first


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["fair", "s1", "poor"]),
    seed=st.text(max_size=5),
    interval_ns=st.integers(5 * MS, 60 * MS),
)
def test_law_what_is_lost_does_not_depend_on_when_it_is_sent(
    name: str, seed: str, interval_ns: int
) -> None:
    reference = {number for number, _ in arrivals(PROFILES[name], seed, 300)}
    other = arrivals(PROFILES[name], seed, 300, interval_ns=interval_ns, size_bytes=40)
    assert {number for number, _ in other} == reference


@pytest.mark.parametrize(
    ("name", "ratio", "burst"),
    [("good", 0.001, 1.0), ("fair", 0.005, 2), ("s1", 0.05, 1 / 0.95),
     ("poor", 0.02, 3), ("terrible", 0.08, 5)],
)  # fmt: skip
def test_as_much_is_lost_in_bursts_as_long_as_the_profile_says(
    name: str, ratio: float, burst: float
) -> None:
    packets = 40_000
    came = {
        number
        for number, _ in arrivals(only_losing(PROFILES[name]), "statistics", packets)
    }
    lost = [number not in came for number in range(packets)]
    bursts = [len(list(run)) for is_lost, run in groupby(lost) if is_lost]
    # Three standard errors of a count of bursts whose length is geometric.
    bound = 3 * (2 * burst / sum(lost)) ** 0.5
    assert sum(lost) / packets == pytest.approx(ratio, rel=bound)
    assert statistics.mean(bursts) == pytest.approx(burst, rel=bound)


@pytest.mark.parametrize(
    ("name", "mean_ms", "p95_ms"),
    [("good", 40, 48.2), ("fair", 60, 92.9), ("s1", 60, 109.3),
     ("poor", 95, 70 + 50 * (20 ** (1 / 3) - 1)), ("terrible", 120.5, 218.7)],
)  # fmt: skip
def test_delays_have_the_mean_and_the_tail_of_their_distribution(
    name: str, mean_ms: float, p95_ms: float
) -> None:
    """Quantiles of the normal and the Lomax distribution, computed by hand."""
    profile = Profile(PROFILES[name].delay, NO_LOSS)
    found = arrivals(profile, "delays", 5_000, interval_ns=FAR_APART_NS)
    delays_ms = sorted((at - number * FAR_APART_NS) / MS for number, at in found)
    assert delays_ms[0] >= 0
    assert delays_ms[-1] < 400
    assert statistics.mean(delays_ms) == pytest.approx(mean_ms, rel=0.05)
    assert delays_ms[round(0.95 * len(delays_ms))] == pytest.approx(p95_ms, rel=0.06)


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(IMPAIRED), seed=st.text(max_size=5))
def test_law_only_s1_lets_packets_overtake(name: str, seed: str) -> None:
    numbers = [number for number, _ in arrivals(PROFILES[name], seed, 500)]
    assert (numbers == sorted(numbers)) == (name != "s1")
    assert len(set(numbers)) == len(numbers)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(40, 1400), min_size=50, max_size=200),
    rate_bps=st.integers(32_000, 1_000_000),
)
def test_law_no_window_carries_more_than_the_rate(
    sizes: list[int], rate_bps: int
) -> None:
    profile = Profile(Normal(5 * MS, 0), NO_LOSS, rate_bps=rate_bps)
    line: Line[int] = Line(profile, Weather(profile, "rate"), "rate", "down")
    for size in sizes:
        line.send(0, size, size)
    came = []
    while (at := line.next_ns) is not None:
        came += [(at, size) for size in line.due(at)]
    assert line.dropped + len(came) == len(sizes)
    for first in range(len(came)):
        begin_ns = came[first][0]
        for at, carried in _running(came[first + 1 :]):
            assert carried * 8 * SECOND <= rate_bps * (at - begin_ns) + 8 * SECOND


def _running(came: list[tuple[int, int]]) -> list[tuple[int, int]]:
    total, found = 0, []
    for at, size in came:
        total += size
        found.append((at, total))
    return found


def test_a_full_queue_drops_and_never_delays_by_more_than_it_holds() -> None:
    profile = Profile(Normal(0, 0), NO_LOSS, rate_bps=96_000)
    found = arrivals(profile, "queue", 500, size_bytes=480)  # twice what passes
    assert 0.45 < len(found) / 500 < 0.6
    assert max(at - number * FRAME_NS for number, at in found) <= QUEUE_NS + 40 * MS


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["fair", "poor", "terrible"]),
    seed=st.text(max_size=5),
    now_s=st.integers(0, 3600),
)
def test_law_each_period_has_one_gap_in_which_nothing_moves(
    name: str, seed: str, now_s: int
) -> None:
    gap = PROFILES[name].gap
    assert gap is not None
    weather = Weather(PROFILES[name], seed)
    step_ns = 10 * MS
    instants = range((3600 + now_s) * SECOND, (3600 + now_s) * SECOND + gap.period_ns,
                     step_ns)  # fmt: skip
    waits = [weather.clear_from(at) - at for at in instants]
    held = [wait for wait in waits if wait]
    assert len(held) * step_ns == pytest.approx(gap.lasts_ns, abs=2 * step_ns)
    assert max(held) <= gap.lasts_ns
    assert all(weather.clear_from(at + wait) == at + wait
               for at, wait in zip(instants, waits, strict=True))  # fmt: skip


def test_what_is_sent_in_a_gap_arrives_after_it_and_is_not_lost() -> None:
    profile = Profile(
        Normal(30 * MS, 0), NO_LOSS, gap=Every(300 * MS, 30 * SECOND), rate_bps=256_000
    )
    found = arrivals(profile, "gap", 1500)
    assert len(found) == 1500
    times = [at for _, at in found]
    longest_ns = max(b - a for a, b in pairwise(times))
    assert longest_ns == pytest.approx(300 * MS, abs=2 * FRAME_NS)


def test_an_outage_loses_all_for_its_length_and_changes_the_address_once() -> None:
    profile = PROFILES["terrible"]
    link: Link[int] = Link(profile, "outage", outage_at_ns=5 * SECOND)
    outs = [at for at in range(0, 60 * SECOND, 100 * MS) if link.weather.is_out(at)]
    assert (outs[0], outs[-1]) == (5 * SECOND, 25 * SECOND - 100 * MS)
    assert len(outs) == 200
    addresses = [link.weather.address(at * SECOND) for at in (0, 4, 5, 60, 604, 605)]
    assert addresses == [0, 0, 1, 1, 1, 2]
    link.down.send(6 * SECOND, 1, PACKET_BYTES)
    assert link.next_ns is None
    assert link.down.lost == 1


def test_the_two_directions_share_gaps_but_not_losses() -> None:
    link: Link[int] = Link(PROFILES["poor"], "both")
    for line in (link.down, link.up):
        for number in range(2000):
            line.send(number * FRAME_NS, number, 40)
    assert set(link.down.due(10**15)) != set(link.up.due(10**15))
    assert link.next_ns is None
