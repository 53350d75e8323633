"""Tests of ingest.relayurl: what may be relayed, and what logs may show."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.relayurl import Reach, RelayUrl, RelayUrlError, is_within, resolve


@pytest.mark.parametrize(
    ("text", "shown", "target"),
    [
        ("http://radio.vn", "http://radio.vn/", "/"),
        ("https://radio.vn:443/a", "https://radio.vn/a", "/a"),
        ("HTTP://Radio.VN:8000/live#x", "http://radio.vn:8000/live", "/live"),
        ("http://radio.vn/a?key=s3cret", "http://radio.vn/a?…", "/a?key=s3cret"),
        ("rtsp://u:s3cret@cam/1", "rtsp://cam/1", "/1"),
        ("http://[2001:db8::1]:81/x", "http://[2001:db8::1]:81/x", "/x"),
        ("http://đài.vn/sáng", "http://xn--i-rfa0m.vn/s%C3%A1ng", "/s%C3%A1ng"),
    ],
)
def test_an_address_is_read(text: str, shown: str, target: str) -> None:
    url = RelayUrl.parse(text)
    assert url.target == target
    assert url.shown == shown
    for secretive in (url.shown, repr(url) if "?" not in text else ""):
        assert "s3cret" not in secretive


@pytest.mark.parametrize(
    "text",
    [
        *("", "radio.vn/live", "file:///etc/passwd", "ftp://radio.vn/x", "http://"),
        *("http:///live", "http://a:port/", "http://a:70000/", "http://a b/"),
        *("http://a/\r\nX: y", "http://a\\@b/", "concat:http://a|http://b"),
        *("http://[::1", "http://" + 64 * "a" + ".vn/", "http://a/" + 2000 * "x"),
        "crypto+http://a/",
    ],
)
def test_what_is_none_of_a_station_is_refused(text: str) -> None:
    with pytest.raises(RelayUrlError):
        RelayUrl.parse(text)


@given(st.text(max_size=40), st.sampled_from(["", "http://", "http://a/", "//"]))
def test_law_any_text_is_an_address_or_refused(text: str, before: str) -> None:
    try:
        url = RelayUrl.parse(before + text)
    except RelayUrlError:
        return
    request = f"GET {url.target} HTTP/1.1\r\nHost: {url.authority}\r\n"
    assert request.isascii()
    assert request.count("\r\n") == 2
    assert len(request.split()) == 5


class TestJoin:
    """Where a redirect leads, and what goes along."""

    URL = RelayUrl.parse("http://me:s3cret@radio.vn/a/list.m3u8?k=1")

    def test_to_the_same_host_with_credentials(self) -> None:
        joined = self.URL.join("../b/1.ts")
        assert joined.without_credentials == "http://radio.vn/b/1.ts"
        assert (joined.user, joined.password) == ("me", "s3cret")

    @pytest.mark.parametrize(
        "elsewhere", ["http://radio.vn:81/", "https://radio.vn/", "//evil.vn/a"]
    )
    def test_to_any_other_without(self, elsewhere: str) -> None:
        joined = self.URL.join(elsewhere)
        assert (joined.user, joined.password) == ("", "")

    def test_never_to_a_file(self) -> None:
        with pytest.raises(RelayUrlError):
            self.URL.join("file:///etc/passwd")


@pytest.mark.parametrize(
    ("address", "least"),
    [
        ("8.8.8.8", Reach.PUBLIC),
        ("2001:4860:4860::8888", Reach.PUBLIC),
        ("10.1.2.3", Reach.SITE),
        ("192.168.1.1", Reach.SITE),
        ("100.64.0.1", Reach.SITE),
        ("fd00::1", Reach.SITE),
        ("127.0.0.1", Reach.ANY),
        ("::1", Reach.ANY),
        ("::ffff:127.0.0.1", Reach.ANY),
        ("64:ff9b::10.0.0.1", Reach.SITE),
        ("2002:7f00:1::", Reach.ANY),
        *((never, None) for never in ("0.0.0.0", "::", "169.254.169.254", "fe80::1")),
        *((never, None) for never in ("224.0.0.1", "ff02::1", "255.255.255.255")),
        *((never, None) for never in ("240.0.0.1", "192.0.2.1", "::ffff:0.0.0.0")),
    ],
)
def test_each_address_has_the_least_reach_that_allows_it(
    address: str, least: Reach | None
) -> None:
    order = [Reach.PUBLIC, Reach.SITE, Reach.ANY]
    allowed = [reach for reach in order if is_within(ip_address(address), reach)]
    assert allowed == ([] if least is None else order[order.index(least) :])


@given(st.integers(0, 2**32 - 1), st.sampled_from(Reach))
def test_law_no_other_way_to_write_an_address_leads_further(
    number: int, reach: Reach
) -> None:
    address = IPv4Address(number)
    mapped = IPv6Address(f"::ffff:{address}")
    nat64 = IPv6Address(int(IPv6Address("64:ff9b::")) + number)
    assert is_within(mapped, reach) == is_within(address, reach)
    assert is_within(nat64, reach) == is_within(address, reach)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
def test_a_name_of_this_machine_is_refused_where_it_is_resolved(host: str) -> None:
    url = RelayUrl.parse(f"http://{host}/")
    with pytest.raises(RelayUrlError, match="not among the networks"):
        resolve(url, Reach.SITE)
    assert all(address.is_loopback for address in resolve(url, Reach.ANY))
