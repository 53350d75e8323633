"""What would be refused at its start, as far as is known beforehand.

A speaker that plays from its disk asks nobody: what the studio would refuse must not
be in its manifest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from streamer.air.schedule import Planned


class Foresight(Protocol):
    """Knows the rules of the zones and the rights of people, as they are now."""

    def facts(self) -> tuple[object, ...]:
        """Return what the answers rest on: other answers are of unequal facts."""
        ...

    async def limit_s(self, planned: Planned, start_utc: datetime) -> int | None:
        """Return how long a start may last; None: as long as it likes.

        Raises:
            StudioError: It would be refused: a zone is gone, a policy does not allow
                it, or its owner may not do it any more, then.
        """
        ...
