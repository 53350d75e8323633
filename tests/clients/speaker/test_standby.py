"""When a second connection is opened: decided in virtual time."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from clients.speaker.standby import AUDIO_LIMIT_NS, PONG_LIMIT_NS, Standby

MS = 1_000_000
FRAME_NS = 20 * MS
LOOK_NS = 250 * MS


def at_once(low: float, high: float) -> float:
    return low


def latest(low: float, high: float) -> float:
    return high


def playing(standby: Standby, *, for_ns: int = 2_000 * MS) -> int:
    """Play a while; return the instant of the last packet."""
    standby.began(now_ns=0)
    standby.expecting(True, now_ns=0)
    for now_ns in range(0, for_ns, FRAME_NS):
        standby.packet(now_ns=now_ns)
    return for_ns - FRAME_NS


def opened_after(standby: Standby, last_ns: int, *, within_ns: int) -> int | None:
    """Look as the link does; return how old the audio was when it opened another."""
    for now_ns in range(last_ns, last_ns + within_ns, LOOK_NS):
        if standby.wants_another(now_ns=now_ns):
            return now_ns - last_ns
    return None


class TestAudioThatStops:
    """A frozen path is noticed by what it does not bring."""

    def test_a_dead_path_is_left_when_its_audio_is_three_seconds_old(self) -> None:
        standby = Standby(at_once)
        last_ns = playing(standby)
        age_ns = opened_after(standby, last_ns, within_ns=10_000 * MS)
        assert age_ns is not None
        assert 0 <= age_ns - AUDIO_LIMIT_NS < LOOK_NS

    def test_it_takes_a_second_more_at_most(self) -> None:
        standby = Standby(latest)
        age_ns = opened_after(standby, playing(standby), within_ns=10_000 * MS)
        assert age_ns is not None
        assert age_ns < AUDIO_LIMIT_NS + 1_000 * MS + LOOK_NS

    def test_nothing_is_missed_while_nothing_is_on_air(self) -> None:
        standby = Standby(at_once)
        last_ns = playing(standby)
        standby.expecting(False, now_ns=last_ns)
        assert opened_after(standby, last_ns, within_ns=60_000 * MS) is None

    def test_silence_before_a_programme_is_not_held_against_it(self) -> None:
        standby = Standby(at_once)
        standby.began(now_ns=0)
        standby.expecting(False, now_ns=0)
        standby.expecting(True, now_ns=100_000 * MS)
        assert not standby.wants_another(now_ns=102_000 * MS)

    def test_audio_that_comes_back_calls_it_off(self) -> None:
        standby = Standby(latest)
        last_ns = playing(standby)
        late_ns = last_ns + AUDIO_LIMIT_NS + 100 * MS
        assert not standby.wants_another(now_ns=late_ns)  # decided, not yet due
        standby.packet(now_ns=late_ns)
        assert opened_after(standby, late_ns, within_ns=2_500 * MS) is None

    def test_a_mute_server_is_asked_by_everybody_at_another_time(self) -> None:
        """It answers pings and has no audio: thousands must not come at once."""
        ages: list[int] = []
        rng = random.Random(4)
        for _ in range(500):
            standby = Standby(rng.uniform)
            last_ns = playing(standby, for_ns=100 * MS)
            for now_ns in range(last_ns, last_ns + 60_000 * MS, LOOK_NS):
                standby.message(now_ns=now_ns)
                if standby.wants_another(now_ns=now_ns):
                    ages.append(now_ns - last_ns)
                    break
        assert len(ages) == 500
        assert min(ages) < 5_000 * MS
        assert max(ages) > 30_000 * MS
        busiest = max(
            sum(s <= age / 1e9 < s + 2 for age in ages) for s in range(3, 33, 2)
        )
        assert busiest < 2 * 500 / 15


class TestPongsThatStop:
    """Where nothing is on air a ping without an answer is the only sign."""

    def test_a_ping_that_is_not_answered_opens_another(self) -> None:
        standby = Standby(at_once)
        standby.began(now_ns=0)
        standby.asked(now_ns=0)
        standby.asked(now_ns=5_000 * MS)  # the oldest counts
        assert not standby.wants_another(now_ns=PONG_LIMIT_NS - 1)
        assert standby.wants_another(now_ns=PONG_LIMIT_NS)

    def test_an_answer_clears_it(self) -> None:
        standby = Standby(at_once)
        standby.began(now_ns=0)
        standby.asked(now_ns=0)
        standby.answered(now_ns=100 * MS)
        assert not standby.wants_another(now_ns=100_000 * MS)

    def test_a_suspect_server_is_asked_each_second(self) -> None:
        standby = Standby(at_once)
        last_ns = playing(standby)
        asked = [
            (now_ns - last_ns) // MS
            for now_ns in range(last_ns, last_ns + 3_100 * MS, LOOK_NS)
            if standby.asks(now_ns=now_ns)
        ]
        assert asked == [1_000, 2_000, 3_000]


class TestFailedAttempts:
    """A second connection may come to nothing, again and again."""

    def test_each_further_attempt_waits_longer(self) -> None:
        standby = Standby(latest)
        now_ns = playing(standby) + AUDIO_LIMIT_NS
        waits = []
        for _ in range(7):
            age_ns = opened_after(standby, now_ns, within_ns=100_000 * MS)
            assert age_ns is not None
            waits.append(age_ns // 1_000_000_000)
            now_ns += age_ns
            standby.failed(now_ns=now_ns, refused=False)
        assert waits == [1, 2, 4, 8, 16, 30, 30]

    def test_one_who_knows_the_crowd_tries_a_dead_path_again_soon(self) -> None:
        standby = Standby(latest)
        standby.told(33_333)
        now_ns = playing(standby) + AUDIO_LIMIT_NS
        waits = []
        for _ in range(7):
            age_ns = opened_after(standby, now_ns, within_ns=100_000 * MS)
            assert age_ns is not None
            waits.append(age_ns)
            now_ns += age_ns
            standby.failed(now_ns=now_ns, path=True)
        assert max(waits) <= 1_500 * MS

    def test_one_whose_attempt_is_refused_goes_to_its_place_in_the_row(self) -> None:
        standby = Standby(latest)
        standby.told(33_333)
        now_ns = playing(standby) + AUDIO_LIMIT_NS + 1_000 * MS
        assert not standby.wants_another(now_ns=now_ns - 1_000 * MS)
        assert standby.wants_another(now_ns=now_ns)
        standby.failed(now_ns=now_ns, path=False)
        age_ns = opened_after(standby, now_ns, within_ns=100_000 * MS)
        assert age_ns is not None
        assert age_ns // (1_000 * MS) == 33

    def test_a_refused_credential_is_not_tried_again_within_a_minute(self) -> None:
        standby = Standby(at_once)
        now_ns = playing(standby) + AUDIO_LIMIT_NS
        assert standby.wants_another(now_ns=now_ns)
        standby.failed(now_ns=now_ns, refused=True)
        assert opened_after(standby, now_ns, within_ns=59_000 * MS) is None

    def test_a_connection_that_brings_nothing_either_is_given_its_time(self) -> None:
        standby = Standby(latest)
        now_ns = playing(standby) + AUDIO_LIMIT_NS + 1_000 * MS
        standby.wants_another(now_ns=now_ns - 1_000 * MS)
        assert standby.wants_another(now_ns=now_ns)
        standby.began(now_ns=now_ns)
        again_ns = opened_after(standby, now_ns, within_ns=20_000 * MS)
        assert again_ns is not None
        # 3 s, and the second wait of the backoff, which nothing has reset.
        assert again_ns >= AUDIO_LIMIT_NS + 2_000 * MS


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10_000 * MS),
            st.sampled_from(["packet", "asked", "answered", "message", "on", "off"]),
        ),
        max_size=60,
    )
)
def test_law_no_other_connection_without_a_reason(
    events: list[tuple[int, str]],
) -> None:
    """Only what is 3 s old, or a question of 6 s, justifies one."""
    standby = Standby(at_once)
    standby.began(now_ns=0)
    now_ns, since_ns, asked_ns, expecting = 0, 0, None, False
    for wait_ns, event in events:
        now_ns += wait_ns
        wants = standby.wants_another(now_ns=now_ns)
        old = expecting and now_ns - since_ns >= AUDIO_LIMIT_NS
        unanswered = asked_ns is not None and now_ns - asked_ns >= PONG_LIMIT_NS
        if wants:
            assert old or unanswered
        match event:
            case "packet":
                standby.packet(now_ns=now_ns)
                since_ns = now_ns
            case "asked":
                standby.asked(now_ns=now_ns)
                asked_ns = now_ns if asked_ns is None else asked_ns
            case "answered":
                standby.answered(now_ns=now_ns)
                asked_ns = None
            case "message":
                standby.message(now_ns=now_ns)
            case _:
                standby.expecting(event == "on", now_ns=now_ns)
                if event == "on" and not expecting:
                    since_ns = now_ns
                expecting = event == "on"
