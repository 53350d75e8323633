"""Tests of iCalendar: what is written comes back, what others write is understood."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from streamer.air.calendar import CalendarError, read, write
from streamer.air.entrycheck import ScheduleError, check_entry, normal
from streamer.air.entrydocument import (
    WHAT_MEMBERS,
    entry_document,
    entry_of,
    what_document,
)
from streamer.air.priority import Comeback, Conflict
from streamer.air.recurrence import Recurrence
from streamer.air.schedule import (
    FileItem,
    Fill,
    RecordingItem,
    RelayItem,
    ScheduleEntry,
    ToneItem,
)
from streamer.wire.control import ProgrammeClass
from tests.streamer.air.schedules import NOON_UTC, entry, planned

WHAT = what_document(entry())


def id_for(uid: str) -> str:
    return uid.partition("@")[0]


def again(*entries: ScheduleEntry) -> list[ScheduleEntry]:
    return read(write(planned(each, NOON_UTC) for each in entries), id_for=id_for)


def event(*lines: str, **members: str) -> bytes:
    """Return a calendar as another program writes it, with one event."""
    properties = {
        "UID": "UID:e1@elsewhere",
        "SUMMARY": "SUMMARY:Thể dục buổi sáng",
        "DTSTART": "DTSTART;TZID=Asia/Ho_Chi_Minh:20260105T053000",
        "DTEND": "DTEND;TZID=Asia/Ho_Chi_Minh:20260105T054000",
    } | members
    inside = [line for line in (*properties.values(), *lines) if line]
    text = "\r\n".join(
        [
            *("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT"),
            *inside,
            *("END:VEVENT", "END:VCALENDAR", ""),
        ]
    )
    return text.encode()


TEXTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")) | st.just("\\"),
    min_size=1,
    max_size=30,
)
ITEMS = st.one_of(
    st.builds(FileItem, TEXTS),
    st.builds(RecordingItem, TEXTS),
    st.builds(ToneItem, TEXTS, st.integers(1, 3600)),
    st.builds(
        RelayItem,
        TEXTS.map(lambda path: f"https://vov.vn/{path}%2C,;x"),
        st.integers(1, 3600),
        st.none() | TEXTS,
    ),
)
WALL_TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(
    lambda at: at.replace(microsecond=0)
)
RULES = st.sampled_from(
    [
        None,
        "FREQ=DAILY",
        "FREQ=DAILY;COUNT=3;INTERVAL=2",
        "FREQ=WEEKLY;BYDAY=MO,WE,FR;WKST=SU",
        "FREQ=WEEKLY;UNTIL=21000101",
        "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=5,17;BYMINUTE=30",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,1",
        "FREQ=YEARLY;BYMONTH=9;BYMONTHDAY=2;UNTIL=21000101T000000",
    ]
)
ENTRIES = st.builds(
    ScheduleEntry,
    id=st.just("e1"),
    uid=TEXTS.map(lambda text: f"e1@{text}"),
    title=TEXTS,
    zone_ids=st.lists(TEXTS, min_size=1, max_size=4).map(tuple),
    programme_class=st.sampled_from(ProgrammeClass),
    items=st.lists(ITEMS, min_size=1, max_size=4).map(tuple),
    starts_local=WALL_TIMES,
    duration_s=st.integers(1, 36_000),
    # Berlin's gaps and folds, a zone that is a name of UTC, one off by half an hour.
    time_zone=st.sampled_from(
        ["Asia/Ho_Chi_Minh", "Europe/Berlin", "UTC", "Australia/Lord_Howe"]
    ),
    recurrence=RULES.map(lambda rule: Recurrence.parse(rule) if rule else None),
    except_dates=st.lists(st.dates(date(2000, 1, 1)), max_size=3).map(tuple),
    except_starts=st.lists(WALL_TIMES, max_size=3).map(tuple),
    fill=st.sampled_from(Fill),
    filler_file_id=st.none() | TEXTS,
    grace_s=st.integers(0, 3600),
    chime=st.booleans(),
    conflict=st.sampled_from(Conflict),
    comeback=st.sampled_from(Comeback),
    skip_after_s=st.none() | st.integers(0, 3600),
    enabled=st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(ENTRIES)
def test_law_what_is_exported_is_imported_as_it_was(an_entry: ScheduleEntry) -> None:
    an_entry = normal(an_entry)
    try:
        check_entry(an_entry)
    except ScheduleError:
        assume(False)
    assert again(an_entry) == [an_entry]


@settings(deadline=None)
@given(ENTRIES)
def test_law_a_document_is_json_and_leads_back(an_entry: ScheduleEntry) -> None:
    document = json.loads(json.dumps(entry_document(an_entry)))
    assert entry_of(an_entry.id, an_entry.uid, document) == an_entry
    assert what_document(an_entry).keys() == WHAT_MEMBERS


@settings(deadline=None)
@given(ENTRIES)
def test_law_what_is_normal_stays_as_it_is(an_entry: ScheduleEntry) -> None:
    assert normal(normal(an_entry)) == normal(an_entry)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_law_a_file_that_is_no_calendar_is_refused(content: bytes) -> None:
    with pytest.raises(CalendarError):
        read(content, id_for=id_for, what=WHAT)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(WHAT_MEMBERS)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=6,
        ),
        min_size=1,
    )
)
def test_law_a_document_that_somebody_made_up_is_read_or_refused(
    members: dict[str, Any],
) -> None:
    """Anything else that is raised fails."""
    document = entry_document(entry()) | members
    with contextlib.suppress(ScheduleError):
        check_entry(normal(entry_of("e1", "e1", document)))


class TestExport:
    """What other programs see."""

    def test_others_see_when_it_is(self) -> None:
        weekdays = entry("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR")
        calendar = Calendar.from_ical(write([planned(weekdays, NOON_UTC)]))
        found: Any = calendar.walk("VEVENT")[0]
        assert found["SUMMARY"] == "Bản tin sáng"
        assert found["DTSTART"].params["TZID"] == "Asia/Ho_Chi_Minh"
        assert found["DTSTART"].dt.astimezone(UTC).hour == 22
        assert found["DURATION"].dt == timedelta(minutes=10)
        assert found["RRULE"].to_ical() == b"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
        (zone,) = calendar.walk("VTIMEZONE")
        assert zone["TZID"] == "Asia/Ho_Chi_Minh"

    def test_a_schedule_without_entries_is_a_calendar(self) -> None:
        assert Calendar.from_ical(write([])).walk("VEVENT") == []

    def test_many_entries_keep_their_order(self) -> None:
        many = [entry(id=f"e{n}", uid=f"e{n}@loacast") for n in range(12)]
        assert again(*many) == many


class TestImport:
    """Calendars that other programs wrote."""

    def test_an_event_tells_when_and_we_are_told_what(self) -> None:
        (found,) = read(event("RRULE:FREQ=DAILY"), id_for=id_for, what=WHAT)
        assert found == entry(
            "FREQ=DAILY", uid="e1@elsewhere", title="Thể dục buổi sáng"
        )

    def test_a_time_without_a_zone_is_the_usual_one(self) -> None:
        floating = event(DTSTART="DTSTART:20260105T053000", DTEND="DURATION:PT10M")
        (found,) = read(floating, id_for=id_for, what=WHAT)
        assert found.time_zone == "Asia/Ho_Chi_Minh"

    def test_utc_is_a_time_zone(self) -> None:
        utc = event(DTSTART="DTSTART:20260104T223000Z", DTEND="DURATION:PT10M")
        (found,) = read(utc, id_for=id_for, what=WHAT)
        assert (found.time_zone, found.starts_local.hour) == ("UTC", 22)

    def test_names_of_windows_are_known(self) -> None:
        zone = "DTSTART;TZID=SE Asia Standard Time:20260105T053000"
        (found,) = read(
            event(DTSTART=zone, DTEND="DURATION:PT10M"), id_for=id_for, what=WHAT
        )
        assert found.time_zone == "Asia/Bangkok"

    def test_exceptions_in_utc_are_told_in_the_events_own_time(self) -> None:
        excepted = event("RRULE:FREQ=DAILY", "EXDATE:20260105T223000Z")
        (found,) = read(excepted, id_for=id_for, what=WHAT)
        assert found.except_starts == (datetime(2026, 1, 6, 5, 30),)

    def test_a_cancelled_event_is_disabled(self) -> None:
        (found,) = read(event("STATUS:CANCELLED"), id_for=id_for, what=WHAT)
        assert not found.enabled

    def test_a_slot_across_a_change_of_clocks_has_its_real_length(self) -> None:
        night = event(
            DTSTART="DTSTART;TZID=Europe/Berlin:20260329T010000",
            DTEND="DTEND;TZID=Europe/Berlin:20260329T040000",
        )
        (found,) = read(night, id_for=id_for, what=WHAT)
        assert found.duration_s == 2 * 3600

    def test_without_being_told_what_nothing_is_taken(self) -> None:
        with pytest.raises(CalendarError, match="say what to broadcast"):
            read(event(), id_for=id_for)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "no events"),
            (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "no events"),
            (event("RRULE:FREQ=SECONDLY"), "too often"),
            (event("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), "several rules"),
            (event("RRULE:FREQ=NEVER"), "RRULE"),
            (event("RDATE:20260107T053000"), "RDATE"),
            (event("RECURRENCE-ID:20260107T053000"), "RECURRENCE-ID"),
            (event("EXDATE:yesterday"), "EXDATE"),
            (event(UID=""), "uid"),
            (event(SUMMARY=""), "title"),
            (event(DTSTART=""), "DTSTART"),
            (event(DTSTART="DTSTART;VALUE=DATE:20260105"), "whole day"),
            (event(DTSTART="DTSTART;TZID=Mars/Base:20260105T053000"), "time zone"),
            (event(DTSTART="DTSTART:tomorrow"), "DTSTART"),
            (event(DTEND=""), "DTEND"),
            (event(DTEND="DTEND:20260105T054000"), "DTEND"),
            (event(DTEND="DTEND;TZID=Asia/Ho_Chi_Minh:20260105T053000"), "duration_s"),
            (event(DTEND="DURATION:soon"), "DURATION"),
            (event("X-LOACAST-BROADCAST:{"), "not JSON"),
            (event("X-LOACAST-BROADCAST:[]"), "not a JSON object"),
            (event('X-LOACAST-BROADCAST:{"role":"admin"}'), "nobody knows"),
            (event('X-LOACAST-BROADCAST:{"class":"normal"}'), "zone_ids"),
            (event() + event(), "two events have the UID"),
            (event() * 501, "more than 500"),
        ],
    )
    def test_what_cannot_be_carried_out_is_refused(
        self, content: bytes, reason: str
    ) -> None:
        with pytest.raises(CalendarError, match=reason):
            read(content, id_for=id_for, what=WHAT)

    def test_each_event_at_fault_is_named(self) -> None:
        both = event(SUMMARY="SUMMARY:một", DTEND="") + event(
            SUMMARY="SUMMARY:hai", DTSTART=""
        )
        with pytest.raises(CalendarError) as caught:
            read(both, id_for=id_for, what=WHAT)
        first, second = caught.value.problems
        assert first.startswith("event 1 ('một'): DTEND")
        assert second.startswith("event 2 ('hai'): DTSTART")
