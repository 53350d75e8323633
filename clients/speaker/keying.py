"""When an old amplifier or an FM exciter is keyed, and when it is let go (pure).

It needs a moment before it is on, and the last word must leave it whole: so it is
keyed some time before the first sample and let go some time after the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PRE_MS = 300
DEFAULT_POST_MS = 1_000
MAX_DELAY_MS = 30_000


@dataclass(frozen=True, slots=True)
class Keyed:
    """What the amplifier is keyed for; both are empty when it is not."""

    on: bool
    programme_class: str = ""
    broadcast: str = ""


OFF = Keyed(on=False)


@dataclass(frozen=True, slots=True)
class Coming:
    """What sounds now or is about to."""

    programme_class: str
    broadcast: str


class Keyer:
    """Turns what is seen at instants into transitions.

    Args:
        post_ms: It stays keyed for so long after the last sound. How long before the
            first one it is keyed is decided by how far ahead its user looks.
    """

    def __init__(self, *, post_ms: int = DEFAULT_POST_MS) -> None:
        self._post_ns = post_ms * 1_000_000
        self._keyed = OFF
        self._sounded_ns = 0

    def look(self, coming: Coming | None, *, now_ns: int) -> Keyed | None:
        """Return the new state, or None where it stays as it is.

        Args:
            coming: What sounds now or is about to; None: nothing.
            now_ns: Of a clock that never goes back.
        """
        if coming is not None:
            self._sounded_ns = now_ns
            return self._to(Keyed(True, coming.programme_class, coming.broadcast))
        if self._keyed.on and now_ns - self._sounded_ns >= self._post_ns:
            return self._to(OFF)
        return None

    def _to(self, keyed: Keyed) -> Keyed | None:
        if keyed == self._keyed:
            return None
        self._keyed = keyed
        return keyed
