"""Tests of what zones allow: slots, quiet hours, the longest broadcast, roles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.air.policy import (
    ClassRoles,
    PolicyRule,
    Refusal,
    Wish,
    ZonePolicy,
    check,
    limit,
    limit_s,
)
from streamer.air.walltime import instant, time_zone
from streamer.air.window import Window
from streamer.air.zones import UnknownZoneError, Zone, ZoneLevel, ZoneTree
from streamer.wire.control import ProgrammeClass

HANOI = time_zone("Asia/Ho_Chi_Minh")
EVERY_DAY = frozenset(range(7))
TREE = ZoneTree(
    Zone(zone_id, parent_id, zone_id, ZoneLevel.COMMUNE)
    for zone_id, parent_id in (
        *(("p", None), ("a", "p"), ("a1", "a"), ("a2", "a"), ("b", "p")),
        ("other", None),
    )
)


def window(text: str, weekdays: frozenset[int] = EVERY_DAY) -> Window:
    """Make a window of a text such as ``05:30-06:30``."""
    begin, end = (
        int(each[:2]) * 60 + int(each[3:]) for each in text.split("-", maxsplit=1)
    )
    return Window(weekdays, begin, end)


def hanoi(text: str, day: int = 5) -> datetime:
    """Return an instant of January 2026, whose fifth is a Monday."""
    hour, minute = map(int, text.split(":"))
    return instant(datetime(2026, 1, day, hour, minute), HANOI)


def wish(text: str, *zone_ids: str, **members: Any) -> Wish:
    settings: dict[str, Any] = {
        "zone_ids": zone_ids or ("a1",),
        "programme_class": ProgrammeClass.NORMAL,
        "role": "broadcaster",
        "at_utc": hanoi(text),
    }
    return Wish(**settings | members)


SLOTS = ZonePolicy(slots=(window("05:30-06:30"), window("17:00-18:00")))
QUIET = ZonePolicy(quiet_hours=(window("22:00-05:00"),))


def refused(
    policies: Mapping[str, ZonePolicy], asked: Wish
) -> tuple[PolicyRule, str, datetime | None] | None:
    found = check(policies, TREE, asked)
    return (found.rule, found.zone_id, found.allowed_from_utc) if found else None


def test_without_policies_everything_is_allowed() -> None:
    assert check({}, TREE, wish("03:00")) is None
    assert limit_s({}, TREE, wish("03:00")) is None


def test_quiet_hours_end_with_the_minute_that_is_named() -> None:
    quiet_until = {"p": ZonePolicy(quiet_hours=(window("21:00-05:30"),))}
    found = refused(quiet_until, wish("05:29"))
    assert found == (PolicyRule.QUIET_HOURS, "p", hanoi("05:30"))
    assert refused(quiet_until, wish("05:30")) is None
    emergency = wish("05:29", programme_class=ProgrammeClass.EMERGENCY)
    assert refused(quiet_until, emergency) is None


def test_outside_the_slots_the_next_one_is_named() -> None:
    assert refused({"a": SLOTS}, wish("05:30")) is None
    assert refused({"a": SLOTS}, wish("06:30")) == (
        *(PolicyRule.SLOTS, "a"),
        hanoi("17:00"),
    )
    assert refused({"a": SLOTS}, wish("20:00")) == (
        *(PolicyRule.SLOTS, "a"),
        hanoi("05:30", day=6),
    )


def test_a_slot_of_one_day_a_week_is_found_from_the_minute_after_it() -> None:
    mondays = ZonePolicy(slots=(window("05:30-06:30", frozenset({0})),))
    found = refused({"a": mondays}, wish("06:30"))
    assert found == (PolicyRule.SLOTS, "a", hanoi("05:30", day=12))


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    sunday_night = ZonePolicy(quiet_hours=(window("22:00-05:00", frozenset({6})),))
    assert refused({"a": sunday_night}, wish("04:59")) is not None
    assert refused({"a": sunday_night}, wish("22:30")) is None


def test_policies_above_and_below_count_and_those_beside_do_not() -> None:
    at_night = wish("23:00", "a")
    for zone_id, is_refused in (
        *(("p", True), ("a", True), ("a1", True)),
        *(("b", False), ("other", False), ("gone", False)),
    ):
        assert (refused({zone_id: QUIET}, at_night) is not None) is is_refused


def test_both_the_zone_and_those_above_it_must_allow() -> None:
    evenings = ZonePolicy(slots=(window("17:00-20:00"),))
    late = ZonePolicy(slots=(window("19:00-22:00"),))
    policies = {"p": evenings, "a": late}
    found = refused(policies, wish("18:00"))
    assert found == (PolicyRule.SLOTS, "a", hanoi("19:00"))
    assert refused(policies, wish("19:30")) is None
    found = refused(policies, wish("21:00"))
    assert found == (PolicyRule.SLOTS, "p", hanoi("19:00", day=6))


def test_policies_that_never_agree_say_that_waiting_does_not_help() -> None:
    policies = {
        "p": ZonePolicy(slots=(window("05:00-06:00"),)),
        "a": ZonePolicy(slots=(window("17:00-18:00"),)),
    }
    found = check(policies, TREE, wish("05:30"))
    assert found is not None
    assert found.allowed_from_utc is None
    assert "no time of the week" in found.detail


def test_a_broadcast_that_is_known_to_be_too_long_is_refused_for_good() -> None:
    policies = {"p": ZonePolicy(longest_s=600)}
    assert refused(policies, wish("12:00", duration_s=600)) is None
    found = refused(policies, wish("12:00", duration_s=601))
    assert found == (PolicyRule.LONGEST, "p", None)
    emergency = wish("12:00", duration_s=601, programme_class=ProgrammeClass.EMERGENCY)
    assert refused(policies, emergency) is None


def test_a_class_may_be_kept_for_some_roles() -> None:
    roles = ClassRoles(ProgrammeClass.PRIORITY, frozenset({"operator", "admin"}))
    policies = {"p": ZonePolicy(roles=(roles,))}
    priority = ProgrammeClass.PRIORITY
    found = check(policies, TREE, wish("12:00", programme_class=priority))
    assert found == Refusal(
        PolicyRule.ROLES,
        "p",
        None,
        "In zone 'p' a broadcaster may not use the class priority.",
    )
    operator = wish("12:00", programme_class=priority, role="operator")
    assert refused(policies, operator) is None
    assert refused(policies, wish("12:00")) is None


def test_emergencies_are_for_everybody_unless_a_policy_names_them() -> None:
    emergency = wish("12:00", programme_class=ProgrammeClass.EMERGENCY)
    nobody = ClassRoles(ProgrammeClass.PRIORITY, frozenset())
    assert refused({"p": ZonePolicy(roles=(nobody,))}, emergency) is None
    named = ClassRoles(ProgrammeClass.EMERGENCY, frozenset({"admin"}))
    found = refused({"p": ZonePolicy(roles=(named,))}, emergency)
    assert found == (PolicyRule.ROLES, "p", None)


def test_a_refusal_tells_a_person_when_it_would_be_allowed() -> None:
    found = check({"a": QUIET}, TREE, wish("23:00"))
    assert found is not None
    assert found.detail == (
        "Zone 'a' has quiet hours now; it would be allowed from"
        " 2026-01-06 05:00 on, local time."
    )


def test_a_broadcast_is_limited_by_the_strictest_rule() -> None:
    policies = {"p": ZonePolicy(longest_s=3600), "a": SLOTS, "b": QUIET}

    def of(text: str, *zone_ids: str) -> tuple[int, PolicyRule, str] | None:
        found = limit(policies, TREE, wish(text, *zone_ids))
        return (found.limit_s, found.rule, found.zone_id) if found else None

    assert of("05:30", "a1") == (3600, PolicyRule.LONGEST, "p")
    assert of("06:00", "a1") == (1800, PolicyRule.SLOTS, "a")
    assert of("21:59", "b") == (60, PolicyRule.QUIET_HOURS, "b")
    assert of("12:00", "other") is None
    emergency = wish("06:00", programme_class=ProgrammeClass.EMERGENCY)
    assert limit_s(policies, TREE, emergency) is None


def test_slots_that_touch_do_not_limit_where_they_meet() -> None:
    slots = ZonePolicy(slots=(window("05:30-06:30"), window("06:30-07:00")))
    assert limit_s({"a": slots}, TREE, wish("06:00")) == 3600
    always = ZonePolicy(slots=(window("00:00-24:00"),))
    assert limit_s({"a": always}, TREE, wish("06:00")) is None


def test_a_zone_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UnknownZoneError):
        check({"p": SLOTS}, TREE, wish("06:00", "gone"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Window(frozenset(), 0, 60),
        lambda: Window(frozenset({7}), 0, 60),
        lambda: Window(EVERY_DAY, -1, 60),
        lambda: Window(EVERY_DAY, 1440, 60),
        lambda: Window(EVERY_DAY, 0, 0),
        lambda: Window(EVERY_DAY, 0, 1441),
        lambda: ZonePolicy(longest_s=0),
        lambda: ZonePolicy(time_zone="Mars/Base"),
        lambda: ZonePolicy(slots=(Window(EVERY_DAY, 0, 60),) * 65),
        lambda: ZonePolicy(roles=(ClassRoles(ProgrammeClass.NORMAL, frozenset()),) * 2),
    ],
)
def test_impossible_policies_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"window|longest|time zone|class"):
        make()


WINDOWS = st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
POLICIES = st.builds(
    ZonePolicy,
    slots=st.lists(WINDOWS, max_size=3).map(tuple),
    quiet_hours=st.lists(WINDOWS, max_size=2).map(tuple),
    time_zone=st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Berlin", "UTC"]),
)
# March and October 2026: clocks change in Berlin.
TIMES = st.integers(0, 300 * 24 * 60).map(
    lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
)


@settings(deadline=None)  # twenty questions
@given(
    st.dictionaries(st.sampled_from(["p", "a", "a1"]), POLICIES),
    TIMES,
    st.lists(st.integers(0, 999_999), max_size=20),
)
def test_law_a_refusal_names_the_first_instant_that_is_allowed(
    policies: dict[str, ZonePolicy], at_utc: datetime, waits_ppm: list[int]
) -> None:
    asked = wish("00:00", at_utc=at_utc)
    found = check(policies, TREE, asked)
    if found is None:
        return
    until_utc = found.allowed_from_utc or at_utc + timedelta(days=7)
    for wait_ppm in waits_ppm:
        later_utc = at_utc + (until_utc - at_utc) * wait_ppm // 1_000_000
        assert check(policies, TREE, wish("00:00", at_utc=later_utc)) is not None
    if found.allowed_from_utc is not None:
        just_before = found.allowed_from_utc - timedelta(microseconds=1)
        assert check(policies, TREE, wish("00:00", at_utc=until_utc)) is None
        assert check(policies, TREE, wish("00:00", at_utc=just_before)) is not None


@given(st.dictionaries(st.sampled_from(["p", "a", "a1"]), POLICIES), TIMES)
def test_law_a_broadcast_that_keeps_its_limit_is_allowed_to_its_end(
    policies: dict[str, ZonePolicy], at_utc: datetime
) -> None:
    asked = wish("00:00", at_utc=at_utc)
    limited = limit(policies, TREE, asked)
    if check(policies, TREE, asked) is not None or limited is None:
        return
    end_utc = at_utc + timedelta(seconds=limited.limit_s)
    just_before = wish("00:00", at_utc=end_utc - timedelta(seconds=1))
    assert check(policies, TREE, just_before) is None
    at_the_end = check(policies, TREE, wish("00:00", at_utc=end_utc))
    assert at_the_end is not None
    assert at_the_end.zone_id == limited.zone_id
