"""Tests of streamer.air.priority: who is heard when two cover the same zone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streamer.air.priority import (
    CLASS_ORDER,
    ORIGIN_ORDER,
    AirProgramme,
    Comeback,
    Conflict,
    Origin,
    standing,
)
from streamer.wire.control import ProgrammeClass

BACKGROUND, NORMAL, PRIORITY, EMERGENCY = CLASS_ORDER
VILLAGE, COMMUNE, PROVINCE, CENTRAL = ORIGIN_ORDER


def programme(
    programme_class: ProgrammeClass, origin: Origin, order: int, name: str = "x"
) -> AirProgramme:
    return AirProgramme(name, programme_class, origin, ("zone",), order)


def test_every_class_and_origin_has_its_place() -> None:
    assert set(CLASS_ORDER) == set(ProgrammeClass)
    assert set(ORIGIN_ORDER) == set(Origin)


@pytest.mark.parametrize("origin", ORIGIN_ORDER)
@pytest.mark.parametrize("other", ORIGIN_ORDER)
def test_the_higher_class_wins_whatever_the_origin_and_the_order(
    origin: Origin, other: Origin
) -> None:
    for lower, higher in pairwise(CLASS_ORDER):
        for early, late in ((1, 2), (2, 1)):
            weak = programme(lower, origin, early)
            strong = programme(higher, other, late)
            assert standing(strong) > standing(weak)


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param(
            programme(EMERGENCY, PROVINCE, 1),
            programme(EMERGENCY, COMMUNE, 2),
            id="between emergencies the higher origin wins",
        ),
        pytest.param(
            programme(EMERGENCY, COMMUNE, 2),
            programme(EMERGENCY, COMMUNE, 1),
            id="a stuck emergency microphone does not block the next",
        ),
        pytest.param(
            programme(PRIORITY, VILLAGE, 1),
            programme(PRIORITY, CENTRAL, 2),
            id="a priority on air keeps the zone, whatever the origin",
        ),
        pytest.param(
            programme(NORMAL, VILLAGE, 1),
            programme(NORMAL, CENTRAL, 2),
            id="a normal on air keeps the zone, whatever the origin",
        ),
        pytest.param(
            programme(BACKGROUND, VILLAGE, 2),
            programme(BACKGROUND, CENTRAL, 1),
            id="the latest background wins, whatever the origin",
        ),
    ],
)
def test_ties_within_a_class(winner: AirProgramme, loser: AirProgramme) -> None:
    assert standing(winner) > standing(loser)


@pytest.mark.parametrize("programme_class", CLASS_ORDER)
def test_two_of_one_millisecond_are_still_told_apart(
    programme_class: ProgrammeClass,
) -> None:
    """Whoever numbers them makes the order unique; if not, the id decides."""
    one = programme(programme_class, COMMUNE, 1, "one")
    two = programme(programme_class, COMMUNE, 1, "two")
    assert standing(one) < standing(two)


@pytest.mark.parametrize("kind", [NORMAL, PRIORITY])
def test_one_that_takes_over_goes_before_the_earlier_and_the_later(
    kind: ProgrammeClass,
) -> None:
    early, late = (programme(kind, COMMUNE, order) for order in (1, 3))
    taker, later_taker = (
        AirProgramme("t", kind, COMMUNE, ("z",), order, conflict=Conflict.TAKE_OVER)
        for order in (2, 4)
    )
    ordered = sorted([early, late, taker, later_taker], key=standing, reverse=True)
    assert ordered == [later_taker, taker, early, late]


@pytest.mark.parametrize(
    ("comeback", "waits", "holds", "restarts"),
    [
        (Comeback.REJOIN, False, False, False),
        (Comeback.RESUME, True, True, False),
        (Comeback.RESTART, True, True, True),
        (Comeback.DROP, True, True, True),
        (Comeback.REPLAY, True, False, False),
    ],
)
def test_what_a_source_that_can_stand_still_does(
    comeback: Comeback, waits: bool, holds: bool, restarts: bool
) -> None:
    made = AirProgramme(
        "f", NORMAL, COMMUNE, ("z",), 1, comeback=comeback, can_hold=True
    )
    assert (made.waits_to_begin, made.holds, made.restarts) == (waits, holds, restarts)
    live = AirProgramme("m", NORMAL, COMMUNE, ("z",), 1, comeback=comeback)
    assert not live.waits_to_begin
    assert not live.holds
