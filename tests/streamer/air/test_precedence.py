"""Laws of the operator's order, whatever is on air and whatever is asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.air.precedence import reordered

Case = tuple[list[str], list[str], dict[str, int], dict[str, int]]


@st.composite
def queues(draw: st.DrawFn) -> Case:
    """A queue, what is wanted of it, what each covers and what each holds."""
    queue = [f"b{number}" for number in range(draw(st.integers(1, 7)))]
    covers = {each: draw(st.integers(1, 31)) for each in queue}
    heard: dict[str, int] = {}
    taken = draw(st.integers(0, 31))  # by a higher class, or silenced
    for each in queue:
        if won := covers[each] & ~taken:
            heard[each] = won
        taken |= covers[each]
    wanted = draw(st.lists(st.sampled_from(queue), unique=True))
    return queue, wanted, covers, heard


@given(queues())
def test_law_who_is_heard_keeps_every_zone(case: Case) -> None:
    queue, wanted, covers, heard = case
    found = reordered(queue, wanted, covers, heard)
    assert sorted(found) == sorted(queue)
    for place, each in enumerate(found):
        for ahead in found[:place]:
            assert not heard.get(each, 0) & covers[ahead], f"{ahead} cuts {each}"


@given(queues())
def test_law_the_waiting_stand_as_wanted_and_the_others_as_they_did(
    case: Case,
) -> None:
    queue, wanted, covers, heard = case
    found = reordered(queue, wanted, covers, heard)
    waiting = [each for each in wanted if each not in heard]
    assert [each for each in found if each in waiting] == waiting
    others = [each for each in queue if each not in wanted and each not in heard]
    assert [each for each in found if each in others] == others
    if waiting:
        behind_all = found.index(waiting[-1])
        assert all(found.index(each) > behind_all for each in others)


@given(queues())
def test_law_asking_for_nothing_changes_nothing(case: Case) -> None:
    queue, _, covers, heard = case
    assert reordered(queue, [], covers, heard) == queue
