"""Laws of the operator's order, whatever is on air and whatever is asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.air.precedence import reordered

Case = tuple[list[str], list[str], dict[str, int], dict[str, int]]


@st.composite
def queues(draw: st.DrawFn) -> Case:
    """A queue, what is wanted of it, what each covers and what each holds."""
    queue = [f"b{number}" for number in range(draw(st.integers(1, 6)))]
    # Few zones each: then some hold what those wait for who hold what others want.
    pairs = st.tuples(st.integers(0, 4), st.integers(0, 4))
    covers = {each: 1 << one | 1 << two for each in queue for one, two in [draw(pairs)]}
    heard: dict[str, int] = {}
    taken = draw(st.sampled_from([0, 1, 12]))  # by a higher class, or silenced
    for each in queue:
        if won := covers[each] & ~taken:
            heard[each] = won
        taken |= covers[each]
    wanted = draw(st.lists(st.sampled_from(queue), unique=True))
    return queue, wanted, covers, heard


def test_who_waits_for_a_holder_waits_for_those_whom_the_holder_waits_for() -> None:
    covers = {"one": 0b011, "two": 0b110, "three": 0b100}
    heard = {"one": 0b011, "two": 0b100}
    found = reordered(["one", "two", "three"], ["three"], covers, heard)
    assert found == ["one", "two", "three"]


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
