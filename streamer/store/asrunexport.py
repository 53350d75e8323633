"""The as-run log as text: JSON lines and CSV (pure).

What was tampered with so that it cannot be read is exported all the same, as it
stands in the database and marked: it is evidence.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict

from streamer.store.asrunevents import UNREADABLE
from streamer.store.chain import Link, exported, utc_text

COLUMNS = (
    "serial",
    "at_utc",
    "kind",
    "broadcast_id",
    "zone_ids",
    "actor",
    "cause",
    "detail",
    "previous_hash",
    "hash",
)


def json_lines(links: Iterable[Link]) -> str:
    """Return a line of JSON for each event; `chain.parsed` reads it."""
    return "".join(f"{_json(each)}\n" for each in links)


def csv_header() -> str:
    """Return the first line of a CSV (RFC 4180)."""
    return _csv([COLUMNS])


def csv_lines(links: Iterable[Link]) -> str:
    """Return a line of CSV for each event; `zone_ids` and `detail` are JSON."""
    return _csv(_cells(each) for each in links)


def _json(link: Link) -> str:
    try:
        return exported(link)
    except (ValueError, TypeError, RecursionError):
        return json.dumps(asdict(link) | {UNREADABLE: True})


def _cells(link: Link) -> list[object]:
    try:
        at_utc: object = utc_text(link.at_utc_us)
    except (ValueError, TypeError):
        at_utc = link.at_utc_us
    values = asdict(link) | {"at_utc": at_utc}
    return ["" if values[each] is None else values[each] for each in COLUMNS]


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
