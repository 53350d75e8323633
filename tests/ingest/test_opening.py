"""Tests of ingest.opening: who opens, takes or abandons, and when."""

from __future__ import annotations

import threading

import pytest

from ingest.opening import Opening
from streamer.media.frame import silence
from streamer.media.source import PcmSource, Source, SourceFailed


class SlowOpener:
    """Opens when it is let through."""

    def __init__(self) -> None:
        self.let_through = threading.Event()
        self.source = PcmSource(silence(1))

    def __call__(self) -> Source:
        self.let_through.wait()
        return self.source


def test_what_is_opened_is_taken_once() -> None:
    opener = SlowOpener()
    opening = Opening.begin(opener, "one")
    assert opening.take() is None
    opener.let_through.set()
    assert opening.take(5.0) is opener.source
    assert opening.take() is None
    opening.abandon()
    assert not opener.source.closed


def test_what_is_abandoned_is_closed_also_when_it_opens_later() -> None:
    before = threading.active_count()
    opener = SlowOpener()
    opening = Opening.begin(opener, "late")
    opening.abandon()
    opener.let_through.set()
    opening._thread.join(5.0)
    assert opener.source.closed
    assert opening.take() is None
    assert threading.active_count() == before


def test_what_is_abandoned_when_open_is_closed_at_once() -> None:
    opener = SlowOpener()
    opener.let_through.set()
    opening = Opening.begin(opener, "early")
    assert opening.wait(5.0)
    opening.abandon()
    assert opener.source.closed


def test_a_failure_says_why() -> None:
    def opener() -> Source:
        raise PermissionError(13, "not yours")

    with pytest.raises(SourceFailed, match="not yours"):
        Opening.begin(opener, "bad").take(5.0)
