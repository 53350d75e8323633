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
from clients.speaker.handshake import Address
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
    def test_ten_thousand_whose_server_was_killed_spread_by_themselves(
        self, down_s: float, per_second: int
    ) -> None:
        """Without a hint the waits double: the longer it is down, the wider."""
        rng = random.Random(10)
        back: list[float] = []
        for _ in range(10_000):
            backoff, now_s = Backoff(rng.uniform), 0.0
            while now_s < down_s:
                now_s += backoff.delay_s()
            back.append(now_s - down_s)
        assert np.percentile(back, 95) <= 60
        assert np.bincount(np.array(back, dtype=int)).max() <= per_second


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
            (ConnectionClosedError(None, None), "the connection was lost"),
            (KeyError("x"), "unexpected: KeyError('x')"),
        ],
    )
    def test_everything_else_is_said_plainly(self, error: Exception, text: str) -> None:
        mishap = explain(error)
        assert mishap.text.startswith(text)
        assert mishap == Mishap(mishap.text)


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
