"""What a speaker owes its server: an account of each broadcast it played (pure).

FORMAT.md, "Receipts". An account goes on for as long as it is kept: through other
broadcasts, lost links and takes (one broadcast under several SSRCs).
"""

from __future__ import annotations

from dataclasses import dataclass

from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.wire.control import Receipt

MAX_STREAMS = 8
"Programmes a speaker holds at once: the accounts announced last are in use."
MAX_ACCOUNTS = 16


@dataclass(slots=True, eq=False)
class Account:
    """What was heard of one broadcast."""

    broadcast: str
    packets_received: int = 0
    played_samples: int = 0
    concealed_samples: int = 0
    first_position: int | None = None
    "Of the first sample played, at 48 kHz on the server's clock."
    last_position: int | None = None
    heard: bool = False
    "It is what the zone hears now."
    owed: bool = False
    "The server has to be told."
    sent_us: int | None = None
    "When it was told, on our clock; None: never, or it is known to have heard."

    def rendered(self, position: int, samples: int, *, missing: bool) -> None:
        """Add *samples* from *position* on, made of packets or, if missing, made up."""
        if missing:
            self.concealed_samples += samples
            return
        self.played_samples += samples
        if self.first_position is None:
            self.first_position = position
        self.last_position = position + samples - 1

    @property
    def total_samples(self) -> int:
        """Played or concealed."""
        return self.played_samples + self.concealed_samples

    @property
    def settled(self) -> bool:
        """Whether the server knows all of it."""
        return not self.owed and self.sent_us is None

    def receipt(self) -> Receipt:
        """Return it as the server wants it."""
        return Receipt(
            broadcast=self.broadcast,
            packets_received=self.packets_received,
            total_samples_received=self.total_samples,
            played_samples=self.played_samples,
            concealed_samples=self.concealed_samples,
            complete=not self.heard,
            first_played_us=_us(self.first_position),
            last_played_us=_us(self.last_position),
        )


class Receipts:
    """The accounts, and which of them the server has to be told of.

    At most `MAX_ACCOUNTS` are kept. One more drops the oldest that the server knows
    all of; where there is none, the oldest, and `dropped` grows.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}  # oldest announcement first
        self._heard: Account | None = None
        self.dropped = 0
        "Accounts that were given up before the server knew all of them."

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, broadcast: str) -> Account:
        """Return the account of a broadcast that is announced now."""
        account = self._accounts.pop(broadcast, None) or Account(broadcast)
        self._accounts[broadcast] = account
        if len(self._accounts) > MAX_ACCOUNTS:
            self._drop()
        return account

    def hear(self, account: Account | None) -> None:
        """Note what the zone hears from now on; what it heard is complete."""
        former, self._heard = self._heard, account
        if former is account:
            return
        if former is not None:
            former.heard, former.owed = False, former.total_samples > 0
        if account is not None:
            account.heard = True

    def owe_heard(self) -> None:
        """Let the server be told of what is heard: do so every 10 s."""
        if self._heard is not None and self._heard.total_samples > 0:
            self._heard.owed = True

    def next(self, now_us: int) -> Receipt | None:
        """Return one that is owed, the oldest first, to be sent at *now_us*."""
        for account in self._accounts.values():
            if account.owed:
                account.owed, account.sent_us = False, now_us
                return account.receipt()
        return None

    def confirm(self, before_us: int) -> None:
        """The server got all that was sent before *before_us*."""
        for account in self._accounts.values():
            if account.sent_us is not None and account.sent_us < before_us:
                account.sent_us = None

    def link_lost(self) -> None:
        """Owe again what the server may not have got."""
        for account in self._accounts.values():
            account.owed |= account.sent_us is not None

    def other_clock(self) -> None:
        """The server's clock is another: positions so far mean nothing on it."""
        for account in self._accounts.values():
            account.first_position = account.last_position = None

    def _drop(self) -> None:
        # What was announced last has a stream that still adds to it.
        idle = list(self._accounts.values())[:-MAX_STREAMS]
        account = next((each for each in idle if each.settled), idle[0])
        self.dropped += not account.settled
        del self._accounts[account.broadcast]


def _us(position: int | None) -> int | None:
    return None if position is None else position * 1_000_000 // SAMPLE_RATE_HZ
