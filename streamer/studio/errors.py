"""What the studio refuses; each error says what and why, for the person who asked."""

from __future__ import annotations

from collections.abc import Mapping


class StudioError(Exception):
    """Base of what the studio refuses."""


class UnknownZoneError(StudioError):
    """A broadcast aims at a zone that is not in the tree."""


class UnknownBroadcastError(StudioError):
    """No broadcast with this identifier is on air."""


class AlreadyEndedError(StudioError):
    """The broadcast is over."""


class TooManyProgrammesError(StudioError):
    """As many broadcasts as this server is set to carry are on air."""


class HeldZonesError(StudioError):
    """The broadcast would have to wait, and was told to be refused instead.

    Args:
        held: Each zone where it would wait, and the broadcast that holds it.
        titles: Of these broadcasts, by id.
    """

    def __init__(self, held: Mapping[str, str], titles: Mapping[str, str]) -> None:
        named = ", ".join(repr(titles[each]) for each in sorted(set(held.values())))
        where = ", ".join(map(repr, list(held)[:5]))
        more = f" and {len(held) - 5} more zones" if len(held) > 5 else ""
        super().__init__(f"It would have to wait for {named} in {where}{more}.")
        self.held = dict(held)
        self.titles = dict(titles)


class NotInQueueError(StudioError):
    """Only priority broadcasts on air have an order that an operator may change."""


class OwnerRefusedError(StudioError):
    """Who planned a broadcast may no longer air it."""


class StudioClosedError(StudioError):
    """The server is shutting down."""


class SourceRefusedError(StudioError):
    """What shall be broadcast cannot be opened.

    Args:
        slug: Stable name of the reason, e.g. ``unknown-file``.
        detail: The reason, for a person.
    """

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug


class FileRefusedError(StudioError):
    """An upload cannot be taken.

    Args:
        slug: Stable name of the reason, e.g. ``unsupported-audio``.
        detail: The reason, for a person.
    """

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
