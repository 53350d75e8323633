"""A relay on air, against stations that die, stall, come back and fall silent."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ingest.opening import Opener
from ingest.relay import RelaySource
from ingest.relayurl import Reach, RelayUrlError
from ingest.relayvalues import RelaySettings
from ingest.relaywatch import RelayState, WatchSettings
from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import PcmSource, Source, SourceFailed
from tests.ingest.stations import (
    Act,
    Call,
    Station,
    encoded,
    never_answers,
    says,
    sends,
    sound,
    stalls_after,
    stream_of,
)

FALLBACK = 0.25
MP3 = stream_of("mp3", 4)
SETTINGS = RelaySettings(
    reach=Reach.ANY,
    connect_timeout_s=0.5,
    read_timeout_s=0.5,
    first_retry_s=0.05,
    most_retry_s=0.2,
    prefill_samples=SAMPLE_RATE_HZ // 2,
    watch=WatchSettings(
        starved_after_samples=SAMPLE_RATE_HZ // 2,
        silent_after_samples=SAMPLE_RATE_HZ,
        back_after_samples=SAMPLE_RATE_HZ // 2,
    ),
)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline_s = time.monotonic() + 2
    while (left := set(threading.enumerate()) - before) and (
        time.monotonic() < deadline_s
    ):
        time.sleep(0.01)
    assert left == set()


def fallback() -> Source:
    return PcmSource(np.full(SAMPLE_RATE_HZ, FALLBACK, dtype=np.float32))


@contextlib.contextmanager
def relay(
    url: str, settings: RelaySettings = SETTINGS, fallback: Opener | None = None
) -> Iterator[RelaySource]:
    source = RelaySource.open(
        url, settings=settings, fallback=fallback, rng=random.Random(1)
    )
    try:
        yield source
    finally:
        source.close()


def hear_until(
    source: RelaySource, so_far: Callable[[Pcm], bool], timeout_s: float = 5.0
) -> Pcm:
    """Read at up to twenty times the pace of time until *so_far* says so of a frame."""
    parts = [silence(0)]
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        parts.append(source.read(FRAME_SAMPLES))
        assert len(parts[-1]) == FRAME_SAMPLES
        if so_far(parts[-1]):
            return np.concatenate(parts)
        time.sleep(0.001)
    raise AssertionError(f"not heard in time: {source.status}")


def is_fallback(frame: Pcm) -> bool:
    return bool(np.allclose(frame, FALLBACK))


def is_station(frame: Pcm) -> bool:
    return bool(np.ptp(frame) > 0.02)


class Returns:
    """Refuses until it is told to come back, and then stays."""

    def __init__(self) -> None:
        self.back = threading.Event()

    def __call__(self, call: Call) -> None:
        if not self.back.is_set():
            call.say(b"HTTP/1.1 503 Not Now\r\n\r\n")
            return
        call.answer(MP3)
        call.stall()


def test_a_station_that_dies_is_covered_for_and_comes_back() -> None:
    returns = Returns()
    with (
        Station(sends(MP3), returns) as station,
        relay(station.url, fallback=fallback) as source,
    ):
        assert source.wait_ready(5)
        hear_until(source, is_station)
        heard = hear_until(source, is_fallback)
        assert len(heard) > 3 * SAMPLE_RATE_HZ  # all that it had sent came first
        assert source.status.state is RelayState.STARVED
        assert "503" in source.status.last_failure
        hear_until(source, lambda _: source.status.failures > 3)
        returns.back.set()
        hear_until(source, lambda _: source.status.state is RelayState.UP)
        hear_until(source, is_station)
        status = source.status
    assert status.is_connected
    assert status.connections == 2
    assert status.codec == "mp3"
    assert status.fallback_samples > 0
    assert status.concealed_samples > 0
    assert status.received_bytes == 2 * len(MP3)


def silent() -> bytes:
    return encoded("mp3", np.concatenate((sound(1), silence(3 * SAMPLE_RATE_HZ))))


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (stalls_after(MP3), RelayState.STARVED),
        (stalls_after(silent()), RelayState.SILENT),
    ],
    ids=["stalls", "falls silent"],
)
def test_one_that_is_connected_but_says_nothing_is_covered_for(
    act: Act, state: RelayState
) -> None:
    with (
        Station(act, never_answers) as station,
        relay(station.url, fallback=fallback) as source,
    ):
        assert source.wait_ready(5)
        hear_until(source, is_station)
        hear_until(source, is_fallback)
        assert source.status.state is state


def test_without_fallback_there_is_silence_and_the_station_again() -> None:
    returns = Returns()
    with Station(sends(MP3), returns) as station, relay(station.url) as source:
        hear_until(source, is_station)
        hear_until(source, lambda _: source.status.waits == 1)
        quiet = hear_until(source, lambda _: source.status.state.is_down)
        assert not quiet.any()
        returns.back.set()
        hear_until(source, is_station)
        assert source.status.connections == 2


def test_one_that_never_was_there_is_given_up_when_asked() -> None:
    settings = RelaySettings(
        reach=Reach.ANY,
        connect_timeout_s=0.3,
        give_up_after_samples=SAMPLE_RATE_HZ,
        watch=SETTINGS.watch,
    )
    with (
        Station(says(b"HTTP/1.1 404 No\r\n\r\n")) as station,
        relay(station.url, settings) as source,
        pytest.raises(SourceFailed, match="answers 404"),
    ):
        hear_until(source, lambda _: False)


def test_finish_fades_out_within_a_frame() -> None:
    with Station(stalls_after(MP3)) as station, relay(station.url) as source:
        hear_until(source, is_station)
        source.finish()
        last = source.read(FRAME_SAMPLES)
        assert len(last) == FRAME_SAMPLES
        assert last[-1] == 0
        assert len(source.read(FRAME_SAMPLES)) == 0
        source.close()  # and once more when it is left


@pytest.mark.parametrize(
    "act",
    [
        never_answers,
        stalls_after(MP3[:9_000]),
        stalls_after(20 * MP3),  # more than is held: its thread waits for room
        says(b""),
    ],
    ids=["connecting", "reading", "full", "waiting to retry"],
)
def test_close_lets_go_at_once_whatever_it_does(act: Act) -> None:
    settings = RelaySettings(
        reach=Reach.ANY, connect_timeout_s=30, read_timeout_s=30, first_retry_s=30
    )
    with Station(act) as station, relay(station.url, settings) as source:
        time.sleep(0.3)
        begun_s = time.monotonic()
        source.close()
        assert not source._thread.is_alive()
        assert time.monotonic() - begun_s < 0.4
        assert len(source.read(FRAME_SAMPLES)) == 0


def test_no_log_and_no_status_holds_a_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with Station(says(b"HTTP/1.1 401 No\r\n\r\n")) as station:
        address = f"http://me:s3cret@127.0.0.1:{station.port}/live?key=s3cret"
        with relay(address) as source:
            hear_until(source, lambda _: source.status.failures > 1)
            shown = str(source.status)
    assert "401" in caplog.text
    assert "s3cret" not in caplog.text + shown


def test_what_may_not_be_relayed_is_refused_at_once() -> None:
    for url in ("file:///etc/passwd", "http://a b/", "concat:x"):
        with pytest.raises(RelayUrlError):
            RelaySource.open(url)
