"""Tests of streamer.air.coverage."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.air.coverage import (
    EDGE_TOLERANCE_US,
    REPORT_INTERVAL_US,
    Coverage,
    Gap,
    GapCause,
    Played,
    SpeakerCoverage,
    Standing,
    Tally,
    coverage,
    runs_apart,
)
from streamer.air.spans import Span, running

S = 1_000_000
PREEMPTED, NOT_RECEIVED, LOST = GapCause


def spans_of(seconds: set[int]) -> list[Span]:
    """The spans that whole seconds make."""
    found: list[Span] = []
    runs = groupby(enumerate(sorted(seconds)), key=lambda pair: pair[1] - pair[0])
    for _, run in runs:
        members = [second for _, second in run]
        found.append((members[0] * S, (members[-1] + 1) * S))
    return found


def seconds_of(gaps: tuple[Gap, ...], *causes: GapCause) -> set[int]:
    return {
        second
        for gap in gaps
        if gap.cause in causes
        for second in range(gap.from_us // S, gap.to_us // S)
    }


def played(
    from_s: float, to_s: float, of_s: float | None = None, *, done: bool = True
) -> Played:
    whole_s = to_s - from_s if of_s is None else of_s
    return Played(int(from_s * S), int(to_s * S), int(whole_s * S), done)


def minute(
    *runs: Played, heard: tuple[Span, ...] = ((0, 60 * S),), aired_s: int = 60
) -> SpeakerCoverage:
    """What a speaker received of a minute, by its account; it is made incomplete."""
    found = coverage(
        [(0, aired_s * S)], {"z": heard}, [Standing("s", "z", -S)], {"s": runs}
    )
    (zone,) = found.zones
    return (
        zone.incomplete[0]
        if zone.incomplete
        else SpeakerCoverage("s", "z", zone.tally, ())
    )


SECONDS = st.sets(st.integers(0, 19))


@given(
    aired=SECONDS,
    heard=SECONDS,
    ear=SECONDS,
    stood=st.tuples(*[st.integers(0, 20)] * 2),
)
def test_law_every_second_is_accounted_for_once(
    aired: set[int], heard: set[int], ear: set[int], stood: tuple[int, int]
) -> None:
    """Against a model that counts seconds; each run of hearing is a process."""
    from_s, to_s = sorted(stood)
    expected = aired & set(range(from_s, to_s))
    found = coverage(
        spans_of(aired),
        {"z": spans_of(heard), "other": []},
        [Standing("s", "z", from_s * S, to_s * S), Standing("t", "elsewhere", 0)],
        {"s": [Played(a, b, b - a, True) for a, b in spans_of(ear)]},
    )
    if not expected:
        assert found == Coverage()
        return
    (zone,) = found.zones
    missed = expected - (heard & ear)
    assert (zone.tally.speakers, zone.tally.complete) == (1, not missed)
    assert zone.tally.expected_us == len(expected) * S
    assert zone.tally.heard_us == (len(expected) - len(missed)) * S
    assert (zone.tally.percent == 100) == (not missed)
    assert found.tally == zone.tally
    gaps = zone.incomplete[0].gaps if missed else ()
    assert seconds_of(gaps, PREEMPTED) == expected - heard
    assert seconds_of(gaps, NOT_RECEIVED) == (expected & heard) - ear
    assert sum(gap.missed_us for gap in gaps) == len(missed) * S
    assert seconds_of(zone.gaps, PREEMPTED) == aired - heard


@given(st.lists(st.tuples(SECONDS.filter(bool), st.booleans()), max_size=5))
def test_law_accounts_made_one_are_apart_and_in_order(
    told: list[tuple[set[int], bool]],
) -> None:
    runs = [
        Played(min(each) * S, (max(each) + 1) * S, len(each) * S, done)
        for each, done in told
    ]
    found = runs_apart(runs)
    for one, next_ in pairwise(found):
        assert one.last_us <= next_.first_us
    for each in runs:
        (held,) = [one for one in found if one.first_us <= each.first_us < one.last_us]
        assert held.last_us >= each.last_us
        assert held.played_us >= each.played_us


def test_of_two_accounts_that_overlap_the_later_says_whether_it_was_done() -> None:
    early, late = played(0, 20, done=False), played(0.001, 30, 29)
    assert runs_apart([late, early]) == [played(0, 30, 29)]
    late = played(0.001, 30, 29, done=False)
    assert runs_apart([played(0, 20), late]) == [played(0, 30, 29, done=False)]


class TestASpeaker:
    """What one speaker is said to have missed of a minute."""

    @pytest.mark.parametrize(
        "runs",
        [
            (played(0, 60),),
            (played(0.4, 59.6),),
            (played(0, 60, 59.5),),
            (played(0, 60, done=False),),
            (played(0, 30.0), played(30.4, 60)),
            (played(-5, 65),),
        ],
    )
    def test_nothing_within_the_tolerance(self, runs: tuple[Played, ...]) -> None:
        found = minute(*runs)
        assert (found.gaps, found.tally) == ((), Tally(60 * S, 60 * S, 1, 1))

    def test_all_without_a_receipt(self) -> None:
        found = minute()
        assert found.gaps == (Gap(0, 60 * S, 60 * S, NOT_RECEIVED),)
        assert found.tally.percent == 0

    def test_all_of_a_moment_shorter_than_the_tolerance(self) -> None:
        short = coverage([(0, 1000)], {"z": [(0, 1000)]}, [Standing("s", "z", 0)], {})
        assert short.tally == Tally(1000, 0, 1, 0)

    def test_what_came_before_it_joined(self) -> None:
        found = minute(played(20, 60))
        assert found.gaps == (Gap(0, 20 * S, 20 * S, NOT_RECEIVED),)
        assert found.tally.percent == 66.66

    def test_what_came_after_it_was_killed_half_way(self) -> None:
        """It surely played until its last report, and maybe up to 10 s more."""
        found = minute(played(0, 27, done=False))
        assert found.gaps == (
            Gap(27 * S, 60 * S, 33 * S, NOT_RECEIVED, REPORT_INTERVAL_US),
        )
        assert found.tally.heard_us == 27 * S

    def test_one_that_was_through_played_no_more(self) -> None:
        assert minute(played(0, 27, done=True)).gaps[0].unconfirmed_us == 0

    def test_no_more_is_unconfirmed_than_was_missed(self) -> None:
        found = minute(played(0, 55, done=False))
        assert found.gaps[0].unconfirmed_us == found.gaps[0].missed_us == 5 * S

    def test_what_lay_between_two_of_its_processes(self) -> None:
        found = minute(played(0, 20, done=False), played(35, 60))
        assert found.gaps == (
            Gap(20 * S, 35 * S, 15 * S, NOT_RECEIVED, REPORT_INTERVAL_US),
        )

    def test_what_was_lost_here_and_there(self) -> None:
        found = minute(played(0, 60, 48))
        assert found.gaps == (Gap(0, 60 * S, 12 * S, LOST),)
        assert found.tally.percent == 80

    def test_what_another_broadcast_took_from_its_zone(self) -> None:
        found = minute(played(0, 60, 40), heard=((0, 20 * S), (40 * S, 60 * S)))
        assert found.gaps == (Gap(20 * S, 40 * S, 20 * S, PREEMPTED),)

    def test_nothing_where_the_source_stood_still(self) -> None:
        """A file that held while all its zones were taken: nobody missed anything."""
        found = coverage(
            [(0, 20 * S), (40 * S, 60 * S)],
            {"z": [(0, 20 * S), (40 * S, 60 * S)]},
            [Standing("s", "z", 0)],
            {"s": [played(0, 60, 40)]},
        )
        assert found.tally == Tally(40 * S, 40 * S, 1, 1)


def test_seven_of_a_hundred_were_killed_half_way() -> None:
    """Exactly these seven, with what they missed; the other zone missed nothing."""
    killed = {f"s{number:02}": 25 + number / 10 for number in range(3, 87, 12)}
    standings = [
        Standing(f"s{number:02}", f"z{number % 2}", 0) for number in range(100)
    ]
    accounts = {
        each.speaker_id: [
            played(
                0.02,
                killed.get(each.speaker_id, 59.98),
                done=each.speaker_id not in killed,
            )
        ]
        for each in standings
    }
    found = coverage(
        [(0, 60 * S)],
        {"z0": [(0, 60 * S)], "z1": [(0, 60 * S)], "no-speakers": []},
        standings,
        accounts,
    )
    assert len(killed) == 7
    (zone,) = found.incomplete_zones
    assert (zone.zone_id, zone.gaps) == ("z1", ())
    assert {each.speaker_id: each.gaps for each in zone.incomplete} == {
        name: (
            Gap(
                int(last_s * S),
                60 * S,
                60 * S - int(last_s * S),
                NOT_RECEIVED,
                REPORT_INTERVAL_US,
            ),
        )
        for name, last_s in killed.items()
    }
    assert (found.tally.speakers, found.tally.complete) == (100, 93)
    assert [each.tally.complete for each in found.zones] == [50, 43]


def test_a_zone_that_waited_in_vain_is_listed_with_all_its_speakers() -> None:
    found = coverage(
        [(0, 60 * S)],
        {"a": [(0, 60 * S)], "b": []},
        [Standing("s", "a", 0), Standing("t", "b", 0), Standing("u", "b", 0)],
        {"s": [played(0, 60)]},
    )
    (zone,) = found.incomplete_zones
    assert (zone.zone_id, zone.gaps) == ("b", (Gap(0, 60 * S, 60 * S, PREEMPTED),))
    assert [each.speaker_id for each in zone.incomplete] == ["t", "u"]
    assert found.tally.percent == 33.33


def test_a_speaker_that_moved_is_expected_where_it_stood() -> None:
    found = coverage(
        [(0, 60 * S)],
        {"a": [(0, 60 * S)], "b": [(0, 60 * S)]},
        [Standing("s", "a", -S, 30 * S), Standing("s", "b", 30 * S)],
        {"s": [played(0, 30, done=False)]},
    )
    assert [(each.zone_id, each.tally.percent) for each in found.zones] == [
        ("a", 100),
        ("b", 0),
    ]


@pytest.mark.parametrize(
    ("turns", "spans"),
    [
        ([], [(0, 60)]),
        ([(0, True)], [(0, 60)]),
        ([(5, True), (20, False), (40, True)], [(5, 20), (40, 60)]),
        ([(-5, True), (20, False), (20, False)], [(0, 20)]),
        ([(5, True), (6, True), (70, False)], [(5, 60)]),
        ([(20, False)], []),
    ],
)
def test_when_a_source_ran(turns: list[tuple[int, bool]], spans: list[Span]) -> None:
    assert running(turns, (0, 60)) == spans


def test_a_hundred_percent_is_not_given_for_less() -> None:
    assert Tally(10_000_001 * S, 10_000_000 * S, 1, 0).percent == 99.99
    assert Tally().percent is None
    assert EDGE_TOLERANCE_US < S


def test_the_edges_of_a_zone_s_hearing_are_expected_of_nobody() -> None:
    """Its interval begins a moment after the source: no speaker is credited for it."""
    found = coverage(
        [(0, 60 * S)], {"z": [(10_000, 60 * S)]}, [Standing("s", "z", 0)], {}
    )
    assert found.tally == Tally(60 * S - 10_000, 0, 1, 0)
