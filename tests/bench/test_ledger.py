"""Tests of bench.ledger: which packet it is, and whether its payload is right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.account import lookahead_ns
from bench.ledger import ClockLedger, LoopLedger
from bench.rtp_account import ONE_STREAM, Head, RtpAccount
from streamer.media.frame import FRAME_NS, FRAME_SAMPLES, ns_to_samples

LOOP = [bytes([k]) * 9 for k in range(50)]
START_NS = 7_000_000_000


def head(timestamp: int, sequence: int = 0) -> Head:
    return Head(0x806F, sequence, timestamp % 2**32, 1)


@given(
    index=st.integers(0, 100_000),
    late_ns=st.integers(0, 20 * FRAME_NS),
    base=st.integers(0, 2**32 - 1),
)
def test_law_a_known_packet_is_placed_by_payload_and_time(
    index: int, late_ns: int, base: int
) -> None:
    now_ns = START_NS + index * FRAME_NS + late_ns
    ledger = LoopLedger(LOOP, now_ns=lambda: now_ns)
    ledger.start(START_NS)
    account = RtpAccount()
    ledger.align(account, head(base), LOOP[index % len(LOOP)])
    account.take(head(base), 1)
    assert (
        account.received(ONE_STREAM, ledger.mappings[0], range(index, index + 1)) == 1
    )


def test_an_unknown_payload_places_nothing() -> None:
    ledger, account = LoopLedger(LOOP, now_ns=lambda: START_NS), RtpAccount()
    ledger.align(account, head(0), LOOP[0])  # the grid is not known yet
    ledger.start(START_NS)
    ledger.align(account, head(0), b"something else")
    ledger.align(account, head(0), None)
    assert not account.aligned


def test_a_loop_counts_payloads_that_differ_or_cannot_be_decrypted() -> None:
    ledger = LoopLedger(LOOP)
    ledger.start(START_NS)
    for index in (0, 1, 51):
        ledger.compare(index * FRAME_SAMPLES, LOOP[index % 50])
    ledger.compare(2 * FRAME_SAMPLES, LOOP[3])
    ledger.compare(2 * FRAME_SAMPLES, None)
    assert (ledger.compared, ledger.wrong) == (5, 2)


@given(captured_ns=st.integers(60_000_000_000, 2**62), late_ns=st.integers(0, 10**9))
def test_law_a_media_clock_tells_when_a_packet_was_due(
    captured_ns: int, late_ns: int
) -> None:
    """Whatever the uptime of the host, over every wrap of the 32-bit timestamp."""
    ledger = ClockLedger(now_ns=lambda: captured_ns + late_ns)
    account, first = RtpAccount(), head(ns_to_samples(captured_ns))
    ledger.align(account, first, None)
    due_ns = ledger.mappings[ONE_STREAM].due_ns(account.timestamp(first))
    assert abs(due_ns - captured_ns - lookahead_ns()) < 100_000  # two samples


def test_listeners_of_one_clock_are_compared_with_one_another() -> None:
    ledger = ClockLedger()
    for payload in (b"a", b"a", b"b", None):
        ledger.compare(960, payload)
    ledger.compare(1920, b"b")
    assert (ledger.compared, ledger.wrong) == (5, 2)


def test_one_who_is_behind_the_first_is_counted_too() -> None:
    ledger = ClockLedger(now_ns=lambda: START_NS)
    ahead, behind = RtpAccount(), RtpAccount()
    at = ns_to_samples(START_NS)
    ledger.align(ahead, head(at), None)
    ledger.align(behind, head(at - 5 * FRAME_SAMPLES), None)
    behind.take(head(at - 5 * FRAME_SAMPLES), 1)
    mapping = ledger.mappings[ONE_STREAM]
    index = mapping.index(ahead.timestamp(head(at))) - 5
    assert behind.received(ONE_STREAM, mapping, range(index, index + 1)) == 1
