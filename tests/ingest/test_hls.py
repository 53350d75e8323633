"""Tests of ingest.hls: playlists as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.hls import MediaPlaylist, PlaylistError, choose_stream, first_address

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:{}\n"


def media(first: int, count: int, *, over: bool = False) -> MediaPlaylist:
    lines = [f"#EXTINF:6.0,\n{number}.ts" for number in range(first, first + count)]
    end = ["#EXT-X-ENDLIST"] if over else []
    return MediaPlaylist.parse(HEAD.format(first) + "\n".join(lines + end))


def test_segments_bear_their_numbers_and_what_they_need() -> None:
    playlist = MediaPlaylist.parse(
        HEAD.format(7)
        + '#EXT-X-MAP:URI="a.mp4"\n#EXTINF:6,\n1.m4s\n#EXT-X-DISCONTINUITY\n'
        + '#EXT-X-MAP:URI="b.mp4"\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:6,\n2.m4s\n'
    )
    assert [
        (each.number, each.uri, each.init_uri, each.begins_anew)
        for each in playlist.segments
    ] == [(7, "1.m4s", "a.mp4", False), (8, "2.m4s", "b.mp4", True)]
    assert playlist.target_s == 6
    assert not playlist.is_over


@given(first=st.integers(0, 10**9), count=st.integers(1, 20), over=st.booleans())
def test_law_following_a_list_plays_each_segment_once(
    first: int, count: int, over: bool
) -> None:
    playlist = media(first, count, over=over)
    played: list[int] = []
    number = None
    while (segment := playlist.after(number)) is not None:
        number = segment.number
        played.append(number)
    joined = first if over else max(first, first + count - 3)
    assert played == list(range(joined, first + count))
    assert playlist.is_over == over


@given(first=st.integers(0, 1000), count=st.integers(1, 9), last=st.integers(0, 1010))
def test_law_a_server_that_counts_anew_is_noticed_and_a_late_one_is_not(
    first: int, count: int, last: int
) -> None:
    playlist = media(first, count)
    if playlist.restarted(last):
        assert first + count - 1 < last
    if first + count - 1 >= last:
        assert not playlist.restarted(last)
    assert not playlist.restarted(None)


MASTER = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS="a,b"\nhigh\n'


@pytest.mark.parametrize(
    ("text", "stream"),
    [
        (HEAD.format(0), None),
        (MASTER, "high"),
        (MASTER + "#EXT-X-STREAM-INF:BANDWIDTH=8\nlow\n", "low"),
        (MASTER + '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="sound"\n', "sound"),
        (MASTER + '#EXT-X-MEDIA:TYPE=SUBTITLES,URI="words"\n', "high"),
    ],
)
def test_a_master_playlist_names_the_stream_to_play(
    text: str, stream: str | None
) -> None:
    assert choose_stream(text) == stream


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("#EXTM3U\n#EXTINF:-1,Radio\nhttp://a/1\nhttp://a/2\n", "http://a/1"),
        ("[playlist]\nNumberOfEntries=1\nFile1=https://a/1\n", "https://a/1"),
        ("[playlist]\nTitle1=http://a/1 and more\n", None),
        ("", None),
    ],
)
def test_a_list_of_servers_names_the_first(text: str, address: str | None) -> None:
    assert first_address(text) == address


LINES = st.sampled_from(
    [
        *("#EXTM3U", "#EXTINF:6,", "1.ts", "", "#EXT-X-ENDLIST", "\x00", "#EXT-X-MAP:"),
        *("#EXT-X-MEDIA-SEQUENCE:99999999999999999999", "#EXT-X-TARGETDURATION:-1"),
        *("#EXT-X-STREAM-INF:BANDWIDTH=x", "#EXT-X-KEY:METHOD=", "#EXT-X-BYTERANGE"),
        *("#EXT-X-MEDIA:TYPE=AUDIO,URI=", "#EXT-X-TARGETDURATION:1e9"),
    ]
)


@given(st.lists(LINES | st.text(max_size=20), max_size=12))
def test_fuzz_any_text_is_a_playlist_or_refused(lines: list[str]) -> None:
    for text in ("\n".join(lines), "\n".join(["#EXTM3U", *lines])):
        try:
            choose_stream(text)
            playlist = MediaPlaylist.parse(text)
        except PlaylistError:
            continue
        assert 1 <= playlist.target_s <= 60
