"""Tests of the machine that keeps the schedule, all in virtual time.

The world of these tests has one store, whose rule is that of the real one (an
occurrence is claimed once, or again when it was missed), and servers that die, come
back, stand beside each other and find the store away.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.air.schedule import Occurrence, Planned, grace, occurrences
from streamer.air.timetable import PORTION, OutcomeKind, Timetable
from streamer.air.walltime import instant, time_zone
from tests.streamer.air.schedules import entry, planned

HANOI = time_zone("Asia/Ho_Chi_Minh")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
AIRED, MISSED = OutcomeKind.AIRED, OutcomeKind.MISSED


def hanoi(text: str, day: int = 5) -> datetime:
    hour, minute = map(int, text.split(":"))
    return instant(datetime(2026, 1, day, hour, minute), HANOI)


class Store:
    """What the database keeps, by its rule."""

    def __init__(self, *entries: Planned) -> None:
        self.entries = {each.entry.id: each for each in entries}
        self.outcomes: dict[Occurrence, OutcomeKind] = {}
        self.aired: list[tuple[Occurrence, datetime]] = []
        self.is_away = False

    def claim(self, occurrence: Occurrence) -> OutcomeKind | None:
        known = self.outcomes.get(occurrence)
        if known in (None, MISSED):
            return None
        return known


class Server:
    """The least that a caller of the timetable does."""

    def __init__(self, store: Store, now_utc: datetime) -> None:
        self.store = store
        self.timetable = Timetable(now_utc, sorted(store.outcomes.items()))
        for each in store.entries.values():
            self.timetable.put(each)

    def tick(self, now_utc: datetime) -> int:
        """Do what is due; return how much that was."""
        found = self.timetable.tick(now_utc)
        for due in found:
            if self.store.is_away:
                self.timetable.give_back(due.occurrence)
            elif due.is_missed:
                known = self.store.outcomes.setdefault(due.occurrence, MISSED)
                self.timetable.settle(due.occurrence, known)
            else:
                self._start(due.occurrence, now_utc)
        if not self.store.is_away:
            self._settle({due.occurrence.entry_id for due in found})
        return len(found)

    def _start(self, occurrence: Occurrence, now_utc: datetime) -> None:
        known = self.store.claim(occurrence)
        if known is None:
            known = self.store.outcomes[occurrence] = AIRED
            self.store.aired.append((occurrence, now_utc))
        self.timetable.settle(occurrence, known)

    def _settle(self, entry_ids: set[str]) -> None:
        for entry_id, settled_utc in self.timetable.settled_utc(entry_ids).items():
            old = self.store.entries[entry_id]
            self.store.entries[entry_id] = Planned(
                old.entry, old.owner, old.armed_utc, settled_utc
            )


def run(
    server: Server, from_utc: datetime, to_utc: datetime, step: timedelta = MINUTE
) -> None:
    while from_utc <= to_utc:
        server.tick(from_utc)
        from_utc += step


DAILY = planned(entry("FREQ=DAILY"), hanoi("00:00"))
HOURLY = planned(
    entry(f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0"),
    hanoi("00:00"),
)
HALF_PAST_FIVE = Occurrence(hanoi("05:30"), "e1")


class TestAMorning:
    """A clock that runs as it should."""

    def test_a_start_is_handed_out_on_time_and_once(self) -> None:
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        assert server.timetable.next_utc() == hanoi("05:30")
        run(server, hanoi("05:00"), hanoi("05:29"))
        assert store.aired == []
        run(server, hanoi("05:30"), hanoi("09:00"))
        assert store.aired == [(HALF_PAST_FIVE, hanoi("05:30"))]
        assert server.timetable.next_utc() == hanoi("05:30", day=6)

    def test_a_server_that_comes_within_the_grace_starts_late(self) -> None:
        store = Store(DAILY)
        Server(store, hanoi("05:35")).tick(hanoi("05:35"))
        assert store.aired == [(HALF_PAST_FIVE, hanoi("05:35"))]

    def test_a_server_that_comes_later_records_a_miss(self) -> None:
        store = Store(DAILY)
        late = hanoi("05:35") + timedelta(seconds=1)
        Server(store, late).tick(late)
        assert (store.aired, store.outcomes) == ([], {HALF_PAST_FIVE: MISSED})

    def test_starts_from_before_an_entry_was_made_are_not_its_own(self) -> None:
        store = Store(planned(entry("FREQ=DAILY"), hanoi("05:31")))
        run(Server(store, hanoi("05:31")), hanoi("05:31"), hanoi("09:00"))
        assert store.outcomes == {}

    def test_a_weekend_without_a_server_is_recorded(self) -> None:
        store = Store(DAILY)
        run(Server(store, hanoi("05:00")), hanoi("05:00"), hanoi("06:00"))
        run(Server(store, hanoi("08:00", 8)), hanoi("08:00", 8), hanoi("09:00", 8))
        kinds = [store.outcomes[key] for key in sorted(store.outcomes)]
        assert kinds == [AIRED, MISSED, MISSED, MISSED]

    def test_a_long_absence_is_worked_off_in_portions_and_the_present_first(
        self,
    ) -> None:
        """Also when the server dies half-way, or the clock jumps once more."""
        store = Store(HOURLY)
        server = Server(store, hanoi("00:00"))
        server.tick(later := hanoi("05:00") + 20 * DAY)
        assert store.aired == [(Occurrence(later, "e1"), later)]
        assert len(store.outcomes) == PORTION + 1
        later += 10 * DAY
        Server(store, later).tick(later)
        server = Server(store, later)
        server.tick(later)
        server.tick(later := later + 10 * DAY)
        assert server.timetable.is_behind("e1")
        assert server.timetable.next_utc() == later
        while server.tick(later):
            pass
        assert not server.timetable.is_behind("e1")
        wanted = set(occurrences(HOURLY.entry, hanoi("00:00"), later))
        assert store.outcomes.keys() == wanted
        assert len(store.aired) == 3


class TestTheClock:
    """Clocks that are set forward and back."""

    def test_two_hours_ahead_over_a_start_is_a_miss(self) -> None:
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        run(server, hanoi("05:00"), hanoi("05:10"))
        run(server, hanoi("07:10"), hanoi("09:00"))
        assert store.outcomes == {HALF_PAST_FIVE: MISSED}

    def test_two_hours_ahead_and_back_airs_what_was_taken_for_missed(self) -> None:
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        run(server, hanoi("07:00"), hanoi("07:10"))
        assert store.outcomes == {HALF_PAST_FIVE: MISSED}
        run(server, hanoi("05:10"), hanoi("09:00"))
        assert store.aired == [(HALF_PAST_FIVE, hanoi("05:30"))]
        assert store.outcomes == {HALF_PAST_FIVE: AIRED}

    def test_the_same_with_a_restart_in_between(self) -> None:
        store = Store(DAILY)
        run(Server(store, hanoi("07:00")), hanoi("07:00"), hanoi("07:10"))
        run(Server(store, hanoi("05:32")), hanoi("05:32"), hanoi("09:00"))
        assert store.aired == [(HALF_PAST_FIVE, hanoi("05:32"))]

    def test_two_hours_back_airs_nothing_again(self) -> None:
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        run(server, hanoi("05:00"), hanoi("06:00"))
        run(server, hanoi("04:00"), hanoi("09:00"))
        run(Server(store, hanoi("05:31")), hanoi("05:31"), hanoi("09:00"))
        assert store.aired == [(HALF_PAST_FIVE, hanoi("05:30"))]

    def test_a_clock_that_shows_another_century_for_a_minute(self) -> None:
        """It is taken seriously, in portions, and forgotten when it is over."""
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        wrong = datetime(2126, 1, 1, tzinfo=UTC)
        run(server, wrong, wrong + MINUTE, timedelta(seconds=1))
        assert len(store.outcomes) > 1_000
        run(server, hanoi("05:10"), hanoi("09:00", day=6))
        assert [key.start_utc for key, _ in store.aired] == [
            hanoi("05:30"),
            hanoi("05:30", day=6),
        ]

    def test_a_slewed_clock_sweeps_nothing_again_but_does_not_creep_back(self) -> None:
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        now_utc = hanoi("05:31")
        server.tick(now_utc)
        for _ in range(120):
            now_utc -= timedelta(seconds=1)
            server.tick(now_utc)
        run(server, now_utc, hanoi("06:00"))
        assert len(store.aired) == 1


class TestTheStoreIsAway:
    """What is due while nothing can be recorded."""

    def test_what_is_due_waits_for_it(self) -> None:
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        store.is_away = True
        run(server, hanoi("05:29"), hanoi("05:32"))
        store.is_away = False
        server.tick(hanoi("05:33"))
        assert store.aired == [(HALF_PAST_FIVE, hanoi("05:33"))]

    def test_what_waited_too_long_is_recorded_as_missed(self) -> None:
        store = Store(DAILY)
        server = Server(store, hanoi("05:00"))
        store.is_away = True
        run(server, hanoi("05:29"), hanoi("07:00"))
        store.is_away = False
        server.tick(hanoi("07:01"))
        assert store.outcomes == {HALF_PAST_FIVE: MISSED}


class TestChanges:
    """Entries that change while they are followed."""

    def test_a_day_that_is_cancelled_in_time_is_silent(self) -> None:
        server = Server(store := Store(DAILY), hanoi("05:00"))
        cancelled = entry("FREQ=DAILY", except_dates=(date(2026, 1, 5),))
        server.timetable.amend(planned(cancelled, DAILY.armed_utc))
        run(server, hanoi("05:00"), hanoi("09:00"))
        assert store.outcomes == {}
        assert server.timetable.next_utc() == hanoi("05:30", day=6)

    def test_what_is_due_and_cancelled_before_it_was_begun_is_forgotten(self) -> None:
        server = Server(store := Store(DAILY), hanoi("05:00"))
        store.is_away = True
        server.tick(hanoi("05:30"))
        cancelled = entry("FREQ=DAILY", except_dates=(date(2026, 1, 5),))
        server.timetable.amend(planned(cancelled, DAILY.armed_utc))
        store.is_away = False
        server.tick(hanoi("05:31"))
        assert store.outcomes == {}
        assert not server.timetable.is_behind("e1")

    def test_an_entry_that_is_removed_starts_no_more(self) -> None:
        server = Server(store := Store(DAILY), hanoi("05:00"))
        server.timetable.remove("e1")
        run(server, hanoi("05:00"), hanoi("09:00"))
        assert store.outcomes == {}
        assert server.timetable.next_utc() is None

    def test_an_entry_moved_while_the_clock_was_wrong_is_not_dropped(self) -> None:
        """The clock ran two hours ahead; what that settled was the old entry's."""
        server = Server(store := Store(DAILY), hanoi("05:00"))
        run(server, hanoi("07:00"), hanoi("07:10"))
        moved = entry("FREQ=DAILY", starts_local=datetime(2026, 1, 5, 6, 0))
        again = planned(moved, hanoi("05:10"))
        server.tick(hanoi("05:10"))
        store.entries["e1"] = again
        server.timetable.put(again)
        run(server, hanoi("06:40"), hanoi("07:00"))  # busy at six
        assert store.outcomes[Occurrence(hanoi("06:00"), "e1")] is MISSED


def test_two_thousand_starts_at_once_come_in_portions() -> None:
    entries = [
        planned(entry(id=f"e{number}", uid=str(number)), hanoi("00:00"))
        for number in range(2_000)
    ]
    server = Server(store := Store(*entries), hanoi("05:00"))
    counts = [server.tick(hanoi("05:30")) for _ in range(2_000 // PORTION)]
    assert max(counts) == PORTION
    assert len(store.aired) == 2_000


def test_a_long_absence_from_many_entries_comes_in_portions() -> None:
    entries = [
        planned(entry("FREQ=DAILY", id=f"e{number}", uid=str(number)), hanoi("00:00"))
        for number in range(200)
    ]
    later = hanoi("12:00", day=9)
    server = Server(store := Store(*entries), later)
    counts: list[int] = []
    while (next_utc := server.timetable.next_utc()) and next_utc <= later:
        counts.append(server.tick(later))
    assert max(counts) == PORTION
    assert len(store.outcomes) == 5 * 200


def test_two_servers_on_one_store_start_each_occurrence_once() -> None:
    store = Store(DAILY)
    both = [Server(store, hanoi("05:00")) for _ in range(2)]
    for minute in range(60):
        for server in both:
            server.tick(hanoi("05:00") + minute * MINUTE)
    assert store.aired == [(HALF_PAST_FIVE, hanoi("05:30"))]


Step: TypeAlias = tuple[str, int]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(1, 90)),
        st.tuples(st.just("set"), st.sampled_from([-120, 120, -45, 45, -3, 4, 20_000])),
        st.tuples(st.just("restart"), st.sampled_from([0, 2, 300, -120, 20_000])),
        st.tuples(st.just("away"), st.integers(1, 20)),
    ),
    max_size=20,
)
RULES = st.sampled_from(
    [
        f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))}",
        "FREQ=DAILY;BYHOUR=5,6,17;BYMINUTE=0,30",
        "FREQ=WEEKLY;BYDAY=MO,TU;BYHOUR=7,12",
    ]
)


class World:
    """Servers on one store, and a clock that does as it likes."""

    def __init__(self, mine: Planned, now_utc: datetime, servers: int) -> None:
        self.store = Store(mine)
        self.now_utc = now_utc
        self.looked: list[datetime] = []
        "When a server looked and the store was there."
        self._servers = servers
        self._alive = [Server(self.store, now_utc) for _ in range(servers)]

    def step(self, kind: str, amount: int) -> None:
        self.store.is_away = kind == "away"
        if kind in ("set", "restart"):
            self.now_utc += amount * MINUTE
        if kind == "restart":
            self._alive = [
                Server(self.store, self.now_utc) for _ in range(self._servers)
            ]
        if kind in ("run", "away"):
            for _ in range(amount):
                self.now_utc += MINUTE
                self.tick()
        self.store.is_away = False
        self.tick()

    def tick(self) -> int:
        """Let all servers look; return how much there was to do."""
        done = sum(server.tick(self.now_utc) for server in self._alive)
        if not self.store.is_away:
            self.looked.append(self.now_utc)
        return done


@settings(deadline=None, max_examples=200)
@given(steps=STEPS, rule=RULES, servers=st.integers(1, 2))
def test_law_every_occurrence_gets_one_outcome_whatever_the_clock_does(
    steps: list[Step], rule: str, servers: int
) -> None:
    """It is aired once, if any server looked within its grace, and else missed."""
    mine = planned(entry(rule), hanoi("05:00"))
    world = World(mine, hanoi("05:00"), servers)
    for kind, amount in steps:
        world.step(kind, amount)
    while world.tick():  # what is left of long absences
        pass

    aired = Counter(each for each, _ in world.store.aired)
    assert max(aired.values(), default=1) == 1
    late = grace(mine.entry)
    for each in occurrences(mine.entry, mine.armed_utc, world.now_utc):
        end_utc = each.start_utc + late
        in_time = any(each.start_utc <= at_utc <= end_utc for at_utc in world.looked)
        assert world.store.outcomes.get(each) is (AIRED if in_time else MISSED), each
