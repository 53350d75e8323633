"""The pure parts of the link: when to try again, what went wrong, whom to ask."""

from __future__ import annotations

import random
import socket
import ssl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Response

from clients.speaker.backoff import BASE_S, CAP_S, MAX_HINT_S, REFUSED_S, Backoff
from clients.speaker.conversation import (
    JITTERY_NS,
    LEARN_PERIOD_S,
    LEARN_PINGS,
    PING_PERIOD_S,
    QUICK_PERIOD_S,
    QUICK_PINGS,
    SEARCH_PERIOD_S,
    ping_period_s,
)
from clients.speaker.handshake import CONNECT_TIMEOUT_S, Address
from clients.speaker.mishaps import Mishap, explain


def refusal(status: int, body: bytes = b"", **headers: str) -> InvalidStatus:
    fields = Headers({name.replace("_", "-"): v for name, v in headers.items()})
    return InvalidStatus(Response(status, "", fields, body))


class TestBackoff:
    """Full jitter: anything from zero to a bound that doubles."""

    def test_the_bound_doubles_up_to_the_cap(self) -> None:
        backoff = Backoff(lambda low, high: high)
        delays = [backoff.delay_s() for _ in range(8)]
        assert delays == [2, 4, 8, 16, 32, 60, 60, 60]

    def test_the_jitter_is_full(self) -> None:
        assert Backoff(lambda low, high: low).delay_s() == 0

    def test_success_begins_anew(self) -> None:
        backoff = Backoff(lambda low, high: high)
        backoff.delay_s()
        backoff.succeeded()
        assert backoff.delay_s() == BASE_S

    def test_a_hint_is_obeyed_and_spread(self) -> None:
        assert Backoff(lambda low, high: high).delay_s(hint_s=5) == 5 + BASE_S

    def test_a_refusal_is_slow_at_once(self) -> None:
        backoff = Backoff(lambda low, high: low)
        assert backoff.delay_s(refused=True) == REFUSED_S

    @given(
        hints=st.lists(
            st.tuples(st.floats(-1e9, 1e9), st.booleans()), min_size=1, max_size=2_000
        )
    )
    def test_law_no_delay_is_negative_or_longer_than_the_bounds(
        self, hints: list[tuple[float, bool]]
    ) -> None:
        backoff = Backoff(random.Random(1).uniform)
        for hint_s, refused in hints:
            delay_s = backoff.delay_s(hint_s=hint_s, refused=refused)
            assert 0 <= delay_s <= MAX_HINT_S + CAP_S

    def test_a_province_spreads_over_the_whole_interval(self) -> None:
        """No second gets more than its share by chance (row 11 of the numbers)."""
        rng = random.Random(3)
        arrivals = []
        for _ in range(3_000):
            backoff = Backoff(rng.uniform)
            arrivals.append(sum(backoff.delay_s() for _ in range(4)))
        busiest = max(sum(s <= a < s + 1 for a in arrivals) for s in range(40))
        assert busiest < 1.3 * 3_000 / 12

    def test_ten_thousand_are_back_in_a_minute_and_never_as_a_herd(self) -> None:
        """Row 9 of research/speaker.md: at most 1.3 N/W a second, 95 % in 60 s.

        A server that restarts names each of N speakers a time of its own, 300 a
        second (FORMAT.md, The end), so W = N/300.
        """
        n, window_s = 10_000, 10_000 / 300
        rng = random.Random(9)
        back = np.array(
            [
                Backoff(rng.uniform).delay_s(hint_s=1 + number * window_s / n)
                for number in range(n)
            ]
        )
        assert np.percentile(back, 95) <= 60
        assert np.bincount(back.astype(int)).max() <= 1.3 * n / window_s
        # By the millisecond they come as if each had thrown dice for itself: the
        # share of gaps above the mean is e**-1 where arrivals are independent.
        gaps = np.diff(np.sort(back))
        assert abs((gaps > gaps.mean()).mean() - np.exp(-1)) < 0.02

    @pytest.mark.parametrize(("down_s", "per_second"), [(20, 900), (60, 900)])
    def test_ten_thousand_who_were_told_nothing_spread_by_themselves(
        self, down_s: float, per_second: int
    ) -> None:
        """The waits double: the longer it is down, the wider."""
        back = returns(10_000, down_s=down_s)
        assert np.percentile(back, 95) <= 60
        assert np.bincount(back.astype(int)).max() <= per_second


SPREAD_MS = 33_333
"What a server says that knows 10,000 speakers."


def returns(
    count: int,
    *,
    down_s: float,
    spread_ms: int | None = None,
    hinted: bool = False,
    mute_s: float = 0.0,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return how long after their server is back each of *count* speakers is.

    Args:
        count: How many lose it, all in the same instant.
        down_s: How long it is away; from then on it takes whoever comes.
        spread_ms: What its welcome said.
        hinted: It also said goodbye, with a time of its own for each.
        mute_s: For so long, at first, not even a refusal comes.
    """
    rng = random.Random(10)
    back = []
    for number in range(count):
        backoff, hint_s = Backoff(rng.uniform), 1 + number / 300 if hinted else 0.0
        backoff.told(spread_ms)
        now_s = backoff.delay_s(hint_s=hint_s, path=mute_s > 0)
        while now_s < down_s:
            mute = now_s < mute_s
            now_s += CONNECT_TIMEOUT_S * mute
            now_s += backoff.delay_s(path=mute)
        back.append(now_s - down_s)
    return np.array(back)


class TestTheRow:
    """A server says over which time its crowd shall return; each keeps a place."""

    @pytest.mark.parametrize("hinted", [False, True])
    @pytest.mark.parametrize("down_s", [0, 5, 20, 33, 60, 300])
    def test_ten_thousand_are_back_in_a_minute_whenever_the_server_is(
        self, down_s: float, hinted: bool
    ) -> None:
        """Row 9 of research/speaker.md: at most 1.3 N/W a second, 95 % in 60 s.

        Killed without a word, or restarted and slower than its hints.
        """
        back = returns(10_000, down_s=down_s, spread_ms=SPREAD_MS, hinted=hinted)
        assert np.percentile(back, 95) <= 60
        assert np.bincount(back.astype(int)).max() <= 1.3 * 300

    def test_a_host_that_is_mute_before_it_refuses_does_not_gather_them(self) -> None:
        back = returns(10_000, down_s=90, spread_ms=SPREAD_MS, mute_s=60)
        assert np.percentile(back, 95) <= 60
        assert np.bincount(back.astype(int)).max() <= 1.3 * 300

    @pytest.mark.parametrize("down_s", [0, 5, 20])
    def test_three_thousand_hear_again_within_half_a_minute(
        self, down_s: float
    ) -> None:
        """Row 11 of the numbers."""
        back = returns(3_000, down_s=down_s, spread_ms=10_000)
        assert np.percentile(back, 95) <= 30

    @pytest.mark.parametrize("down_s", [5, 20, 60, 300])
    def test_a_commune_is_soon_back(self, down_s: float) -> None:
        back = returns(300, down_s=down_s, spread_ms=1_000)
        assert back.max() <= max(1.1, 0.15 * down_s)

    def test_a_path_that_is_dead_is_tried_at_once_however_long_the_row(self) -> None:
        backoff = Backoff(lambda low, high: high)
        backoff.told(SPREAD_MS)
        assert [backoff.delay_s(path=True) for _ in range(5)] == pytest.approx(
            [1, 1.1, 1.1, 1.1, 1.1]
        )

    def test_days_of_it_cost_few_attempts(self) -> None:
        backoff, waited_s, attempts = Backoff(lambda low, high: low), 0.0, 0
        backoff.told(0)
        while waited_s < 86_400:
            waited_s += backoff.delay_s(path=True)
            attempts += 1
        assert attempts < 86_400 / 60 + 60

    def test_success_begins_anew(self) -> None:
        backoff = Backoff(lambda low, high: high)
        backoff.told(SPREAD_MS)
        first_s = backoff.delay_s()
        assert backoff.delay_s() > first_s
        backoff.succeeded()
        assert backoff.delay_s() == first_s

    @given(
        spread_ms=st.integers(-(2**53), 2**53),
        mishaps=st.lists(
            st.tuples(st.floats(-1e9, 1e9), st.booleans(), st.booleans()),
            min_size=1,
            max_size=100,
        ),
    )
    def test_law_whatever_the_server_says_no_wait_is_negative_or_endless(
        self, spread_ms: int, mishaps: list[tuple[float, bool, bool]]
    ) -> None:
        backoff = Backoff(random.Random(1).uniform)
        backoff.told(spread_ms)
        for hint_s, refused, path in mishaps:
            delay_s = backoff.delay_s(hint_s=hint_s, refused=refused, path=path)
            assert 0 <= delay_s <= MAX_HINT_S + 1.1 * MAX_HINT_S


class TestMishaps:
    """Words for whoever mends it."""

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_credential(self, status: int) -> None:
        mishap = explain(refusal(status))
        assert "credential" in mishap.text
        assert mishap.refused

    def test_a_wrong_question_is_not_repeated_soon(self) -> None:
        mishap = explain(refusal(400, b"ptime_ms must be one of (20, 40, 60).\n"))
        assert "ptime_ms must be" in mishap.text
        assert mishap.refused

    @pytest.mark.parametrize(
        ("header", "hint_s"), [("60", 60), ("soon", 0), ("9999999", 0), ("", 0)]
    )
    def test_a_full_server_says_when(self, header: str, hint_s: float) -> None:
        mishap = explain(refusal(503, Retry_After=header))
        assert mishap.retry_after_s == hint_s
        assert not mishap.refused

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (ConnectionRefusedError(111, "x"), "nobody answers at the server's port"),
            (socket.gaierror(-2, "x"), "the server's name cannot be resolved"),
            (TimeoutError(), "the server did not answer in time"),
            (ssl.SSLCertVerificationError(), "the server's certificate is not trusted"),
            (OSError(101, "Network is unreachable"), "the network failed: Network is"),
            (OSError(24, "Too many open files"), "the network failed: Too many"),
            (ConnectionClosedError(None, None), "the connection was lost"),
            (KeyError("x"), "unexpected: KeyError('x')"),
        ],
    )
    def test_everything_else_is_said_plainly(self, error: Exception, text: str) -> None:
        mishap = explain(error)
        assert mishap.text.startswith(text)
        assert mishap == Mishap(mishap.text, path=mishap.path)

    @pytest.mark.parametrize(
        ("error", "path"),
        [
            (ConnectionRefusedError(111, "x"), False),
            (ConnectionResetError(104, "x"), False),
            (ConnectionClosedError(None, None), False),
            (refusal(503), False),
            (socket.gaierror(-3, "x"), True),
            (TimeoutError(), True),
            (OSError(101, "Network is unreachable"), True),
            (OSError(113, "No route to host"), True),
        ],
    )
    def test_a_server_that_is_away_is_told_from_a_dead_path(
        self, error: Exception, path: bool
    ) -> None:
        assert explain(error).path is path


class TestAddress:
    """Where to connect, and no secrets in logs."""

    @pytest.mark.parametrize(
        ("url", "full"),
        [
            ("ws://h:8081/v1/listen", "ws://h:8081/v1/listen?ptime_ms=40"),
            ("wss://h/v1/listen?x=1", "wss://h/v1/listen?x=1&ptime_ms=40"),
        ],
    )
    def test_asks_for_its_packet_time(self, url: str, full: str) -> None:
        assert Address(url, "secret", 40).full_url == full

    def test_does_not_show_the_credential(self) -> None:
        assert "secret" not in repr(Address("ws://h", "secret"))


class TestPings:
    """How often the server's clock is asked for."""

    def test_a_burst_comes_first_whatever_is_known(self) -> None:
        for pings in range(QUICK_PINGS):
            period_s = ping_period_s(pings, synchronised=True, jitter_ns=10**9)
            assert period_s == QUICK_PERIOD_S

    def test_an_unknown_clock_is_searched_for(self) -> None:
        period_s = ping_period_s(500, synchronised=False, jitter_ns=0)
        assert period_s == SEARCH_PERIOD_S

    def test_behind_a_quiet_link_it_is_slow_at_once(self) -> None:
        period_s = ping_period_s(QUICK_PINGS, synchronised=True, jitter_ns=JITTERY_NS)
        assert period_s == PING_PERIOD_S

    def test_behind_a_jittery_one_it_is_learnt_for_a_minute(self) -> None:
        periods = [
            ping_period_s(pings, synchronised=True, jitter_ns=JITTERY_NS + 1)
            for pings in range(QUICK_PINGS, QUICK_PINGS + LEARN_PINGS + 5)
        ]
        assert periods == [LEARN_PERIOD_S] * LEARN_PINGS + [PING_PERIOD_S] * 5
        assert sum(periods[:LEARN_PINGS]) == 60
