"""The seam to whoever knows the speakers' credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from streamer.fanout.listener import ListenerIdentity


class Directory(Protocol):
    """Knows the speakers. Answers from memory: it is asked inside handshakes."""

    def authenticate(self, credential: str) -> ListenerIdentity | None:
        """Return whose *credential* it is, or None when it is nobody's now.

        Must compare in constant time; called on the event loop.
        """
        ...


class FakeDirectory:
    """The shipped fake: credentials in the clear."""

    def __init__(self, identities: Mapping[str, ListenerIdentity]) -> None:
        self.identities = dict(identities)

    def authenticate(self, credential: str) -> ListenerIdentity | None:
        """Look *credential* up."""
        return self.identities.get(credential)
