"""What can go wrong with the store, in the words of whoever asked."""

from __future__ import annotations


class StoreError(Exception):
    """Base of everything `streamer.store` raises."""


class NotFoundError(StoreError):
    """There is no such record.

    Attributes:
        kind: What was looked for, such as "speaker".
        id: The id that is not there.
    """

    def __init__(self, kind: str, id_: str) -> None:
        super().__init__(f"there is no {kind} {id_!r}")
        self.kind = kind
        self.id = id_


class ConflictError(StoreError):
    """The change contradicts what is stored: an id taken, a zone still in use."""


class InvalidValueError(StoreError, ValueError):
    """The database cannot hold the value: broken Unicode, a number too large."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached or does not answer; nothing was changed."""


class DatabaseInUseError(StoreError):
    """Another server runs on this database."""
