"""Finds the first event at which a chain of the as-run log breaks, and how (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from streamer.store.chain import Head, Link, digest


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain stops being one."""

    serial: int
    "The first event at fault, or the first one missing."
    explanation: str
    "For people; names the event."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found when a chain was read to its end or to its first fault."""

    head: Head
    "Of what is sound."
    fault: Break | None = None


@dataclass(slots=True)
class Verifier:
    """Reads a chain event by event and keeps the first fault it finds.

    ::

        verifier = Verifier(heads)
        for link in links:
            verifier.take(link)
        verdict = verifier.finish()

    Args:
        known_heads: Ends of the chain noted earlier and elsewhere. An older copy of
            the log has fewer events: note heads before the log is read.
    """

    known_heads: Iterable[Head] = ()
    _head: Head = field(default_factory=Head, init=False)
    _fault: Break | None = field(default=None, init=False)
    _noted: dict[int, list[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for head in self.known_heads:
            self._noted.setdefault(head.count, []).append(head.hash)
        self._meet(Head())

    @property
    def sound(self) -> bool:
        """Whether no fault was found so far; after one nothing more is looked at."""
        return self._fault is None

    def take(self, link: Link) -> None:
        """Look at the next event; hand them over in the order of their serials."""
        if self._fault is None and (problem := self._problem(link)):
            serial = min(link.serial, self._head.count + 1)
            self._fault = Break(serial, problem)
        if self._fault is None:
            self._meet(Head(link.serial, link.hash))

    def finish(self) -> Verdict:
        """Return what was found, once there are no more events."""
        last = max(self._noted, default=0)
        if self._fault is None and last > self._head.count:
            first = self._head.count + 1
            self._fault = Break(
                first,
                f"{_events(first, last)} cut off: the log ends with event "
                f"{self._head.count}, but {last} were noted elsewhere",
            )
        return Verdict(self._head, self._fault)

    def _problem(self, link: Link) -> str | None:
        """Return what is wrong with *link* as the next event, in words."""
        expected = self._head.count + 1
        if link.serial > expected:
            return f"{_events(expected, link.serial - 1)} missing"
        if link.serial < expected:
            return f"event {link.serial} is there twice or out of its place"
        try:
            if digest(link) != link.hash:
                return f"event {link.serial} was changed: its hash is of other content"
        except (TypeError, ValueError, RecursionError) as error:
            return f"event {link.serial} was changed: it cannot be read ({error})"
        if link.previous_hash != self._head.hash:
            before = f"event {expected - 1}" if expected > 1 else "the beginning"
            return (
                f"event {link.serial} does not follow {before}: one of the two was "
                "exchanged, moved or inserted, or another one was taken out"
            )
        return None

    def _meet(self, head: Head) -> None:
        """Go on to *head* and compare it with what was noted of it elsewhere."""
        self._head = head
        if any(each != head.hash for each in self._noted.get(head.count, ())):
            self._fault = Break(
                head.count,
                f"event {head.count} has another hash than was noted elsewhere: "
                "it or an earlier one was changed, and all after it written anew",
            )


def verify(links: Iterable[Link], known_heads: Iterable[Head] = ()) -> Verdict:
    """Return what is found in *links*, which come in the order of their serials."""
    verifier = Verifier(known_heads)
    for link in links:
        verifier.take(link)
    return verifier.finish()


def _events(first: int, last: int) -> str:
    if first == last:
        return f"event {first} is"
    return f"events {first} to {last} are"
