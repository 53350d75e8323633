"""Tests of streamer.fanout.webrtc.sdp, with aiortc as the other party."""

from __future__ import annotations

import contextlib

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from streamer.fanout.webrtc.sdp import (
    Local,
    Offer,
    OfferError,
    UnacceptableOfferError,
    answer,
)

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=fingerprint:sha-256 " + ":".join(["0A"] * 32),
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=setup:actpass",
        "a=mid:0",
        "a=recvonly",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:9 G722/8000",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=mid:1",
        "a=rtpmap:96 VP8/90000",
        "",
    ]
)
LOCAL = Local(
    ufrag="ours",
    password="0123456789abcdef01234567",
    fingerprint=":".join(["FF"] * 32),
    candidates=[("127.0.0.1", 8082), ("::1", 8082)],
    ssrc=77,
    cname="station",
    session_id=5,
)


def test_a_browsers_offer_is_understood() -> None:
    offer = Offer.parse(OFFER)
    assert (offer.index, offer.mid, offer.setup) == (0, "0", "passive")
    assert (offer.opus_payload_type, offer.red_payload_type) == (111, 63)
    assert offer.fingerprints == {"sha-256": ":".join(["0A"] * 32)}


def test_the_answer_serves_the_audio_and_rejects_the_rest() -> None:
    text = answer(Offer.parse(OFFER), LOCAL)
    read = SessionDescription.parse(text)
    audio, video = read.media
    assert audio.direction == "sendonly"
    assert audio.dtls is not None
    assert audio.dtls.role == "server"
    assert audio.ice is not None
    assert audio.ice.usernameFragment == "ours"
    assert [c.ip for c in audio.ice_candidates] == ["127.0.0.1", "::1"]
    assert [c.mimeType for c in audio.rtp.codecs] == ["audio/red", "audio/opus"]
    assert video.port == 0
    assert read.group[0].items == ["0"]
    assert "a=ice-lite" in text
    assert "stereo=0" in text


async def test_aiortcs_own_offer_is_understood() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = Offer.parse(connection.localDescription.sdp)
    assert offer.red_payload_type is None
    assert "sha-256" in offer.fingerprints
    await connection.close()


def test_red_of_another_opus_is_left_out() -> None:
    other = OFFER.replace("111", "109")
    assert Offer.parse(other).red_payload_type is None
    stereo = OFFER.replace("a=fmtp:63 111/111", "a=fmtp:63 9/9")
    assert Offer.parse(stereo).red_payload_type is None


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        (("v=0", "hello"), OfferError, "v=0"),
        (("s=-", "s"), OfferError, "not an SDP line"),
        (("m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9", "m=audio"), OfferError, "m-line"),
        (("opus/48000/2", "pcmu/8000"), UnacceptableOfferError, "Opus"),
        (("a=recvonly", "a=sendonly"), UnacceptableOfferError, "receives"),
        (("m=audio", "m=text"), UnacceptableOfferError, "audio"),
        (("SAVPF 111", "AVP 111"), UnacceptableOfferError, "audio"),
        (("a=ice-ufrag:abcd\r\n", ""), UnacceptableOfferError, "ice-ufrag"),
        (("ice-ufrag:abcd", "ice-ufrag:a"), UnacceptableOfferError, "ice-ufrag"),
        (("ice-pwd:0", "ice-pwd:é"), UnacceptableOfferError, "ice-pwd"),
        (("sha-256 0A", "sha-256 XY"), UnacceptableOfferError, "fingerprint"),
        (("actpass", "holdconn"), UnacceptableOfferError, "setup"),
        (
            ("v=0\r\n", "v=0\r\n" + "m=video 9 x 1\r\n" * 1000),
            UnacceptableOfferError,
            "m-lines",
        ),
        (("s=-", "s=" + "x" * 70_000), OfferError, "bytes"),
    ],
)
def test_what_cannot_be_served_is_said(
    change: tuple[str, str], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        Offer.parse(OFFER.replace(*change))


@given(st.data())
def test_law_a_shuffled_offer_raises_nothing_else(data: st.DataObject) -> None:
    lines = OFFER.split("\r\n")
    taken = data.draw(st.lists(st.sampled_from([*lines, "m=", "a=", "a=rtpmap:"])))
    cut = data.draw(st.integers(0, 40))
    with contextlib.suppress(OfferError, UnacceptableOfferError):
        answer(Offer.parse("v=0\n" + "\n".join(line[:cut] for line in taken)), LOCAL)
    with contextlib.suppress(OfferError, UnacceptableOfferError):
        answer(Offer.parse("\r\n".join(["v=0", *taken])), LOCAL)
