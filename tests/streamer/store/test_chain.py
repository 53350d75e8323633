"""Tests of streamer.store.chain and streamer.store.verifier."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamer.store.chain import (
    MAX_EXACT_INTEGER,
    Head,
    Link,
    canonical,
    exported,
    follow,
    line,
    parsed,
)
from streamer.store.verifier import verify

TEXTS = st.text(st.sampled_from('aZ"\\/\n\x7f\x00đ…😀,:{}'), max_size=4)
INTEGERS = st.integers(-MAX_EXACT_INTEGER, MAX_EXACT_INTEGER)
DETAILS = st.dictionaries(TEXTS, TEXTS | INTEGERS | st.none(), max_size=2)
LAST_US = 253_402_300_799_999_999
"The last microsecond of the year 9999."


EVENTS = st.fixed_dictionaries(
    {
        "at_utc_us": st.integers(0, LAST_US),
        "kind": st.sampled_from(["started", "ended"]),
        "broadcast_id": st.none() | TEXTS,
        "zone_ids": st.lists(TEXTS, max_size=2).map(canonical),
        "actor": st.none() | TEXTS,
        "cause": st.none() | TEXTS,
        "detail": DETAILS.map(canonical),
    }
)


def chained(events: list[dict[str, Any]]) -> list[Link]:
    links: list[Link] = []
    for each in events:
        links.append(follow(head_of(links), each))
    return links


def chains(*, min_size: int = 1, max_size: int = 5) -> st.SearchStrategy[list[Link]]:
    """Any chain as the log could have written it."""
    events = st.lists(EVENTS, min_size=min_size, max_size=max_size)
    return events.map(chained)


def members_of(link: Link) -> dict[str, Any]:
    """What happened, without what binds it to the chain."""
    names = {each.name for each in fields(Link)} - {"serial", "previous_hash", "hash"}
    return {name: getattr(link, name) for name in names}


PLAIN: dict[str, Any] = {
    "at_utc_us": 0,
    "kind": "started",
    "broadcast_id": None,
    "zone_ids": "[]",
    "actor": None,
    "cause": None,
    "detail": "{}",
}


def head_of(links: list[Link]) -> Head:
    return Head(links[-1].serial, links[-1].hash) if links else Head()


def broken_at(links: list[Link], *known: Head) -> int | None:
    fault = verify(links, known).fault
    return fault.serial if fault else None


@given(chains(min_size=0))
def test_law_a_whole_chain_is_sound_to_its_head(links: list[Link]) -> None:
    noted = [head_of(links[:count]) for count in range(1, len(links) + 1)]
    verdict = verify(links, [Head(), *noted])
    assert verdict.fault is None
    assert verdict.head == head_of(links)


@given(links=chains(), data=st.data())
def test_law_any_flipped_bit_is_found_where_it_is(
    links: list[Link], data: st.DataObject
) -> None:
    """A bit of any byte of any text, or any other number, of any event."""
    at = data.draw(st.integers(0, len(links) - 1))
    name = data.draw(st.sampled_from([each.name for each in fields(Link)][1:]))
    former = getattr(links[at], name)
    if isinstance(former, int):
        changed: Any = former ^ 1 << data.draw(st.integers(0, 57))
        assume(changed <= LAST_US)
    else:
        raw = bytearray((former or "").encode())
        assume(raw)
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(
            st.integers(0, 7)
        )
        changed = raw.decode(errors="replace")
    links[at] = replace(links[at], **{name: changed})
    assert broken_at(links) == at + 1


@given(links=chains(), data=st.data())
def test_law_what_is_none_is_not_the_same_as_empty(
    links: list[Link], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    for name in ("actor", "cause", "broadcast_id"):
        other: Any = "" if getattr(links[at], name) is None else None
        changed = replace(links[at], **{name: other})
        assert broken_at([*links[:at], changed, *links[at + 1 :]]) == at + 1


@given(links=chains(min_size=2), data=st.data(), renumber=st.booleans())
def test_law_an_event_taken_out_is_found(
    links: list[Link], data: st.DataObject, *, renumber: bool
) -> None:
    """Also if those behind it are given the missing numbers."""
    at = data.draw(st.integers(0, len(links) - 2))
    del links[at]
    if renumber:
        links = [replace(each, serial=n + 1) for n, each in enumerate(links)]
    assert broken_at(links) == at + 1


@given(links=chains(min_size=2), data=st.data(), renumber=st.booleans())
def test_law_two_events_exchanged_are_found(
    links: list[Link], data: st.DataObject, *, renumber: bool
) -> None:
    numbers = st.integers(0, len(links) - 1)
    one, other = sorted(data.draw(st.tuples(numbers, numbers)))
    assume(one != other)
    links[one], links[other] = links[other], links[one]
    if renumber:
        links = [replace(each, serial=n + 1) for n, each in enumerate(links)]
    assert broken_at(links) == one + 1


@given(links=chains(), data=st.data(), renumber=st.booleans())
def test_law_an_event_that_is_there_twice_is_found(
    links: list[Link], data: st.DataObject, *, renumber: bool
) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    to = data.draw(st.integers(at + 1, len(links)))
    links.insert(to, links[at])
    if renumber:
        links = [replace(each, serial=n + 1) for n, each in enumerate(links)]
        assert broken_at(links) == to + 1
    else:
        assert broken_at(links) == at + 1


@given(links=chains(min_size=3), forged=chains(max_size=1), data=st.data())
def test_law_an_event_inserted_with_a_right_hash_is_found(
    links: list[Link], forged: list[Link], data: st.DataObject
) -> None:
    """The forger can hash, but does not write anew what comes after."""
    at = data.draw(st.integers(1, len(links) - 1))
    insertion = follow(head_of(links[:at]), members_of(forged[0]))
    after = [replace(each, serial=each.serial + 1) for each in links[at:]]
    assert broken_at([*links[:at], insertion, *after]) == at + 2


@given(links=chains(min_size=2), data=st.data())
def test_law_a_cut_tail_is_found_by_a_head_noted_elsewhere(
    links: list[Link], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(links) - 1))
    assert broken_at(links[:kept], head_of(links)) == kept + 1
    # And this is what it cannot find by itself:
    assert broken_at(links[:kept]) is None


@given(links=chains(min_size=2), data=st.data())
def test_law_a_chain_written_anew_is_found_by_a_noted_head(
    links: list[Link], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(links) - 1))
    forged = list(links)
    forged[at] = replace(links[at], cause="forged")
    assume(forged[at] != links[at])
    forged = chained([members_of(each) for each in forged])
    assert broken_at(forged) is None
    noted = data.draw(st.integers(at, len(links) - 1))
    assert broken_at(forged, head_of(links[: noted + 1])) == noted + 1


@given(chains())
def test_law_an_export_is_the_same_chain(links: list[Link]) -> None:
    assert [parsed(exported(each)) for each in links] == links


@given(chains(max_size=2))
def test_law_a_line_is_canonical_json_and_gives_the_hash(links: list[Link]) -> None:
    for each in links:
        members = json.loads(exported(each))
        hashed = members.pop("hash")
        text = canonical(members)
        assert text == line(each)
        assert hashlib.sha256(text.encode()).hexdigest() == hashed


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_an_inspector_needs_only_jq_and_sha256sum() -> None:
    members = {
        "at_utc_us": 1_793_913_000_000_000,
        "kind": "started",
        "broadcast_id": "b",
        "zone_ids": canonical(["thôn-đông", "thôn-tây"]),
        "actor": None,
        "cause": 'said "now"\n',
        "detail": canonical({"z": 1, "a": {"c": True, "b": [None, -5]}}),
    }
    link = follow(Head(), members)
    script = "jq -cjS 'del(.hash)' | sha256sum"
    found = subprocess.run(
        script,
        shell=True,
        input=exported(link).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert found.stdout.split()[0].decode() == link.hash


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ('Thôn Đông \x1b\x7f\n"\\/', '"Thôn Đông \\u001b\x7f\\n\\"\\\\/"'),
        (("a", ()), '["a",[]]'),
    ],
)
def test_canonical_form_is_that_of_rfc_8785(value: Any, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize(
    "value", [0.5, float("nan"), 2**53, [-(2**53)], {1: 2}, b"", {"a": "\ud800"}]
)
def test_what_has_several_spellings_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"no text|too large|nothing that|surrogates"):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"at_utc":"x"}', '"a"'),
        exported(follow(Head(), PLAIN))[:-1] + ',"more":1}',
    ],
)
def test_a_line_that_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no event|Expecting|Invalid"):
        parsed(text)


def test_words_say_what_is_wrong() -> None:
    links = chained([PLAIN | {"kind": kind} for kind in "abcd"])

    def said(links: list[Link], *known: Head) -> str:
        fault = verify(links, known).fault
        assert fault is not None
        return fault.explanation

    assert said([links[0], links[3]]) == "events 2 to 3 are missing"
    assert said([links[0], *links[2:]]) == "event 2 is missing"
    assert "event 1 was changed" in said([replace(links[0], kind="x")])
    unreadable = replace(links[0], detail="{} ")
    assert "event 1 was changed: it cannot be read" in said([unreadable])
    assert "cannot be read" in said([replace(links[0], at_utc_us=LAST_US + 1)])
    assert "cannot be read" in said([replace(links[0], detail="[" * 100_000)])
    other = follow(Head(1, "0" * 64), PLAIN)
    assert "does not follow event 1" in said([links[0], other])
    first = follow(Head(0, "0" * 64), PLAIN)
    assert "does not follow the beginning" in said([first])
    assert "ends with event 2, but 4 were noted" in said(links[:2], head_of(links))
    assert "another hash than was noted" in said(links, Head(2, "0" * 64))
