"""Members that get the same bytes at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from streamer.fanout.member import Member


class Group:
    """A list of members, fixed once it is made; a change makes a new one.

    So what the kernel wants of them, a list of descriptors, is made once per change of
    the membership and not per packet.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def reachable(self) -> list[Member]:
        """Those whose socket may be handed bytes directly."""
        return [each for each in self.members if each.descriptor is not None]

    @cached_property
    def others(self) -> list[Member]:
        """Those that want everything written to their transport."""
        return [each for each in self.members if each.descriptor is None]

    @cached_property
    def descriptors(self) -> npt.NDArray[np.int32]:
        """The sockets of `reachable`, in its order."""
        return np.array([each.descriptor for each in self.reachable], np.int32)

    @cached_property
    def rows(self) -> dict[Member, int]:
        """Where in `reachable` a member is."""
        return {each: row for row, each in enumerate(self.reachable)}
