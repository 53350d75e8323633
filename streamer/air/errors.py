"""Why a programme cannot be put on the air, taken off it or reordered."""

from __future__ import annotations

from collections.abc import Mapping


class ProgrammeError(Exception):
    """A programme cannot be put on the air, taken off it or reordered.

    Attributes:
        programme_id: The programme at fault.
    """

    def __init__(self, programme_id: str, problem: str) -> None:
        super().__init__(f"programme {programme_id!r} {problem}")
        self.programme_id = programme_id


class UnknownProgrammeError(ProgrammeError):
    """No programme on the air has this id."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "is not on the air")


class DuplicateProgrammeError(ProgrammeError):
    """A programme with this id is on the air already."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "is on the air already")


class AimlessProgrammeError(ProgrammeError):
    """The programme is aimed at no zone."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "is aimed at no zone")


class AirFullError(ProgrammeError):
    """As many programmes as are carried at once are on the air."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "finds the air full")


class ZonesHeldError(ProgrammeError):
    """The programme would have to wait, and was told to be refused instead.

    Attributes:
        held: Every zone where it would wait, and who holds it.
    """

    def __init__(self, programme_id: str, held: Mapping[str, str]) -> None:
        super().__init__(programme_id, f"would have to wait in {len(held)} zones")
        self.held = held


class NotInQueueError(ProgrammeError):
    """The programme is of a class whose order is no operator's to change."""

    def __init__(self, programme_id: str) -> None:
        super().__init__(programme_id, "is not a priority programme")
