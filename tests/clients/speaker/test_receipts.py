"""What a speaker tells of what it played: nothing lost, nothing told twice over."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from clients.speaker.receipts import MAX_ACCOUNTS, MAX_STREAMS, Account, Receipts
from streamer.wire.control import Receipt

BROADCASTS = [f"b{number}" for number in range(MAX_ACCOUNTS)]


def taken(receipts: Receipts, now_us: int = 0) -> list[Receipt]:
    """Return all that is owed."""
    found: list[Receipt] = []
    while receipt := receipts.next(now_us):
        found.append(receipt)
    return found


def played(receipts: Receipts, broadcast: str, samples: int = 960) -> Account:
    """Hear a broadcast until the zone hears nothing."""
    account = receipts.account(broadcast)
    receipts.hear(account)
    account.rendered(48_000, samples, missing=False)
    receipts.hear(None)
    return account


def test_what_ended_is_told_once_and_completely() -> None:
    receipts = Receipts()
    account = receipts.account("b")
    account.packets_received = 3
    receipts.hear(account)
    account.rendered(48_000, 960, missing=False)
    account.rendered(48_960, 480, missing=True)
    assert taken(receipts) == []
    receipts.hear(None)
    assert taken(receipts) == [
        Receipt("b", 3, 1_440, 960, 480, True, 1_000_000, 1_019_979)
    ]
    assert taken(receipts) == []


def test_what_is_heard_is_told_when_it_is_time() -> None:
    receipts = Receipts()
    account = receipts.account("b")
    receipts.hear(account)
    receipts.owe_heard()
    assert taken(receipts) == []  # nothing was heard yet
    account.rendered(0, 960, missing=False)
    receipts.owe_heard()
    (receipt,) = taken(receipts)
    assert (receipt.played_samples, receipt.complete) == (960, False)


def test_what_comes_back_goes_on_from_where_it_was() -> None:
    receipts = Receipts()
    played(receipts, "weak")
    played(receipts, "strong")
    assert [r.complete for r in taken(receipts)] == [True, True]
    again = receipts.account("weak")
    receipts.hear(again)
    again.rendered(96_000, 40, missing=False)
    receipts.owe_heard()
    (receipt,) = taken(receipts)
    assert (receipt.played_samples, receipt.complete) == (1_000, False)


def test_two_takes_without_a_pause_are_one() -> None:
    receipts = Receipts()
    receipts.hear(receipts.account("b"))
    receipts.hear(receipts.account("b"))
    receipts.account("b").rendered(0, 960, missing=False)
    assert taken(receipts) == []


def test_a_broadcast_never_heard_is_not_told_of() -> None:
    receipts = Receipts()
    receipts.hear(receipts.account("b"))
    receipts.hear(None)
    assert taken(receipts) == []


def test_without_a_link_the_oldest_goes_and_is_counted() -> None:
    receipts = Receipts()
    for number in range(MAX_ACCOUNTS + 3):
        played(receipts, f"b{number}")
    assert receipts.dropped == 3
    told = [receipt.broadcast for receipt in taken(receipts)]
    assert told == [f"b{number}" for number in range(3, MAX_ACCOUNTS + 3)]


def test_what_the_server_knows_goes_first() -> None:
    receipts = Receipts()
    for number in range(MAX_ACCOUNTS):
        played(receipts, f"b{number}")
        if number == 4:
            taken(receipts, now_us=7)
            receipts.confirm(8)
    for number in range(5):
        played(receipts, f"c{number}")
    assert receipts.dropped == 0
    assert len(receipts) == MAX_ACCOUNTS
    told = {receipt.broadcast for receipt in taken(receipts)}
    assert {f"b{number}" for number in range(5, MAX_ACCOUNTS)} < told


def test_accounts_in_use_are_never_dropped() -> None:
    receipts = Receipts()
    recent = [receipts.account(f"b{number}") for number in range(100)][-MAX_STREAMS:]
    for account in recent:
        assert receipts.account(account.broadcast) is account


def test_a_ping_of_the_same_instant_proves_nothing() -> None:
    receipts = Receipts()
    played(receipts, "b")
    taken(receipts, now_us=7)
    receipts.confirm(7)
    receipts.link_lost()
    assert len(taken(receipts)) == 1


def test_another_clock_leaves_the_counts() -> None:
    receipts = Receipts()
    played(receipts, "b")
    receipts.other_clock()
    assert taken(receipts) == [Receipt("b", 0, 960, 960, 0, True)]


@dataclass
class Server:
    """Keeps the greatest counts, as FORMAT.md says."""

    known: dict[str, Receipt] = field(default_factory=dict)

    def take(self, receipt: Receipt) -> None:
        before = self.known.get(receipt.broadcast)
        if before is None or (
            receipt.total_samples_received >= before.total_samples_received
        ):
            self.known[receipt.broadcast] = receipt


class Link(RuleBasedStateMachine):
    """Whatever the link loses, in the end the server knows what was played."""

    def __init__(self) -> None:
        super().__init__()
        self.receipts, self.server = Receipts(), Server()
        self.now_us = 0
        self.in_flight: list[Receipt] = []
        self.truth: dict[str, int] = dict.fromkeys(BROADCASTS, 0)
        self.heard: str | None = None

    @rule(broadcast=st.sampled_from([None, *BROADCASTS]))
    def hear(self, broadcast: str | None) -> None:
        account = None if broadcast is None else self.receipts.account(broadcast)
        self.receipts.hear(account)
        self.heard = broadcast

    @precondition(lambda self: self.heard is not None)
    @rule(samples=st.integers(1, 960))
    def play(self, samples: int) -> None:
        assert self.heard is not None
        account = self.receipts.account(self.heard)
        account.rendered(self.now_us, samples, missing=False)
        self.truth[self.heard] += samples

    @rule()
    def report(self) -> None:
        self.receipts.owe_heard()

    @rule()
    def send(self) -> None:
        self.now_us += 1
        self.in_flight += taken(self.receipts, self.now_us)

    @rule()
    def exchange_a_ping(self) -> None:
        self.now_us += 1
        for receipt in self.in_flight:
            self.server.take(receipt)
        self.in_flight.clear()
        self.receipts.confirm(self.now_us)

    @rule(arrived=st.integers(0, 3))
    def lose_the_link(self, arrived: int) -> None:
        for receipt in self.in_flight[:arrived]:
            self.server.take(receipt)
        self.in_flight.clear()
        self.receipts.link_lost()

    @invariant()
    def memory_is_bounded_and_nothing_is_given_up(self) -> None:
        assert len(self.receipts) <= MAX_ACCOUNTS
        assert self.receipts.dropped == 0

    def teardown(self) -> None:
        self.hear(None)
        self.send()
        self.exchange_a_ping()
        known = {b: r.played_samples for b, r in self.server.known.items()}
        assert known == {b: n for b, n in self.truth.items() if n}
        assert all(receipt.complete for receipt in self.server.known.values())
        self.receipts.link_lost()
        assert taken(self.receipts) == []


TestLink = Link.TestCase
