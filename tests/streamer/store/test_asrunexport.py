"""Tests of streamer.store.asrunexport."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from streamer.store.asrunexport import COLUMNS, csv_header, csv_lines, json_lines
from streamer.store.chain import Head, canonical, follow, parsed

LINK = follow(
    Head(),
    {
        "at_utc_us": 1_794_000_000_000_000,
        "kind": "started",
        "broadcast_id": "b",
        "zone_ids": canonical(["thôn-đông", "b"]),
        "actor": None,
        "cause": 'says "x", and\nmore',
        "detail": canonical({"title": "Bản tin; sáng"}),
    },
)


def test_json_lines_are_the_chain() -> None:
    other = replace(LINK, serial=2)
    lines = json_lines([LINK, other]).splitlines()
    assert [parsed(each) for each in lines] == [LINK, other]


def test_csv_says_the_same() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_header() + csv_lines([LINK]))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] == {
        "serial": "1",
        "at_utc": "2026-11-06T21:20:00.000000Z",
        "kind": "started",
        "broadcast_id": "b",
        "zone_ids": '["thôn-đông","b"]',
        "actor": "",
        "cause": 'says "x", and\nmore',
        "detail": '{"title":"Bản tin; sáng"}',
        "previous_hash": LINK.previous_hash,
        "hash": LINK.hash,
    }


@pytest.mark.parametrize(
    "broken",
    [
        replace(LINK, detail="{"),
        replace(LINK, at_utc_us=10**18),
        replace(LINK, zone_ids="[" * 100_000),
    ],
)
def test_what_cannot_be_read_is_exported_as_it_is_and_marked(broken: object) -> None:
    assert isinstance(broken, type(LINK))
    (line,) = json_lines([broken]).splitlines()
    assert json.loads(line)["unreadable"] is True
    assert json.loads(line)["hash"] == LINK.hash
    with pytest.raises(ValueError, match="no event"):
        parsed(line)
    (row,) = csv.DictReader(io.StringIO(csv_header() + csv_lines([broken])))
    assert row["detail"] == broken.detail
