"""Tests of the light listener: its SDP, and its part where servers check it too."""

from __future__ import annotations

from random import Random

import pytest

from bench import webrtc_sdp
from bench.webrtc_client import LightListener
from bench.webrtc_plain import PlainListener
from streamer.fanout.webrtc.sdp import Offer
from streamer.wire import stun
from streamer.wire.rtp import RtpPacket
from streamer.wire.stun import Attribute, MessageType, StunMessage

SERVER = ("192.0.2.7", 4321)
ANSWER = webrtc_sdp.offer(
    webrtc_sdp.Local("serverufrag", "p" * 24, "AA:" * 31 + "AA", SERVER)
)


def listener() -> LightListener:
    return LightListener(Random(4))


def test_our_own_server_reads_its_offer() -> None:
    offer = Offer.parse(listener().offer(("127.0.0.1", 999)))
    assert offer.opus_payload_type == 111
    assert offer.setup == "passive"


def test_it_answers_with_the_payload_type_and_mid_of_the_offer() -> None:
    offered = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:a\r\n" + (
        "a=rtpmap:96 opus/48000/2\r\na=ice-ufrag:uuuu\r\na=ice-pwd:" + "p" * 22
    )
    offered += (
        "\r\na=fingerprint:sha-256 AA\r\na=candidate:1 1 udp 1 192.0.2.7 4321 typ host"
    )
    answering = listener()
    answer = answering.answer(offered, ("127.0.0.1", 999))
    assert answering.server == SERVER
    for line in ("a=mid:a", "m=audio 9 UDP/TLS/RTP/SAVPF 96", "a=setup:active"):
        assert line in answer.split("\r\n")
    assert "127.0.0.1 999 typ host" in answer


@pytest.mark.parametrize("missing", ["a=candidate:", "a=ice-pwd:", "a=fingerprint:"])
def test_an_answer_that_lacks_a_line_is_refused(missing: str) -> None:
    lines = [line for line in ANSWER.split("\r\n") if not line.startswith(missing)]
    with pytest.raises(ValueError, match="lacks"):
        listener().accept("\r\n".join(lines))


def check(password: str) -> bytes:
    attributes = [
        (int(Attribute.USERNAME), b"x:y"),
        (int(Attribute.PRIORITY), bytes(4)),
    ]
    return stun.serialize(
        MessageType.REQUEST, bytes(12), attributes, password=password.encode()
    )


def test_it_answers_the_checks_of_a_server_that_is_not_lite() -> None:
    mine = listener()
    password = next(
        line.removeprefix("a=ice-pwd:")
        for line in mine.offer().split("\r\n")
        if line.startswith("a=ice-pwd:")
    )
    mine.accept(ANSWER)
    mine.receive(check("not the password at all"))
    assert mine.outgoing() == []
    mine.receive(check(password))
    (answer,) = mine.outgoing()
    message = StunMessage.parse(answer)
    assert message.message_type is MessageType.SUCCESS
    assert message.has_integrity(password.encode())
    mapped = message.get(Attribute.XOR_MAPPED_ADDRESS)
    assert mapped == stun.xor_mapped_address(SERVER, bytes(12))


def test_checks_of_many_listeners_spread() -> None:
    times = set()
    for seed in range(20):
        mine = LightListener(Random(seed))
        mine.accept(ANSWER)
        now_ns = 0
        while not (sent := mine.outgoing()) or now_ns == 0:
            now_ns += 10_000_000
            mine.poll(now_ns=now_ns)
            if now_ns == 10_000_000:
                mine.outgoing()  # the first one is at once
        assert sent
        times.add(now_ns)
    assert len(times) > 5


def test_a_plain_listener_strips_what_stands_for_the_tag() -> None:
    plain = PlainListener(padding_bytes=16)
    plain.accept(webrtc_sdp.plain_offer(SERVER))
    assert plain.server == SERVER
    packet = RtpPacket(111, 1, 2, 3, b"payload")
    assert plain.decrypt(packet.serialize() + bytes(16)) == packet
    assert plain.decrypt(b"\x80") is None
