"""Tests of ingest.relayfeed, httpget and hlsstream against real servers."""

from __future__ import annotations

import re
import threading
import time

import numpy as np
import pytest
from scipy.signal import correlate

from ingest.httpget import AbortedError, HttpClient
from ingest.relayfeed import RTSP_READ_TIMEOUT_S, RelayFeed
from ingest.relayurl import Reach, RelayError, RelayUrl, RelayUrlError
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from tests.ingest.rtsp import RtspStation
from tests.ingest.stations import (
    TYPES,
    Act,
    Call,
    Station,
    dribbles,
    never_answers,
    redirects,
    says,
    sends,
    sound,
    stalls_after,
    stream_of,
)

MP3 = stream_of("mp3")


def feed_of(url: str, *, timeout_s: float = 5.0, reach: Reach = Reach.ANY) -> RelayFeed:
    return RelayFeed(
        RelayUrl.parse(url),
        reach,
        connect_timeout_s=timeout_s,
        read_timeout_s=timeout_s,
    )


def hear(feed: RelayFeed) -> tuple[Pcm, str]:
    """Return all that a station sends, and why it ended."""
    parts = [silence(0)]
    try:
        for pcm in feed.pcm():
            parts.append(pcm)
    except RelayError as error:
        return np.concatenate(parts), str(error)
    return np.concatenate(parts), ""


def assert_says(heard: Pcm, said: Pcm) -> None:
    products = correlate(heard, said, mode="full", method="fft")
    norms = float(np.linalg.norm(heard) * np.linalg.norm(said))
    assert float(products.max()) / norms > 0.95
    assert abs(len(heard) - len(said)) < 3_000


@pytest.mark.parametrize("kind", TYPES)
def test_a_stream_of_every_kind_is_heard_whole(kind: str) -> None:
    with Station(sends(stream_of(kind), TYPES[kind][1])) as station:
        feed = feed_of(station.url)
        heard, why = hear(feed)
    assert why == ""
    assert_says(heard, sound(4))
    assert feed.received_bytes == len(stream_of(kind))
    assert feed.codec == {"mp3": "mp3", "ogg": "opus"}.get(kind, "aac")


def test_a_new_title_in_an_ogg_stream_is_heard_too() -> None:
    """Icecast chains the streams of titles (RFC 3533, section 4)."""
    both = stream_of("ogg", 2) + stream_of("ogg", 2, seed=1)
    with Station(sends(both, "application/ogg")) as station:
        heard, why = hear(feed_of(station.url))
    assert why == ""
    assert_says(heard, np.concatenate((sound(2), sound(2, seed=1))))


def test_shoutcast_and_chunks_are_understood() -> None:
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(MP3), MP3)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
    icy = b"ICY 200 OK\r\nicy-name: X\r\n\r\n" + MP3
    for raw in (chunked, icy):
        with Station(says(raw)) as station:
            heard, why = hear(feed_of(station.url))
        assert why == ""
        assert_says(heard, sound(4))


def test_user_and_password_are_sent_and_not_told() -> None:
    with Station(says(b"HTTP/1.1 401 No\r\n\r\n")) as station:
        url = station.url.replace("//", "//me:s3%40cret@")
        _, why = hear(feed_of(url))
    assert why == "it answers 401"
    assert "Authorization: Basic bWU6czNAY3JldA==" in station.requests[0]


@pytest.mark.parametrize(
    "listed", ["[playlist]\nFile1={}\n", "#EXTM3U\n#EXTINF:1,x\n{}\n"]
)
def test_a_list_of_servers_leads_to_the_first(listed: str) -> None:
    with Station(sends(MP3)) as station:
        text = listed.format(station.url).encode()
        with Station(sends(text, "audio/x-mpegurl")) as directory:
            heard, why = hear(feed_of(directory.url))
    assert why == ""
    assert_says(heard, sound(4))


class TestRedirect:
    """Each step is checked."""

    def test_is_followed(self) -> None:
        with Station(sends(MP3)) as station, Station(redirects(station.url)) as first:
            heard, why = hear(feed_of(first.url))
        assert why == ""
        assert_says(heard, sound(4))

    @pytest.mark.parametrize(
        "to", ["file:///etc/passwd", "rtsp://127.0.0.1/", "ftp://x/"]
    )
    def test_to_another_scheme_is_not(self, to: str) -> None:
        with Station(redirects(to)) as station:
            heard, why = hear(feed_of(station.url))
        assert len(heard) == 0
        assert why != ""

    def test_in_a_circle_ends(self) -> None:
        with Station(redirects("/again")) as station:
            _, why = hear(feed_of(station.url))
        assert "without end" in why
        assert len(station.requests) == 6

    def test_out_of_reach_connects_nowhere(self) -> None:
        with Station(sends(MP3)) as station:
            _, why = hear(feed_of(station.url, reach=Reach.SITE))
        assert "not among the networks" in why
        assert station.requests == []


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (never_answers, "in time"),
        (dribbles, "in time"),
        (stalls_after(b""), "in time"),
        (stalls_after(MP3[:20_000]), "in time"),
        (says(b""), "connection failed|speak HTTP"),
        (says(b"SSH-2.0-OpenSSH\r\n"), "speak HTTP"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"), "speak HTTP"),
        (says(b"HTTP/1.1 404 Not Found\r\n\r\n"), "answers 404"),
        (sends(b""), "no audio"),
        (sends(b"<html>Sorry</html>" * 99, "text/html"), "no audio"),
        (sends(np.random.default_rng(1).bytes(300_000)), "no audio"),
        (sends(b"[playlist]\n", "audio/x-scpls"), "without an address"),
        (sends(b"ffconcat version 1.0\nfile /etc/passwd\n"), "no audio"),
    ],
)
def test_what_is_no_station_is_told_within_its_timeouts(act: Act, why: str) -> None:
    begun_s = time.monotonic()
    with Station(act) as station:
        _, reason = hear(feed_of(station.url, timeout_s=0.4))
        assert time.monotonic() - begun_s < 1.5
    assert re.search(why, reason), reason


def test_noise_in_a_stream_is_survived() -> None:
    noise = np.random.default_rng(2).bytes(2_000)
    with Station(sends(MP3[:10_000] + noise + MP3[10_000:])) as station:
        heard, _ = hear(feed_of(station.url))
    assert np.isfinite(heard).all()
    assert len(heard) > 3 * SAMPLE_RATE_HZ


@pytest.mark.parametrize("act", [never_answers, stalls_after(MP3[:20_000]), dribbles])
def test_abort_ends_every_wait_at_once(act: Act) -> None:
    begun = threading.Event()

    def watched(call: Call) -> None:
        begun.set()
        act(call)

    with Station(watched) as station:
        feed = feed_of(station.url, timeout_s=30)
        thread = threading.Thread(target=hear, args=(feed,))
        thread.start()
        assert begun.wait(5)
        feed.abort()
        thread.join(1.0)
        assert not thread.is_alive()


def test_a_client_that_was_aborted_asks_nothing_more() -> None:
    client = HttpClient(Reach.ANY, connect_timeout_s=1, read_timeout_s=1)
    client.abort()
    with Station(sends(MP3)) as station, pytest.raises(AbortedError):
        client.get(RelayUrl.parse(station.url))
    assert station.requests == []


# --- HTTP Live Streaming ------------------------------------------------------------


def playlist(first: int, names: list[str], *, tail: str = "", target: int = 1) -> bytes:
    lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{target}"]
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
    for name in names:
        lines += ["#EXTINF:1.0,", name]
    return "\n".join([*lines, tail]).encode()


SEGMENTS = {f"/{n}.ts": stream_of("mpegts", 1, seed=n) for n in range(8)}


def test_hls_is_heard_by_way_of_its_master_segment_after_segment() -> None:
    master = (
        b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900000\n/high.m3u8\n"
        b"#EXT-X-STREAM-INF:BANDWIDTH=64000\nlow/list.m3u8\n"
    )
    names = [f"../{n}.ts" for n in range(4)]
    files = {
        "/live": master,
        "/low/list.m3u8": playlist(0, names, tail="#EXT-X-ENDLIST"),
        **SEGMENTS,
    }
    with Station.with_files(files) as station:
        heard, why = hear(feed_of(station.url))
    assert why == ""
    # Each segment was encoded alone: AAC adds a frame of delay to each.
    assert 4 * SAMPLE_RATE_HZ <= len(heard) < 4.3 * SAMPLE_RATE_HZ
    asked = [request.split()[1] for request in station.requests]
    assert asked == ["/live", "/low/list.m3u8", *list(SEGMENTS)[:4]]


def test_live_hls_joins_near_its_end_and_goes_on_as_the_list_does() -> None:
    files = {"/live": playlist(10, [f"/{n}.ts" for n in range(5)]), **SEGMENTS}
    with Station.with_files(files) as station:
        feed = feed_of(station.url)
        stream = feed.pcm()
        first = next(stream)
        files["/live"] = playlist(
            12, [f"/{n}.ts" for n in range(2, 7)], tail="#EXT-X-ENDLIST"
        )
        heard = np.concatenate([first, *stream])
    asked = [request.split()[1] for request in station.requests]
    assert [path for path in asked if path != "/live"] == list(SEGMENTS)[2:7]
    assert 5 * SAMPLE_RATE_HZ <= len(heard) < 5.4 * SAMPLE_RATE_HZ


def test_hls_goes_on_where_the_encoding_changes_and_where_a_segment_is_missing() -> (
    None
):
    names = ["/0.ts", "/gone.ts", "/1.ts", "/a.aac", "/b.aac"]
    text = playlist(0, names, tail="#EXT-X-ENDLIST")
    text = text.replace(b"#EXTINF:1.0,\n/a.aac", b"#EXT-X-DISCONTINUITY\n/a.aac")
    files = {"/live": text, **SEGMENTS}
    files["/a.aac"], files["/b.aac"] = stream_of("adts", 1), stream_of("adts", 1, 1)
    with Station.with_files(files) as station:
        heard, why = hear(feed_of(station.url))
    assert why == ""
    assert 4 * SAMPLE_RATE_HZ <= len(heard) < 4.3 * SAMPLE_RATE_HZ


def test_hls_that_stands_still_is_given_up_and_can_be_aborted() -> None:
    files = {"/live": playlist(0, ["/0.ts"], target=1), **SEGMENTS}
    with Station.with_files(files) as station:
        feed = feed_of(station.url)
        stream = feed.pcm()
        next(stream)
        timer = threading.Timer(0.3, feed.abort)
        timer.start()
        begun_s = time.monotonic()
        with pytest.raises(RelayError):
            list(stream)
        assert time.monotonic() - begun_s < 1.0
        timer.join()
        _, why = hear(feed_of(station.url))
    assert why == "its playlist stands still"


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        ('#EXT-X-KEY:METHOD=AES-128,URI="k"', "encrypted"),
        ("#EXT-X-BYTERANGE:100@0", "parts of files"),
        ("file:///etc/passwd\n#EXT-X-ENDLIST", ""),
    ],
)
def test_hls_that_is_not_understood_is_told(tail: str, why: str) -> None:
    with Station.with_files({"/live": playlist(0, [], tail=tail)}) as station:
        heard, reason = hear(feed_of(station.url))
    assert len(heard) == 0
    assert why in reason
    assert reason != ""


def test_a_bad_address_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(RelayUrlError):
        feed_of("file:///etc/passwd")


# --- RTSP -----------------------------------------------------------------------------


def test_rtsp_is_heard_over_tcp_and_a_stall_is_told() -> None:
    """A square wave of 500 Hz in mu-law: 0x80 is the loudest, 0x00 its negative."""
    seconds = 3
    square = (b"\x80" * 8 + b"\x00" * 8) * (500 * seconds)
    with RtspStation(square) as station:
        url = station.url.replace("//", "//me:s3cret@")
        feed = feed_of(url)
        begun_s = time.monotonic()
        heard, why = hear(feed)
        assert time.monotonic() - begun_s < 2 * RTSP_READ_TIMEOUT_S
        asked = " ".join(station.requests)
    assert feed.codec == "pcm_mulaw"
    assert len(heard) == pytest.approx(seconds * SAMPLE_RATE_HZ, abs=5_000)
    spectrum = np.abs(np.fft.rfft(heard[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ]))
    assert np.argmax(spectrum) == 500
    assert "s3cret" not in why + asked


def test_rtsp_out_of_reach_connects_nowhere() -> None:
    with RtspStation(b"") as station:
        _, why = hear(feed_of(station.url, reach=Reach.PUBLIC))
        assert "not among the networks" in why
        assert station.requests == []


def test_rtsp_that_never_answers_is_told() -> None:
    with Station(never_answers) as station:
        url = station.url.replace("http", "rtsp")
        begun_s = time.monotonic()
        heard, why = hear(feed_of(url, timeout_s=0.5))
        assert time.monotonic() - begun_s < 1.5
    assert len(heard) == 0
    assert why != ""
