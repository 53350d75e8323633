"""What people do to the air itself: silence it, lift that, reorder those that wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from streamer.air import errors as air
from streamer.air.silence import EVERYWHERE, silent_zones
from streamer.air.zones import ZoneTree
from streamer.store.silences import Silence
from streamer.studio.errors import (
    NotInQueueError,
    UnknownBroadcastError,
    UnknownZoneError,
)
from streamer.studio.journals import Journal
from streamer.studio.switchboard import Switchboard


class Desk:
    """The kill switch and the queue; it works without a database.

    Args:
        board: Carries it out.
        journal: Is told, and stores the silences.
        silences: Those that hold already; the arbiter of *board* knows them.
        clock_ns: The media clock.
    """

    def __init__(
        self,
        board: Switchboard,
        journal: Journal,
        silences: Iterable[Silence],
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._board = board
        self._journal = journal
        self._silences = {each.zone_id: each for each in silences}
        self._clock_ns = clock_ns

    @property
    def silences(self) -> list[Silence]:
        """The silences that hold, in order of their zones."""
        return [self._silences[each] for each in sorted(self._silences)]

    def silence(self, zone_ids: Sequence[str], *, by: str, reason: str = "") -> None:
        """Let zones, and all below them, hear nothing until it is lifted.

        Listeners fall silent at once, whatever they hold; it holds across restarts.

        Args:
            zone_ids: Which; `EVERYWHERE` among them means all, and roots to come.
            by: Id of the token of who does it.
            reason: For people.

        Raises:
            UnknownZoneError: One of them is not in the tree.
        """
        named = tuple(dict.fromkeys(zone_ids))
        arbiter, tree = self._board.arbiter, self._board.arbiter.tree
        if named != (EVERYWHERE,):
            check_zones([each for each in named if each != EVERYWHERE], tree)
        at_ns, now_utc = self._clock_ns(), datetime.now(UTC)
        for each in named:
            new = Silence(zone_id=each, since_utc=now_utc, by=by, reason=reason)
            self._silences.setdefault(each, new)
        self._journal.silenced(named, by=by, reason=reason, at_ns=at_ns)
        step = arbiter.silence(named, at_ns=at_ns)
        self._board.apply(step, silent=tree.names(silent_zones(tree, named)))

    def lift(self, zone_ids: Sequence[str], *, by: str) -> list[str]:
        """Take back silences; return the zones that were silenced by name."""
        lifted = sorted(self._silences.keys() & set(zone_ids))
        at_ns = self._clock_ns()
        for each in lifted:
            del self._silences[each]
        if lifted:
            self._journal.lifted(lifted, by=by, at_ns=at_ns)
            self._board.apply(self._board.arbiter.lift(lifted, at_ns=at_ns))
        return lifted

    def reorder(self, broadcast_ids: Sequence[str], *, by: str) -> None:
        """Let priority broadcasts be heard in this order, before others that wait.

        Raises:
            UnknownBroadcastError: One of them is not on air.
            NotInQueueError: One of them is not a priority broadcast.
        """
        at_ns = self._clock_ns()
        try:
            step = self._board.arbiter.reorder(broadcast_ids, at_ns=at_ns)
        except air.UnknownProgrammeError as error:
            detail = f"No broadcast on air has the id {error.programme_id!r}."
            raise UnknownBroadcastError(detail) from error
        except air.NotInQueueError as error:
            detail = f"{error.programme_id!r} is not a priority broadcast."
            raise NotInQueueError(detail) from error
        self._journal.reordered(broadcast_ids, by=by, at_ns=at_ns)
        self._board.apply(step)


def check_zones(zone_ids: Sequence[str], tree: ZoneTree) -> None:
    """Raise `UnknownZoneError` unless all of them, and at least one, are in *tree*."""
    unknown = [each for each in zone_ids if each not in tree]
    if unknown or not zone_ids:
        named = ", ".join(map(repr, unknown[:5])) or "nothing"
        raise UnknownZoneError(f"Not in the zone tree: {named}.")
