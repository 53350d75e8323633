"""Laws of what is shown of a relay's address, and of what comes back."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.air.entrycheck import ScheduleError
from streamer.air.entrysecrets import completed, shown, shown_url
from streamer.air.schedule import FileItem, RelayItem, ScheduleEntry
from tests.streamer.air.schedules import entry

SECRETS = st.text(min_size=4, max_size=12).map(lambda text: f"S{quote(text, safe='')}")
ADDRESSES = st.builds(
    lambda user, password, values, place: (
        f"https://{user}:{password}@vov.vn:8443/{place}?"
        + "&".join(f"k{number}={value}" for number, value in enumerate(values))
    ),
    SECRETS,
    SECRETS,
    st.lists(SECRETS, max_size=3),
    st.sampled_from(("live", "live.m3u8", "")),
)


def relaying(*urls: str) -> ScheduleEntry:
    items = [FileItem("f1"), *(RelayItem(each, 60) for each in urls)]
    return entry(items=tuple(items))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://vov.vn/live", "https://vov.vn/live"),
        ("http://đài:mật%20khẩu@h:80/a", "http://***@h:80/a"),
        ("http://u@[2001:db8::1]:8000/", "http://***@[2001:db8::1]:8000/"),
        ("http://u:p@x@h/", "http://***@h/"),
        ("rtsp://h/a?token=1&bare&k=a=b&e=", "rtsp://h/a?token=***&***&k=***&e=***"),
        ("https://h/a#t=secret", "https://h/a#***"),
        ("http://[broken/secret", "***"),
    ],
)
def test_a_secret_is_shown_to_be_there_and_nothing_of_it(
    url: str, expected: str
) -> None:
    assert shown_url(url) == expected
    assert shown_url(expected) == expected


@given(st.lists(ADDRESSES, max_size=4))
def test_what_was_shown_comes_back_as_what_was_stored(urls: list[str]) -> None:
    stored = relaying(*urls)
    assert completed(shown(stored), stored) == stored
    assert completed(stored, None) == stored, "what is not masked is taken as it is"


@given(ADDRESSES)
def test_no_secret_is_shown(url: str) -> None:
    user, _, rest = url.removeprefix("https://").partition("@")
    secrets = [*user.split(":"), *(e.partition("=")[2] for e in rest.split("&"))]
    text = shown_url(url)
    assert not any(each in text for each in secrets if each)


@given(
    ADDRESSES,
    st.sampled_from([("vov.vn", "evil.example"), ("8443/", "8443/x"), ("***@", "")]),
)
def test_a_secret_goes_along_to_no_other_place(url: str, put: tuple[str, str]) -> None:
    stored = relaying(url)
    changed = relaying(shown_url(url).replace(*put))
    try:
        kept = completed(changed, stored)
    except ScheduleError:
        return
    assert kept == changed, "no mask was left in it"


def test_a_mask_of_nothing_is_refused() -> None:
    masked = relaying("https://vov.vn/live?token=***")
    for stored in (None, relaying("https://vov.vn/other?token=1"), entry()):
        with pytest.raises(ScheduleError, match="nobody stored"):
            completed(masked, stored)
    path = relaying("https://vov.vn/***/live")
    assert completed(path, None) == path


def test_two_that_look_the_same_keep_their_order() -> None:
    stored = relaying("https://h/?t=1", "https://h/?t=2")
    assert completed(shown(stored), stored) == stored
    once = replace(stored, items=shown(stored).items[:2])
    assert completed(once, stored).items[1] == RelayItem("https://h/?t=1", 60)
