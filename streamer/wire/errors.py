"""The two families of wire errors (DESIGN: ours and the peer's)."""

from __future__ import annotations


class WireError(Exception):
    """Base of everything `streamer.wire` raises."""


class LocalWireError(WireError):
    """We asked for something the format cannot carry: a bug on our side."""


class RemoteWireError(WireError):
    """The peer sent what FORMAT.md does not allow; the message says what and why."""
