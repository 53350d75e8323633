"""Tests of occurrences, exceptions, late starts, and of entries that cannot be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from streamer.air.entrycheck import ScheduleError, check_entry
from streamer.air.schedule import (
    FileItem,
    Fill,
    RecordingItem,
    RelayItem,
    ScheduleEntry,
    ToneItem,
    grace,
    joined_late,
    occurrences,
)
from streamer.air.walltime import local_time, time_zone
from tests.streamer.air.schedules import entry

YEAR_FROM = datetime(2026, 1, 1, tzinfo=UTC)
YEAR_TO = datetime(2027, 1, 1, tzinfo=UTC)


def locals_of(an_entry: ScheduleEntry, count: int = 5) -> list[str]:
    zone = time_zone(an_entry.time_zone)
    found = islice(occurrences(an_entry, YEAR_FROM, YEAR_TO), count)
    return [f"{local_time(each.start_utc, zone):%m-%d %H:%M}" for each in found]


class TestOccurrences:
    """Which starts an entry has."""

    def test_an_entry_without_a_rule_starts_once(self) -> None:
        assert locals_of(entry()) == ["01-05 05:30"]

    def test_a_rule_without_an_end_goes_on(self) -> None:
        daily = entry("FREQ=DAILY")
        found = list(occurrences(daily, YEAR_FROM, YEAR_TO))
        assert len(found) == 362  # the last is at 22:30 of December the 31st, UTC
        far = YEAR_FROM.replace(year=2150)
        assert next(occurrences(daily, far, YEAR_TO.replace(year=2151)), None)

    def test_a_count_holds_also_when_the_window_begins_later(self) -> None:
        counted = entry("FREQ=DAILY;COUNT=3")
        assert locals_of(counted) == ["01-05 05:30", "01-06 05:30", "01-07 05:30"]
        later_utc = datetime(2026, 1, 6, tzinfo=UTC)
        assert len(list(occurrences(counted, later_utc, YEAR_TO))) == 1

    def test_an_until_is_included(self) -> None:
        until = entry("FREQ=DAILY;UNTIL=20260106T223000Z")
        assert locals_of(until)[-1] == "01-07 05:30"

    def test_holidays_and_single_starts_are_left_out(self) -> None:
        twice_a_day = entry(
            "FREQ=DAILY;BYHOUR=5,17;BYMINUTE=30",
            except_dates=(date(2026, 1, 6),),
            except_starts=(datetime(2026, 1, 7, 5, 30),),
        )
        assert locals_of(twice_a_day, 4) == [
            *("01-05 05:30", "01-05 17:30", "01-07 17:30", "01-08 05:30"),
        ]

    def test_a_disabled_entry_never_starts(self) -> None:
        assert locals_of(entry("FREQ=DAILY", enabled=False)) == []

    def test_both_ends_of_the_window_belong_to_it(self) -> None:
        start_utc = datetime(2026, 1, 4, 22, 30, tzinfo=UTC)
        assert len(list(occurrences(entry(), start_utc, start_utc))) == 1


class TestSummerTime:
    """Clocks that skip an hour, or show one twice."""

    def test_a_start_that_clocks_skip_is_at_the_end_of_the_gap(self) -> None:
        """Berlin, 2026-03-29: there is no 02:30."""
        nightly = entry(
            "FREQ=DAILY",
            time_zone="Europe/Berlin",
            starts_local=datetime(2026, 3, 28, 2, 30),
        )
        found = locals_of(nightly, 3)
        assert found == ["03-28 02:30", "03-29 03:00", "03-30 02:30"]

    def test_two_starts_within_one_gap_are_one(self) -> None:
        nightly = entry(
            "FREQ=DAILY;BYMINUTE=0,30;BYHOUR=2",
            time_zone="Europe/Berlin",
            starts_local=datetime(2026, 3, 29, 2, 0),
        )
        assert locals_of(nightly, 2) == ["03-29 03:00", "03-30 02:00"]

    def test_a_start_that_clocks_show_twice_is_the_first_and_once(self) -> None:
        """Berlin, 2026-10-25: 02:30 is shown at 00:30 and at 01:30 UTC."""
        nightly = entry(
            "FREQ=DAILY",
            time_zone="Europe/Berlin",
            starts_local=datetime(2026, 10, 24, 2, 30),
        )
        found = [each.start_utc for each in occurrences(nightly, YEAR_FROM, YEAR_TO)]
        assert found[:3] == [
            datetime(2026, 10, 24, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
        ]


RELAY, FILE = RelayItem("https://vov.vn/live", 1800), FileItem("f1")


class TestLateStarts:
    """What is left of a start that comes late."""

    def test_a_relay_loses_what_is_over_and_a_file_begins_at_its_beginning(
        self,
    ) -> None:
        assert joined_late((RELAY, FILE), 180) == (
            RelayItem("https://vov.vn/live", 1620),
            FILE,
        )
        assert joined_late((FILE, RELAY), 180)[0] == FILE
        assert joined_late((FILE, RELAY), 180)[1] == RelayItem(RELAY.url, 1620)

    def test_a_relay_that_is_over_is_left_out_and_the_next_loses_the_rest(self) -> None:
        short = RelayItem("https://a.vn", 60)
        assert joined_late((short, RELAY), 180) == (RelayItem(RELAY.url, 1680),)
        assert joined_late((short,), 60) == ()

    def test_the_grace_ends_with_the_slot(self) -> None:
        assert grace(entry(duration_s=600)) == timedelta(seconds=300)
        assert grace(entry(duration_s=60)) == timedelta(seconds=59)

    def test_without_a_slot_only_relays_can_be_over(self) -> None:
        free: dict[str, Any] = {"fill": Fill.NONE, "duration_s": 60}
        assert grace(entry(**free)) == timedelta(seconds=300)
        short = RelayItem("https://a.vn", 60)
        assert grace(entry(**free, items=(short,))) == timedelta(seconds=59)
        assert grace(entry(**free, items=(short, FILE))) == timedelta(seconds=300)


class TestCheck:
    """Entries that can be carried out, and others."""

    @pytest.mark.parametrize(
        "members",
        [
            {},
            {"rule": "FREQ=DAILY"},
            {"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"},
            {"rule": "FREQ=DAILY;BYHOUR=5,17", "duration_s": 12 * 3600},
            {"items": (RELAY, RecordingItem("b1"), ToneItem("siren", 10))},
            {"rule": "FREQ=DAILY", "enabled": False},
            {"items": (RelayItem("rtsp://[2001:db8::1]:554/live", 60),)},
        ],
    )
    def test_good_ones(self, members: dict[str, Any]) -> None:
        check_entry(entry(**members))

    @pytest.mark.parametrize(
        ("members", "at_fault"),
        [
            ({"title": ""}, "title"),
            ({"zone_ids": ()}, "zone_ids"),
            ({"items": ()}, "items"),
            ({"items": (FILE,) * 101}, "items"),
            ({"items": (ToneItem("siren", 0),)}, "items"),
            ({"items": (RelayItem("file:///etc/passwd", 60),)}, "items"),
            ({"items": (RelayItem("https://[bad", 60),)}, "items"),
            ({"items": (RelayItem("https:///nowhere", 60),)}, "items"),
            ({"duration_s": 0}, "duration_s"),
            ({"duration_s": 86_401}, "duration_s"),
            ({"grace_s": -1}, "grace_s"),
            ({"skip_after_s": -1}, "skip_after_s"),
            ({"time_zone": "Asia/Hanoi"}, "time_zone"),
            ({"starts_local": YEAR_FROM}, "starts_local"),
            ({"starts_local": datetime(2026, 1, 1, 0, 0, 0, 5)}, "starts_local"),
            ({"starts_local": datetime(9999, 1, 1)}, "starts_local"),
            ({"except_dates": (date(2026, 1, 1),) * 1001}, "except_dates"),
            ({"except_dates": (date(2026, 1, 5),)}, "recurrence"),
            ({"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence"),
            ({"rule": "FREQ=DAILY;UNTIL=20250101"}, "recurrence"),
        ],
    )
    def test_bad_ones(self, members: dict[str, Any], at_fault: str) -> None:
        with pytest.raises(ScheduleError) as caught:
            check_entry(entry(**members))
        assert caught.value.member == at_fault

    def test_one_that_overlaps_itself_is_refused_with_the_first_overlap(self) -> None:
        crowded = entry("FREQ=DAILY;BYHOUR=5,6;BYMINUTE=30", duration_s=3601)
        with pytest.raises(ScheduleError, match="2026-01-04T22:30:00Z lasts 3601 s"):
            check_entry(crowded)

    def test_an_overlap_by_summer_time_alone_is_found(self) -> None:
        """Two starts three hours apart on the wall are two hours apart on the day."""
        spring = entry(
            "FREQ=DAILY;BYHOUR=1,4;BYMINUTE=0",
            time_zone="Europe/Berlin",
            starts_local=datetime(2026, 1, 1, 1),
            duration_s=3 * 3600,
        )
        with pytest.raises(ScheduleError, match="2026-03-29"):
            check_entry(spring)
