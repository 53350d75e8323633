"""Tests in real time are tried again: a busy machine may delay what it should not.

Real sockets, sound cards of files and Chromium keep the wall clock's pace, and a
machine that stands still for half a second is heard. Such a test fails only when it
fails three times in a row; the summary names every second try. Everything else is in
virtual time and has one try.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TRIES_MORE = 2
_HERE = Path(__file__).parent
IN_REAL_TIME = (
    _HERE / "browser",
    _HERE / "end_to_end",
    _HERE / "streamer" / "programme" / "test_thread.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs in real time."""
    for item in items:
        if any(item.path.is_relative_to(place) for place in IN_REAL_TIME):
            item.add_marker(pytest.mark.flaky(reruns=TRIES_MORE, reruns_delay=1))
