"""Tests of the small parts of streamer.fanout."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode

from streamer.fanout.frames import binary_frame, text_frame
from streamer.fanout.handshake import credential_of, ptime_ms_of
from streamer.fanout.listener import FakeListener, ListenerIdentity
from streamer.fanout.member import Member
from streamer.fanout.presence import Presence
from streamer.fanout.ratelimit import TokenBucket
from streamer.fanout.roster import Roster

SECOND_NS = 1_000_000_000


@given(st.integers(0, 70_000) | st.sampled_from([125, 126, 65_535, 65_536]))
def test_frames_are_those_of_the_websockets_library(length: int) -> None:
    payload = bytes(length)
    theirs = Frame(Opcode.BINARY, payload).serialize(mask=False)
    assert binary_frame(payload) == theirs


def test_text_frames_are_utf8() -> None:
    theirs = Frame(Opcode.TEXT, "Khẩn cấp".encode()).serialize(mask=False)
    assert text_frame("Khẩn cấp") == theirs


class TestTokenBucket:
    """Bursts pass, floods do not."""

    def test_a_burst_and_no_more(self) -> None:
        bucket = TokenBucket(40, 20, now_ns=0)
        assert [bucket.spend(1, now_ns=0) for _ in range(41)] == [True] * 40 + [False]

    def test_rest_refills_it_up_to_the_burst(self) -> None:
        bucket = TokenBucket(40, 20, now_ns=0)
        assert bucket.spend(40, now_ns=0)
        assert bucket.spend(1, now_ns=SECOND_NS // 20)
        assert bucket.spend(40, now_ns=100 * SECOND_NS)
        assert not bucket.spend(1, now_ns=100 * SECOND_NS)

    @given(st.lists(st.integers(0, SECOND_NS // 20), max_size=200))
    def test_law_no_more_than_the_burst_and_what_came_back(
        self, gaps_ns: list[int]
    ) -> None:
        bucket, now_ns = TokenBucket(10, 20, now_ns=0), 0
        for spent, gap_ns in enumerate(gaps_ns):
            now_ns += gap_ns
            if not bucket.spend(1, now_ns=now_ns):
                assert spent >= 10
                return
            assert spent <= 10 + now_ns * 20 // SECOND_NS


@pytest.mark.parametrize(
    ("query", "ptime_ms"),
    [
        ("", 20),
        ("ptime_ms=20", 20),
        ("a=b&ptime_ms=60", 60),
        ("ptime_ms=", None),
        ("ptime_ms=021", None),
        ("ptime_ms=20.0", None),
        ("ptime_ms=40&ptime_ms=40", None),
        ("&".join(f"a{n}=1" for n in range(20)), None),
    ],
)
def test_ptime_of_a_query(query: str, ptime_ms: int | None) -> None:
    assert ptime_ms_of(query) == ptime_ms


@pytest.mark.parametrize(
    ("shown", "credential"),
    [
        (["Bearer loas_1_x"], "loas_1_x"),
        (["bearer  loas_1_x "], "loas_1_x"),
        (["Basic loas_1_x"], ""),
        (["loas_1_x"], ""),
        ([], ""),
        (["Bearer a", "Bearer b"], ""),
    ],
)
def test_credential_of_headers(shown: list[str], credential: str) -> None:
    headers = Headers([("Authorization", value) for value in shown])
    assert credential_of(headers) == credential


@given(st.lists(st.sampled_from([20, 40, 60]) | st.integers(0, 30), max_size=60))
def test_law_phases_differ_by_no_more_than_who_left(story: list[int]) -> None:
    """Numbers below 20 let a listener leave; without them the load is even."""
    roster, left = Roster(), 0
    present: list[Member] = []
    for step in story:
        if step in (20, 40, 60):
            identity = ListenerIdentity(f"s{len(present)}", "a", 70, 400)
            present.append(roster.admit(FakeListener(identity, ptime_ms=step)))
        elif present:
            left += 1
            roster.dismiss(present.pop(step % len(present)).listener)
    assert len(roster) == len(present)
    for size in (1, 2, 3):
        loads = [
            sum((m.size, m.phase) == (size, phase) for m in present)
            for phase in range(size)
        ]
        assert max(loads) - min(loads) <= 1 + left


def test_presence_outlives_connections_until_it_is_forgotten() -> None:
    presence = Presence()
    first = presence.came("s", now_ns=5)
    second = presence.came("s", now_ns=3)
    assert second is first
    assert (first.connections, first.heard_ns) == (2, 5)
    assert presence.of("s") is first
    presence.forget("s")
    assert presence.of("s") is None
