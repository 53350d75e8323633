"""Tests of streamer.fanout.hub, all in virtual time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from streamer.bus.bus import Switch
from streamer.fanout import endings
from streamer.fanout.frames import text_frame
from streamer.fanout.listener import ListenerIdentity
from streamer.media.frame import FRAME_NS
from streamer.wire.control import (
    Idle,
    Programme,
    ProgrammeClass,
    Settings,
    Welcome,
    serialize,
)
from tests.streamer.fanout.rig import (
    DELAY_MS,
    LOOKAHEAD_NS,
    MS,
    REACH_NS,
    START_NS,
    Heard,
    Rig,
    announced,
    events_of,
    indexes,
    messages_of,
)

BACKGROUND, NORMAL, OTHER = 7, 8, 9


@pytest.fixture(params=[False, True], ids=["transports", "ring"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(ring=request.param)


class TestJoining:
    """What a new listener gets."""

    def test_a_listener_is_told_who_it_is_how_to_sound_and_what_it_hears(
        self, rig: Rig
    ) -> None:
        listener = rig.join("a", ptime_ms=40, speaker_id="s")
        rig.turn()
        assert events_of(listener) == [
            Welcome("s", "a", 40),
            Settings(70, DELAY_MS),
            Idle(from_us=0),
        ]

    def test_a_running_programme_is_announced_with_its_clock(self, rig: Rig) -> None:
        rig.start(NORMAL, "a")
        rig.tick(3)
        listener = rig.join("a")
        rig.turn()
        origin_us = (START_NS - LOOKAHEAD_NS) // 1000
        assert announced(events_of(listener)) == [
            Programme(
                broadcast="b8",
                programme_class=ProgrammeClass.NORMAL,
                title="",
                ssrc=NORMAL,
                payload_type=111,
                timestamp=0,
                clock_us=origin_us,
                from_us=origin_us,
            )
        ]

    @pytest.mark.parametrize("ptime_ms", [20, 40, 60])
    def test_it_gets_what_it_can_still_play_and_no_more(
        self, rig: Rig, ptime_ms: int
    ) -> None:
        programme = rig.start(NORMAL, "a")
        rig.tick(200)
        listener = rig.join("a", ptime_ms=ptime_ms)
        rig.tick(6)
        heard = indexes(events_of(listener), NORMAL)
        playable_ns = rig.now_ns - 6 * FRAME_NS - DELAY_MS * MS
        first = programme.packets[heard[0]]
        assert first.capture_ns < playable_ns  # its own pre-roll
        assert first.capture_ns >= playable_ns - 80 * MS
        assert heard == list(range(heard[0], heard[-1] + 1))
        assert heard[-1] > 205 - ptime_ms // 20

    def test_the_burst_is_one_message(self, rig: Rig) -> None:
        rig.start(NORMAL, "a")
        rig.tick(200)
        listener = rig.join("a")
        rig.turn()
        sizes = [len(m) for m in messages_of(bytes(listener.taken))]
        assert sizes == [1, 1, 1, 23]  # the last 480 ms: D, and the pre-roll

    def test_a_listener_of_another_zone_gets_nothing(self, rig: Rig) -> None:
        listener = rig.join("b")
        rig.start(NORMAL, "a")
        rig.tick(5)
        assert announced(events_of(listener)) == [Idle(from_us=0)]
        assert indexes(events_of(listener), NORMAL) == []

    def test_phases_are_shared_out_evenly(self, rig: Rig) -> None:
        rig.start(NORMAL, "a")
        listeners = [rig.join("a", ptime_ms=60) for _ in range(6)]
        rig.tick(3)
        for listener in listeners:
            listener.taken.clear()
        rig.tick()
        assert sum(bool(listener.taken) for listener in listeners) == 2


class TestSwitching:
    """What everybody in a zone gets when the air changes."""

    def test_the_announcement_comes_before_the_first_packet(self, rig: Rig) -> None:
        listener = rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick()
        kinds = [type(event) for event in events_of(listener)]
        assert kinds == [Welcome, Settings, Idle, Programme, Heard]

    @pytest.mark.parametrize("ptime_ms", [20, 40, 60])
    def test_nothing_captured_before_the_switch_is_missing(
        self, rig: Rig, ptime_ms: int
    ) -> None:
        """A microphone, 200 ms late, is interrupted by a file, which is not."""
        listeners = [rig.join("a", ptime_ms=ptime_ms) for _ in range(3)]
        voice = rig.start(NORMAL, "a", delay_ms=200)
        rig.tick(50)
        file = rig.start(OTHER, "a")
        rig.tick(30)
        due = [
            packet.index
            for packet in voice.packets
            if packet.capture_ns < file.on_air.origin_ns
        ]
        for listener in listeners:
            assert indexes(events_of(listener), NORMAL) == due

    def test_what_is_not_heard_any_more_is_not_flushed(self, rig: Rig) -> None:
        """A file is interrupted by a microphone, whose media are older."""
        listeners = [rig.join("a", ptime_ms=60) for _ in range(3)]
        rig.start(NORMAL, "a")
        rig.tick(50)
        before = [indexes(events_of(x), NORMAL) for x in listeners]
        rig.start(OTHER, "a", delay_ms=200)
        rig.tick(30)
        assert [indexes(events_of(x), NORMAL) for x in listeners] == before

    def test_back_before_its_tail_is_through_nothing_comes_twice(
        self, rig: Rig
    ) -> None:
        listener = rig.join("a")
        rig.start(NORMAL, "a", delay_ms=200)
        rig.tick(20)
        file = rig.start(OTHER, "a")
        rig.tick(3)
        rig.end(OTHER, Switch(("a",), NORMAL, file.end_ns))
        rig.tick(20)
        assert indexes(events_of(listener), NORMAL) == list(range(43))

    @pytest.mark.parametrize("ptime_ms", [20, 40, 60])
    def test_a_packet_the_bus_lost_leaves_a_gap_and_no_more(
        self, rig: Rig, ptime_ms: int
    ) -> None:
        listener = rig.join("a", ptime_ms=ptime_ms)
        programme = rig.start(NORMAL, "a")
        rig.tick(4)
        programme.next_packet(rig.now_ns)
        rig.tick(7)
        heard = indexes(events_of(listener), NORMAL)
        assert heard == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]

    def test_a_return_has_eighty_milliseconds_of_preroll(self, rig: Rig) -> None:
        listener = rig.join("a")
        background = rig.start(BACKGROUND, "a")
        rig.tick(20)
        emergency = rig.start(OTHER, "a")
        rig.tick(50)
        back_ns = emergency.end_ns
        listener.taken.clear()
        rig.end(OTHER, Switch(("a",), BACKGROUND, back_ns))
        rig.tick(2)
        events = events_of(listener)
        assert [a.from_us for a in announced(events)] == [back_ns // 1000]
        wanted = [
            packet.index
            for packet in background.packets
            if packet.capture_ns >= back_ns - 80 * MS
        ]
        assert indexes(events, BACKGROUND) == wanted

    def test_the_end_is_announced_as_silence_from_the_last_sample_on(
        self, rig: Rig
    ) -> None:
        listener = rig.join("a", ptime_ms=60)
        programme = rig.start(NORMAL, "a")
        rig.tick(10)
        rig.end(NORMAL, Switch(("a",), None, programme.end_ns))
        rig.turn()
        events = events_of(listener)
        assert events[-1] == Idle(from_us=programme.end_ns // 1000)
        assert indexes(events, NORMAL) == list(range(10))

    def test_a_programme_that_ends_unswitched_leaves_silence(self, rig: Rig) -> None:
        listener = rig.join("a")
        programme = rig.start(NORMAL, "a")
        rig.tick(3)
        rig.end(NORMAL)
        rig.turn()
        assert events_of(listener)[-1] == Idle(from_us=programme.end_ns // 1000)

    def test_a_packet_of_no_programme_is_counted_and_dropped(self, rig: Rig) -> None:
        listener = rig.join("a")
        programme = rig.start(NORMAL, "a")
        rig.end(NORMAL)
        rig.hub.on_packet(programme.next_packet(rig.now_ns))
        rig.turn()
        assert indexes(events_of(listener), NORMAL) == []
        dropped = rig.metric(
            "loacast_packets_dropped_total",
            transport="websocket",
            reason="unknown_programme",
        )
        assert dropped == 1


class TestSilencing:
    """A switch to an instant long past: nothing that is held shall be heard."""

    @pytest.mark.parametrize("ptime_ms", [20, 40, 60])
    def test_the_announcement_is_the_last_word(self, rig: Rig, ptime_ms: int) -> None:
        listeners = [rig.join("a", ptime_ms=ptime_ms) for _ in range(3)]
        rig.start(NORMAL, "a", delay_ms=200)
        rig.tick(50)
        for listener in listeners:
            listener.taken.clear()
        from_us = rig.silence("a")
        rig.tick(30)
        for listener in listeners:
            assert events_of(listener) == [Idle(from_us)]

    def test_a_tail_under_way_is_cut(self, rig: Rig) -> None:
        listener, other = rig.join("a"), rig.join("b")
        rig.start(NORMAL, "a", "b", delay_ms=200)
        rig.tick(50)
        rig.start(OTHER, "a", "b")
        rig.tick(2)
        listener.taken.clear()
        from_us = rig.silence("a")
        rig.tick(30)
        assert events_of(listener) == [Idle(from_us)]
        assert indexes(events_of(other), NORMAL) == list(range(60))

    def test_what_just_ended_is_not_played_to_its_end(self, rig: Rig) -> None:
        listener = rig.join("a")
        programme = rig.start(NORMAL, "a", delay_ms=200)
        rig.tick(50)
        rig.switch(("a",), None, programme.end_ns + 100 * MS)
        rig.tick()
        listener.taken.clear()
        from_us = rig.silence("a")
        rig.silence("a")  # again is no change
        rig.tick(30)
        assert events_of(listener)[0] == Idle(from_us)
        assert indexes(events_of(listener), NORMAL) == []

    def test_who_joins_meanwhile_hears_nothing(self, rig: Rig) -> None:
        rig.start(NORMAL, "a")
        rig.tick(50)
        from_us = rig.silence("a")
        rig.tick(5)
        listener = rig.join("a")
        rig.tick(5)
        assert events_of(listener)[2:] == [Idle(from_us)]

    def test_who_is_moved_there_is_cut_short(self, rig: Rig) -> None:
        listener = rig.join("b", speaker_id="s")
        rig.start(NORMAL, "a")
        rig.start(OTHER, "b", delay_ms=200)
        rig.tick(50)
        from_us = rig.silence("a")
        rig.tick(5)
        listener.taken.clear()
        rig.hub.update(ListenerIdentity("s", "a", 70, DELAY_MS))
        rig.tick(30)
        assert events_of(listener) == [Welcome("s", "a", 20), Idle(from_us)]

    def test_who_was_stalled_is_told_when_it_recovers(self, rig: Rig) -> None:
        listener = rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(50)
        listener.stalled = True
        rig.tick(2)
        from_us = rig.silence("a")
        rig.tick(5)
        listener.stalled = False
        rig.tick()
        listener.taken.clear()
        rig.hub.tend()
        rig.tick(5)
        assert events_of(listener)[2:] == [Idle(from_us)]

    def test_the_return_has_its_announcement_and_preroll(self, rig: Rig) -> None:
        listener = rig.join("a")
        programme = rig.start(NORMAL, "a")
        rig.tick(50)
        rig.silence("a")
        rig.tick(50)
        listener.taken.clear()
        back_ns = rig.now_ns
        rig.switch(("a",), NORMAL, back_ns)
        rig.tick(5)
        (word,) = announced(events_of(listener))
        assert word.from_us == back_ns // 1000
        wanted = [
            packet.index
            for packet in programme.packets
            if packet.capture_ns >= back_ns - 80 * MS
        ]
        assert indexes(events_of(listener), NORMAL) == wanted

    def test_a_programme_since_long_ago_is_sent_from_what_can_be_played(
        self, rig: Rig
    ) -> None:
        listener = rig.join("a")
        programme = rig.start(NORMAL, "b")
        rig.tick(400)
        rig.switch(("a",), NORMAL, rig.now_ns - REACH_NS)
        rig.turn()
        (first, *_) = indexes(events_of(listener), NORMAL)
        playable_ns = rig.now_ns - DELAY_MS * MS
        assert playable_ns - 80 * MS <= programme.packets[first].capture_ns
        assert programme.packets[first].capture_ns < playable_ns


class TestTakes:
    """One broadcast under several SSRCs, one after the other."""

    @pytest.mark.parametrize("ptime_ms", [20, 60])
    def test_the_second_is_a_programme_like_any_other(
        self, rig: Rig, ptime_ms: int
    ) -> None:
        listener = rig.join("a", ptime_ms=ptime_ms)
        first = rig.start(NORMAL, "a", broadcast_id="b")
        rig.tick(10)
        emergency = rig.start(OTHER, "a")
        rig.end(NORMAL)
        rig.tick(20)
        rig.end(OTHER, Switch(("a",), None, emergency.end_ns))
        second = rig.start(NORMAL + 2, "a", broadcast_id="b")
        rig.tick(12)
        events = events_of(listener)
        words = [a for a in announced(events) if isinstance(a, Programme)]
        assert [(w.broadcast, w.ssrc) for w in words] == [
            ("b", NORMAL),
            (f"b{OTHER}", OTHER),
            ("b", NORMAL + 2),
        ]
        assert words[2].from_us == second.on_air.origin_ns // 1000
        assert len(indexes(events, NORMAL)) == len(first.packets)
        assert indexes(events, NORMAL + 2) == list(range(12))
        assert rig.hub.programmes_by_class() == {"normal": 1}

    def test_the_second_may_follow_at_once(self, rig: Rig) -> None:
        listener = rig.join("a", ptime_ms=60)
        first = rig.start(NORMAL, "a", broadcast_id="b")
        rig.tick(10)
        rig.start(OTHER, "a", broadcast_id="b", origin_ns=first.end_ns)
        rig.end(NORMAL)
        rig.tick(12)
        assert indexes(events_of(listener), NORMAL) == list(range(10))
        assert indexes(events_of(listener), OTHER) == list(range(12))


class TestSpeakersThatChange:
    """What the API's changes do."""

    def test_new_settings_are_told(self, rig: Rig) -> None:
        listener = rig.join("a", speaker_id="s")
        rig.hub.update(ListenerIdentity("s", "a", 5, 1000))
        rig.turn()
        assert events_of(listener)[3:] == [Settings(5, 1000)]

    def test_a_new_floor_of_emergencies_is_told(self, rig: Rig) -> None:
        listener = rig.join("a", speaker_id="s")
        floor = replace(listener.identity, emergency_volume_percent=80)
        rig.hub.update(floor)
        rig.hub.update(floor)
        rig.turn()
        assert events_of(listener)[3:] == [Settings(70, DELAY_MS, 80)]

    def test_the_same_identity_again_tells_nothing(self, rig: Rig) -> None:
        listener = rig.join("a", speaker_id="s")
        rig.hub.update(listener.identity)
        rig.turn()
        assert len(events_of(listener)) == 3

    def test_a_speaker_that_moves_hears_its_new_zone_from_now_on(
        self, rig: Rig
    ) -> None:
        listener = rig.join("a", speaker_id="s")
        rig.start(NORMAL, "a")
        other = rig.start(OTHER, "b")
        rig.tick(10)
        listener.taken.clear()
        rig.hub.update(ListenerIdentity("s", "b", 70, DELAY_MS))
        moved_ns = rig.now_ns
        rig.tick(10)
        events = events_of(listener)
        assert events[0] == Welcome("s", "b", 20)
        assert [a.from_us for a in announced(events)] == [moved_ns // 1000]
        heard = indexes(events, OTHER)
        assert heard == list(range(heard[0], 20))
        assert other.packets[heard[0]].capture_ns <= moved_ns
        # What was captured before the move, but encoded after it.
        assert indexes(events, NORMAL) == [10]
        assert rig.hub.listeners_by_zone() == {"b": 1}

    def test_moving_within_a_programme_interrupts_nothing(self, rig: Rig) -> None:
        listener = rig.join("a", speaker_id="s", ptime_ms=40)
        rig.start(NORMAL, "a", "b")
        rig.tick(5)
        rig.hub.update(ListenerIdentity("s", "b", 70, DELAY_MS))
        rig.tick(5)
        heard = indexes(events_of(listener), NORMAL)
        assert heard == list(range(len(heard)))
        assert len(heard) >= 9

    def test_a_revoked_speaker_is_closed(self, rig: Rig) -> None:
        listener = rig.join("a", speaker_id="s")
        other = rig.join("a", speaker_id="t")
        rig.hub.revoke("s")
        assert listener.ending == endings.REVOKED
        assert other.ending is None
        assert len(rig.hub) == 1

    def test_a_speaker_that_left_gets_nothing_more(self, rig: Rig) -> None:
        listener = rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(2)
        rig.hub.remove(listener)
        rig.hub.remove(listener)
        rig.tick(2)
        assert indexes(events_of(listener), NORMAL) == [0, 1]
        assert rig.hub.listeners_by_zone() == {}


class TestTwoConnectionsOfOneSpeaker:
    """Make before break."""

    def test_the_older_is_closed_after_five_seconds(self, rig: Rig) -> None:
        older = rig.join("a", speaker_id="s")
        newer = rig.join("a", speaker_id="s")
        rig.now_ns += 4_900 * MS
        rig.hub.tend()
        assert older.ending is None
        rig.now_ns += 100 * MS
        rig.hub.tend()
        assert older.ending == endings.REPLACED
        assert newer.ending is None

    def test_the_older_stays_if_the_newer_is_gone_by_then(self, rig: Rig) -> None:
        """A second connection that failed, or a self-test, costs no audio."""
        older = rig.join("a", speaker_id="s")
        rig.hub.remove(rig.join("a", speaker_id="s"))
        rig.now_ns += 6_000 * MS
        rig.hub.tend()
        assert older.ending is None

    def test_a_third_one_ends_the_first_at_once(self, rig: Rig) -> None:
        first, second, third = (rig.join("a", speaker_id="s") for _ in range(3))
        assert first.ending == endings.REPLACED
        assert second.ending is None
        assert third.ending is None

    def test_the_speaker_counts_once(self, rig: Rig) -> None:
        rig.join("a", speaker_id="s")
        rig.join("a", speaker_id="s")
        assert rig.hub.listeners_by_zone() == {"a": 1}


class TestStalledLinks:
    """DESIGN.md, decision 7."""

    def test_a_stalled_listener_is_skipped_and_others_are_not(self, rig: Rig) -> None:
        stalled, other = rig.join("a"), rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(2)
        stalled.stalled = True
        rig.tick(10)
        assert indexes(events_of(other), NORMAL) == list(range(12))
        queued = stalled.unsent_bytes()
        assert 0 < queued < 100  # one packet, however long it lasts
        skipped = rig.metric("loacast_packets_skipped_total", transport="websocket")
        assert skipped == 9

    def test_bytes_of_this_iteration_are_no_stall(self, rig: Rig) -> None:
        """A late loop runs several packets at once; uvloop has sent none of them."""
        listener = rig.join("a")
        rig.start(NORMAL, "a")
        for _ in range(5):
            rig.emit()
        rig.turn()
        assert indexes(events_of(listener), NORMAL) == list(range(5))

    def test_a_short_stall_is_made_good(self, rig: Rig) -> None:
        listener = rig.join("a", ptime_ms=60)
        rig.start(NORMAL, "a")
        rig.tick(3)
        listener.stalled = True
        rig.tick(12)
        listener.stalled = False
        rig.tick(10)
        heard = indexes(events_of(listener), NORMAL)
        assert heard == list(range(len(heard)))
        assert len(heard) >= 23

    def test_after_a_long_stall_it_is_at_the_live_edge(self, rig: Rig) -> None:
        listener = rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(3)
        listener.stalled = True
        rig.tick(200)
        listener.stalled = False
        rig.tick(3)
        heard = indexes(events_of(listener), NORMAL)
        gaps = [b - a for a, b in pairwise(heard) if b != a + 1]
        assert len(gaps) == 1
        assert heard[-1] == 205
        assert len(heard) < 3 + 1 + 24 + 3

    def test_ten_seconds_end_the_connection(self, rig: Rig) -> None:
        listener = rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(1)
        listener.stalled = True
        rig.tick(501)
        assert listener.ending is None
        rig.tick()
        assert listener.ending == endings.STALLED
        assert len(rig.hub) == 0

    def test_a_missed_announcement_is_made_good(self, rig: Rig) -> None:
        listener = rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(3)
        listener.stalled = True
        rig.tick(2)
        rig.start(OTHER, "a")
        rig.tick(5)
        listener.stalled = False
        rig.tick(5)
        events = events_of(listener)
        assert isinstance(events[-1], Heard)
        last = announced(events)[-1]
        assert isinstance(last, Programme)
        assert last.ssrc == OTHER
        assert indexes(events, OTHER) == list(range(10))

    def test_silence_missed_is_told_when_the_link_recovers(self, rig: Rig) -> None:
        """No packet flows then: tending notices."""
        listener = rig.join("a")
        programme = rig.start(NORMAL, "a")
        rig.tick(3)
        listener.stalled = True
        rig.tick(2)
        rig.end(NORMAL, Switch(("a",), None, programme.end_ns))
        rig.turn()
        listener.stalled = False
        rig.turn()
        rig.hub.tend()
        rig.turn()
        assert events_of(listener)[-1] == Idle(from_us=programme.end_ns // 1000)

    def test_answers_are_not_queued_on_a_stalled_link(self, rig: Rig) -> None:
        listener = rig.join("a")
        rig.turn()
        assert rig.hub.reply(listener, b"\x81\x00")
        listener.stalled = True
        rig.turn()
        assert not rig.hub.reply(listener, b"\x81\x00")

    def test_a_broken_link_disturbs_nobody(self, rig: Rig) -> None:
        broken, other = rig.join("a"), rig.join("a")
        rig.start(NORMAL, "a")
        broken.broken = True
        rig.tick(2)
        rig.start(OTHER, "a")
        rig.tick(2)
        assert indexes(events_of(other), NORMAL) == [0, 1]
        assert indexes(events_of(other), OTHER) == [0, 1]


class TestPreemptLatency:
    """The histogram."""

    def latency_s(self, rig: Rig, programme_class: str) -> float:
        return rig.metric(
            "loacast_preempt_latency_seconds_sum",
            **{"transport": "websocket", "class": programme_class},
        )

    def count(self, rig: Rig) -> float:
        return sum(
            rig.metric(
                "loacast_preempt_latency_seconds_count",
                **{"transport": "websocket", "class": str(c)},
            )
            for c in ProgrammeClass
        )

    def test_is_the_time_from_acceptance_to_the_last_listeners_first_packet(
        self, rig: Rig
    ) -> None:
        for ptime_ms in (20, 40, 40):
            rig.join("a", ptime_ms=ptime_ms)
        rig.start(
            OTHER,
            "a",
            programme_class=ProgrammeClass.EMERGENCY,
            accepted_ns=rig.now_ns - 5 * MS,
        )
        rig.tick()
        assert self.count(rig) == 0  # one of the 40 ms listeners still waits
        rig.tick(5)
        assert self.latency_s(rig, "emergency") == pytest.approx(0.045)

    def test_a_programme_that_cuts_nobody_off_is_not_counted(self, rig: Rig) -> None:
        rig.join("a")
        rig.start(NORMAL, "a", accepted_ns=rig.now_ns)
        rig.tick(5)
        assert self.count(rig) == 0

    def test_a_normal_programme_that_cuts_one_off_is(self, rig: Rig) -> None:
        rig.join("a")
        rig.start(BACKGROUND, "a")
        rig.tick(5)
        rig.start(NORMAL, "a", accepted_ns=rig.now_ns)
        rig.tick(5)
        assert self.count(rig) == 1
        assert self.latency_s(rig, "normal") == pytest.approx(0.02)


def test_packets_sent_are_counted_once_a_turn(rig: Rig) -> None:
    for _ in range(3):
        rig.join("a")
    rig.start(NORMAL, "a")
    rig.tick(4)
    assert rig.metric("loacast_packets_sent_total", transport="websocket") == 12
    assert rig.hub.programmes_by_class() == {"normal": 1}


class TestRing:
    """What sending to all sockets at once must not do."""

    def test_all_of_a_group_are_handed_a_packet_by_one_call(self) -> None:
        rig = Rig(ring=True)
        listeners = [rig.join("a") for _ in range(3)]
        rig.start(NORMAL, "a")
        rig.tick(2)
        assert rig.ring is not None
        before = rig.ring.calls
        rig.tick(5)
        assert rig.ring.calls - before == 5
        for listener in listeners:
            assert indexes(events_of(listener), NORMAL) == list(range(7))

    def test_what_others_queued_in_a_transport_is_not_overtaken(self) -> None:
        rig = Rig(ring=True)
        listener, other = rig.join("a"), rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(2)
        listener.write(text_frame(serialize(Idle(from_us=1))))  # the library's pong
        rig.hub.queued(listener)
        rig.tick(2)  # the fake socket raises if it is handed bytes meanwhile
        heard = events_of(listener)
        assert heard[-3:] == [Idle(from_us=1), Heard(NORMAL, 2), Heard(NORMAL, 3)]
        assert indexes(events_of(other), NORMAL) == list(range(4))

    def test_a_link_that_breaks_disturbs_nobody(self) -> None:
        rig = Rig(ring=True)
        broken, other = rig.join("a"), rig.join("a")
        rig.start(NORMAL, "a")
        rig.tick(2)
        broken.broken = True
        rig.tick(2)
        assert indexes(events_of(other), NORMAL) == list(range(4))
        assert broken.unsent_bytes() == 0
