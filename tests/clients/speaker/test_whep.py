"""Asking for WebRTC: where, what is offered, and what answers mean."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from clients.speaker.placing import RED_PAYLOAD_TYPE
from clients.speaker.sdp import answer_for_aiortc, offer_for_server
from clients.speaker.whep import (
    MAX_ANSWER_BYTES,
    Resource,
    WhepAddress,
    WhepError,
    delete,
    post_offer,
    whep_url,
)
from streamer.fanout.webrtc import sdp as server
from streamer.wire.control import Welcome

CREDENTIAL = "loas_7_secret"


@pytest.mark.parametrize(
    ("stream_url", "port", "api_url", "found"),
    [
        ("ws://h:8081/v1/listen", 8080, None, "http://h:8080/whep"),
        ("wss://h/v1/listen", 443, None, "https://h:443/whep"),
        ("ws://[fd00::1]:8081", 8080, None, "http://[fd00::1]:8080/whep"),
        ("ws://h:8081", None, None, None),
        ("ws://h:8081", None, "https://api.h/", "https://api.h/whep"),
        ("ws://h:8081", 8080, "https://h/loa", "https://h/loa/whep"),
    ],
)
def test_offers_go_to_the_host_of_the_stream_unless_told(
    stream_url: str, port: int | None, api_url: str | None, found: str | None
) -> None:
    assert whep_url(stream_url, Welcome("s", "z", 20, port), api_url) == found


async def offered() -> tuple[RTCPeerConnection, str]:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = peer.addTransceiver("audio", direction="recvonly")
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    assert capabilities is not None
    opus = [c for c in capabilities.codecs if c.mimeType == "audio/opus"]
    transceiver.setCodecPreferences(opus)
    await peer.setLocalDescription(await peer.createOffer())
    return peer, peer.localDescription.sdp


async def test_the_server_finds_redundancy_in_the_offer() -> None:
    peer, sdp = await offered()
    offer = server.Offer.parse(offer_for_server(sdp))
    assert offer.opus_payload_type == 111
    assert offer.red_payload_type == RED_PAYLOAD_TYPE
    await peer.close()


@pytest.mark.parametrize("with_red", [True, False])
async def test_aiortc_receives_what_the_server_will_send(with_red: bool) -> None:
    peer, sdp = await offered()
    text = offer_for_server(sdp)
    if not with_red:
        text = text.replace("red/48000/2", "other/48000/2")
    offer = server.Offer.parse(text)
    answer = server.answer(
        offer,
        server.Local(
            ufrag="abcd",
            password="x" * 24,
            fingerprint=":".join(["AB"] * 32),
            candidates=[("127.0.0.1", 9)],
            ssrc=7,
            cname="c",
            session_id=1,
        ),
    )
    await peer.setRemoteDescription(
        RTCSessionDescription(answer_for_aiortc(answer), "answer")
    )
    (transceiver,) = peer.getTransceivers()
    expected = RED_PAYLOAD_TYPE if with_red else 111
    assert [codec.payloadType for codec in transceiver._codecs] == [expected]
    await peer.close()


async def test_an_offer_of_anything_else_is_a_defect() -> None:
    with pytest.raises(ValueError, match="0 Opus formats"):
        offer_for_server("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8\r\n")


@dataclass
class Answer:
    """What the little server says, and what it was asked."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    asked: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    "Method, path, Authorization and body."


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            authorization = self.headers["Authorization"]
            answer.asked.append((self.command, self.path, authorization, body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_DELETE = respond

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def test_an_offer_is_taken_and_given_back() -> None:
    answer = Answer(201, {"Location": "/whep/abc"}, b"v=0\r\n")
    with answering(answer) as url:
        resource = post_offer(WhepAddress(f"{url}/whep?a=b", CREDENTIAL), "offer")
        delete(resource, CREDENTIAL)
    assert resource == Resource(f"{url}/whep/abc", "v=0\r\n")
    bearer = f"Bearer {CREDENTIAL}"
    assert answer.asked == [
        ("POST", "/whep?a=b", bearer, b"offer"),
        ("DELETE", "/whep/abc", bearer, b""),
    ]


@pytest.mark.parametrize(
    ("answer", "text", "refused", "hint_s"),
    [
        (Answer(401), "refused the credential", True, 0),
        (Answer(404, body=b"no such page"), "no such page", True, 0),
        (Answer(503, {"Retry-After": "60"}, b"full"), "full", False, 60),
        (Answer(200, body=b"hello"), "HTTP 200", False, 0),
    ],
)
def test_whatever_is_not_created_is_a_refusal(
    answer: Answer, text: str, refused: bool, hint_s: float
) -> None:
    with (
        answering(answer) as url,
        pytest.raises(WhepError, match=text) as refusal,
    ):
        post_offer(WhepAddress(f"{url}/whep", CREDENTIAL), "offer")
    assert refusal.value.mishap.refused is refused
    assert refusal.value.mishap.retry_after_s == hint_s


def test_an_endless_answer_is_cut() -> None:
    with answering(Answer(201, body=b"x" * (2 * MAX_ANSWER_BYTES))) as url:
        resource = post_offer(WhepAddress(f"{url}/whep", CREDENTIAL), "offer")
    assert len(resource.answer) == MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/whep", "http://127.0.0.1:99999/whep", "http://\n/"]
)
def test_nobody_there_is_a_mishap(url: str) -> None:
    with pytest.raises(WhepError):
        post_offer(WhepAddress(url, CREDENTIAL), "offer")


def test_addresses_keep_the_secret() -> None:
    assert "secret" not in repr(WhepAddress("http://h/whep", CREDENTIAL))
