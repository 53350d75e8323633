"""Tests of ingest.sdp on offers as browsers and OBS make them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sdp import (
    MAX_CANDIDATES,
    MAX_OFFER_BYTES,
    BadOfferError,
    Offer,
    OfferError,
    UnacceptableOfferError,
)

SESSION = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS *
"""
TRANSPORT = """a=ice-ufrag:abcd
a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa
a=fingerprint:sha-256 AA:BB
a=setup:actpass
a=rtcp-mux
"""
AUDIO = """m=audio 9 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10
a=rtpmap:0 PCMU/8000
"""
VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=mid:1
a=sendonly
a=rtpmap:96 H264/90000
"""
ANSWER = """v=0
o=- 3 4 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=audio 40000 UDP/TLS/RTP/SAVPF 111
c=IN IP4 10.0.0.1
a=recvonly
a=mid:0
a=msid:None None
a=rtpmap:111 opus/48000/2
"""
OFFER = SESSION + AUDIO + TRANSPORT + VIDEO + TRANSPORT


def media_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("m=")]


def test_only_the_audio_is_shown() -> None:
    shown = Offer.parse(OFFER).audio_only()
    assert media_of(shown) == ["m=audio 9 UDP/TLS/RTP/SAVPF 111 0"]
    assert "a=group:BUNDLE 0\r\n" in shown
    assert shown.endswith("\r\n")


@pytest.mark.parametrize("audio_first", [True, False])
def test_every_other_medium_is_rejected_in_its_place(audio_first: bool) -> None:
    media = [AUDIO + TRANSPORT, VIDEO + TRANSPORT]
    offer = SESSION + "".join(media if audio_first else media[::-1])
    answer = Offer.parse(offer).complete(ANSWER)
    wanted = [
        "m=audio 40000 UDP/TLS/RTP/SAVPF 111",
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
    ]
    assert media_of(answer) == (wanted if audio_first else wanted[::-1])
    assert "a=mid:1\r\n" in answer
    assert "a=group:BUNDLE 0\r\n" in answer


def test_fec_is_asked_for_and_no_sender_is_announced() -> None:
    answer = Offer.parse(OFFER).complete(ANSWER)
    assert "a=fmtp:111 minptime=10;useinbandfec=1" in answer
    assert "msid:None" not in answer


def test_a_transport_stated_once_for_a_bundle_is_found() -> None:
    shown = Offer.parse(SESSION + VIDEO + TRANSPORT + AUDIO).audio_only()
    for line in TRANSPORT.splitlines():
        assert f"{line}\r\n" in shown


def test_a_missing_mid_is_made_up() -> None:
    offer = (SESSION + AUDIO + TRANSPORT).replace("a=mid:0\n", "")
    assert "a=mid:0\r\n" in Offer.parse(offer).audio_only()


def test_only_a_few_plain_udp_candidates_are_shown() -> None:
    plain = "a=candidate:1 1 udp 2130706431 127.0.0.1 {} typ host\n"
    offer = (
        SESSION
        + AUDIO
        + TRANSPORT
        + "a=candidate:1 1 udp 2130706431 4c1f-a.local 5000 typ host\n"
        + "a=candidate:1 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active\n"
        + "a=candidate:short\n"
        + "".join(plain.format(port) for port in range(1, 100))
    )
    shown = Offer.parse(offer).audio_only()
    assert shown.count("a=candidate:") == MAX_CANDIDATES
    assert ".local" not in shown
    assert " tcp " not in shown


@pytest.mark.parametrize(
    "text",
    ["", "hello", '{"sdp": "v=0"}', "<html></html>", "v=1\n", OFFER + "\nnonsense\n"],
)
def test_what_is_no_sdp_is_bad(text: str) -> None:
    with pytest.raises(BadOfferError):
        Offer.parse(text)


def test_what_is_too_long_is_bad() -> None:
    with pytest.raises(BadOfferError, match="65536"):
        Offer.parse(OFFER + "a=x\n" * (MAX_OFFER_BYTES // 4))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SESSION, "no audio"),
        (SESSION + VIDEO + TRANSPORT, "no audio"),
        (OFFER.replace("opus", "G722"), "not Opus"),
        (OFFER.replace("sendonly", "recvonly"), "not sent"),
        (OFFER.replace("sendonly", "inactive"), "not sent"),
        (OFFER.replace("m=audio 9", "m=audio 0"), "not sent"),
    ],
)
def test_what_has_no_opus_for_us_is_unacceptable(text: str, reason: str) -> None:
    with pytest.raises(UnacceptableOfferError, match=reason):
        Offer.parse(text)


@given(st.data())
def test_law_mangled_offers_are_read_or_refused(data: st.DataObject) -> None:
    lines = OFFER.splitlines()
    for _ in range(data.draw(st.integers(1, 5))):
        k = data.draw(st.integers(0, len(lines) - 1))
        lines[k] = data.draw(st.text(max_size=20) | st.sampled_from(lines))
    try:
        offer = Offer.parse("\r\n".join(lines))
    except OfferError:
        return
    assert len(media_of(offer.audio_only())) == 1
    assert len(media_of(offer.complete(ANSWER))) == len(offer.media)
