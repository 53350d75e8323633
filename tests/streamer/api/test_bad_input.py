"""Bad input of every kind: a clear problem, and what is on air goes on."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import wave
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any

import av
import httpx
import numpy as np
import pytest
import pytest_asyncio

from streamer.air.priority import Origin
from streamer.api.requests import ToneSource
from streamer.app.server import LoacastServer
from streamer.bus.bus import AirChange
from streamer.config import Config
from streamer.media.frame import ProgrammePacket
from streamer.studio.broadcast import BroadcastRequest
from streamer.studio.live import Live
from streamer.wire.control import ProgrammeClass

pytestmark = pytest.mark.asyncio(loop_scope="module")
BROADCASTS = "/api/v1/broadcasts"
FILES = "/api/v1/files"


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).removeprefix("urn:loacast:problem:")


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def undisturbed(server: LoacastServer) -> AsyncIterator[Live]:
    """All tests here run beside a broadcast that must not notice."""
    studio = server.services.studio
    live = await studio.start(
        BroadcastRequest(
            source=ToneSource(kind="tone", pattern="music"),
            source_kind="tone",
            source_detail="music",
            zone_ids=("p",),
            programme_class=ProgrammeClass.NORMAL,
            origin=Origin.PROVINCE,
            title="undisturbed",
            chime=False,
            started_by="admin",
            token_id="admin",
        )
    )
    heard: list[int] = []
    assert live.ssrc is not None
    server.bus.subscribe(_Listener(live.ssrc, heard))
    yield live
    assert studio.on_air() == [live]
    studio.stop(live.id)
    await live.closed.wait()
    assert live.end is not None
    assert (live.end.reason, live.end.detail) == ("stopped", "")
    assert heard == list(range(heard[0], live.frames))
    assert live.recording is not None
    assert live.recording.complete


class _Listener:
    """Hears the packets of one programme on the bus."""

    def __init__(self, ssrc: int, heard: list[int]) -> None:
        self._ssrc = ssrc
        self._heard = heard

    def on_packet(self, packet: ProgrammePacket) -> None:
        if packet.ssrc == self._ssrc:
            self._heard.append(packet.index)

    def on_air_change(self, change: AirChange) -> None:
        assert self._ssrc not in change.ended or change.switches


@pytest.mark.parametrize(
    ("members", "status", "kind"),
    [
        ({"zone_ids": ["nowhere"]}, 422, "unknown-zone"),
        ({"zone_ids": ["a", "nowhere"]}, 422, "unknown-zone"),
        ({"zone_ids": []}, 422, "invalid-request"),
        ({"zone_ids": ["a"] * 1001}, 422, "invalid-request"),
        ({"zone_ids": "a"}, 422, "invalid-request"),
        ({"title": "x" * 10_000}, 422, "invalid-request"),
        ({"title": "x" * 201}, 422, "invalid-request"),
        ({"title": ""}, 422, "invalid-request"),
        ({"title": "   "}, 422, "invalid-request"),
        ({"title": "a\nb"}, 422, "invalid-request"),
        ({"title": "a\x00b"}, 422, "invalid-request"),
        ({"title": None}, 422, "invalid-request"),
        ({"title": "\ud800"}, 422, "invalid-request"),
        ({"class": "loudest"}, 422, "invalid-request"),
        ({"surprise": 1}, 422, "invalid-request"),
        ({"\ud800": 1}, 422, "invalid-request"),
        ({"source": None}, 422, "invalid-request"),
        ({"source": {"kind": "radio"}}, 422, "invalid-request"),
        ({"source": {"kind": "tone", "pattern": "?"}}, 422, "invalid-request"),
        (
            {"source": {"kind": "tone", "pattern": "music", "duration_s": -1}},
            422,
            "invalid-request",
        ),
        ({"source": {"kind": "file", "file_id": "nothing"}}, 422, "unknown-file"),
        (
            {"source": {"kind": "file", "file_id": "../../etc/passwd"}},
            422,
            "unknown-file",
        ),
        (
            {"source": {"kind": "microphone", "session_id": "nobody"}},
            422,
            "unknown-session",
        ),
    ],
)
async def test_a_bad_order(
    admin: httpx.AsyncClient, order: Any, members: Any, status: int, kind: str
) -> None:
    body = json.dumps(order("a", **members)).encode()
    headers = {"Content-Type": "application/json"}
    answer = await admin.post(BROADCASTS, content=body, headers=headers)
    assert (answer.status_code, slug(answer)) == (status, kind)


async def test_what_is_wrong_is_named_but_not_repeated(
    admin: httpx.AsyncClient, order: Any
) -> None:
    answer = await admin.post(BROADCASTS, json=order("a", title="secret" * 100))
    assert answer.json()["errors"][0]["location"] == ["body", "title"]
    assert "200" in answer.json()["errors"][0]["message"]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 422, "invalid-request"),
        (b"{", 422, "invalid-request"),
        (b"[]", 422, "invalid-request"),
        (b'"text"', 422, "invalid-request"),
        (b'{"title": "\xff"}', 400, "bad-request"),
        (b"[" * 60_000, 400, "bad-request"),
        (b" " * 65_537, 413, "body-too-large"),
        (b'{"title": "' + b"x" * 1_000_000 + b'"}', 413, "body-too-large"),
    ],
    ids=["empty", "cut", "list", "text", "utf8", "deep", "large", "huge"],
)
async def test_a_body_that_is_no_order(
    admin: httpx.AsyncClient, content: bytes, status: int, kind: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await admin.post(BROADCASTS, content=content, headers=headers)
    assert (answer.status_code, slug(answer)) == (status, kind)


async def test_a_body_of_unknown_length_is_bounded_too(
    admin: httpx.AsyncClient,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 8192

    headers = {"Content-Type": "application/json"}
    answer = await admin.post(BROADCASTS, content=chunks(), headers=headers)
    assert (answer.status_code, slug(answer)) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/api/v1/nothing", 404, "not-found"),
        ("GET", "/api/v2/zones", 404, "not-found"),
        ("PUT", "/api/v1/zones", 405, "method-not-allowed"),
        ("GET", "/api/v1/broadcasts/nothing", 404, "unknown-broadcast"),
        ("GET", "/api/v1/broadcasts/nothing/intervals", 404, "unknown-broadcast"),
        ("POST", "/api/v1/broadcasts/nothing/stop", 404, "unknown-broadcast"),
        ("GET", "/api/v1/broadcasts?limit=0", 422, "invalid-request"),
        ("GET", "/api/v1/broadcasts?limit=x", 422, "invalid-request"),
        ("GET", "/api/v1/broadcasts?state=loud", 422, "invalid-request"),
        ("GET", "/api/v1/recordings/nothing", 404, "unknown-broadcast"),
        ("GET", "/api/v1/zones/nothing", 404, "unknown-zone"),
        ("GET", "/api/v1/speakers/nothing", 404, "unknown-speaker"),
        ("GET", "/api/v1/speakers?zone=nothing", 404, "unknown-zone"),
        ("DELETE", "/api/v1/files/nothing", 404, "unknown-file"),
        ("DELETE", "/api/v1/tokens/nothing", 404, "unknown-token"),
        ("DELETE", "/whip/nothing", 404, "unknown-session"),
    ],
)
async def test_a_bad_address(
    admin: httpx.AsyncClient, method: str, path: str, status: int, kind: str
) -> None:
    answer = await admin.request(method, path)
    assert (answer.status_code, slug(answer)) == (status, kind)


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("zones", {"id": "A b", "name": "x", "level": "commune"}, 422, None),
        ("zones", {"name": "x", "level": "planet"}, 422, None),
        ("zones", {"id": "a", "name": "x", "level": "commune"}, 409, "conflict"),
        (
            "zones",
            {"name": "x", "level": "village", "parent_id": "nowhere"},
            404,
            "unknown-zone",
        ),
        (
            "zones",
            {"name": "x", "level": "commune", "playout_delay_ms": 5},
            422,
            None,
        ),
        ("speakers", {"name": "x", "zone_id": "nowhere"}, 404, "unknown-zone"),
        ("speakers", {"name": "x", "zone_id": "a", "volume_percent": 101}, 422, None),
        ("speakers", {"name": "x", "zone_id": "a", "volume_percent": "9"}, 422, None),
        ("speakers", {"name": "x" * 101, "zone_id": "a"}, 422, None),
        ("tokens", {"name": "x", "role": "king"}, 422, None),
        (
            "tokens",
            {"name": "x", "role": "operator", "zone_id": "nowhere"},
            422,
            "unknown-zone",
        ),
        (
            "tokens",
            {"name": "x", "role": "monitor", "expires_utc": "2026-01-01T00:00:00"},
            422,
            None,
        ),
    ],
)
async def test_a_bad_record(
    admin: httpx.AsyncClient, path: str, body: Any, status: int, kind: str | None
) -> None:
    answer = await admin.post(f"/api/v1/{path}", json=body)
    assert (answer.status_code, slug(answer)) == (status, kind or "invalid-request")


async def test_a_zone_cannot_move_below_itself(admin: httpx.AsyncClient) -> None:
    answer = await admin.patch("/api/v1/zones/a", json={"parent_id": "a1"})
    assert (answer.status_code, slug(answer)) == (409, "conflict")


@pytest.mark.parametrize("zone_id", ["p", "a"])
async def test_a_zone_in_use_is_not_deleted(
    admin: httpx.AsyncClient, zone_id: str
) -> None:
    answer = await admin.delete(f"/api/v1/zones/{zone_id}")
    assert (answer.status_code, slug(answer)) == (409, "conflict")


async def test_no_more_programmes_than_set_but_emergencies(
    admin: httpx.AsyncClient, start: Any, order: Any
) -> None:
    for _ in range(2):
        await start("a")
    answer = await admin.post(BROADCASTS, json=order("a"))
    assert (answer.status_code, slug(answer)) == (503, "too-many-programmes")
    assert answer.headers["Retry-After"]
    warning = await start("a", **{"class": "emergency"})
    assert warning["state"] == "on_air"


# Files.


def pcm_wav(seconds: float) -> bytes:
    output = BytesIO()
    with wave.open(output, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * int(8000 * seconds)))
    return output.getvalue()


def aac(seconds: int) -> bytes:
    output = BytesIO()
    with av.open(output, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        for number in range(seconds):
            samples = np.zeros((1, 48_000), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, number * 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return output.getvalue()


def silent_mp3(seconds: int) -> bytes:
    """Repeat one frame: MPEG-2.5, layer III, 8 kb/s, 8 kHz, mono, 72 ms."""
    return b"\xff\xe3\x18\xc4".ljust(72, b"\0") * (seconds * 1000 // 72)


@pytest.mark.parametrize(
    ("file", "status", "kind"),
    [
        (("song.mp3", lambda: b"just some text\n" * 100), 422, "unsupported-audio"),
        (("song.mp3", lambda: b""), 422, "unsupported-audio"),
        (("song.mp3", lambda: bytes(100_000)), 422, "unsupported-audio"),
        (("list.m3u8", lambda: b"#EXTM3U\n/etc/passwd\n"), 422, "unsupported-audio"),
        (("cut.wav", lambda: pcm_wav(1)[:40]), 422, "unsupported-audio"),
        (("cut.m4a", lambda: aac(3)[:-900]), 422, "unsupported-audio"),
        (("huge.wav", lambda: bytes(20_000_000)), 413, "file-too-large"),
        (("three hours.mp3", lambda: silent_mp3(3 * 3600)), 422, "file-too-long"),
    ],
)
async def test_a_bad_file(
    admin: httpx.AsyncClient,
    config: Config,
    file: tuple[str, Callable[[], bytes]],
    status: int,
    kind: str,
) -> None:
    name, make = file
    content = await asyncio.to_thread(make)
    answer = await admin.post(FILES, params={"name": name}, content=content)
    assert (answer.status_code, slug(answer)) == (status, kind)
    assert (await admin.get(FILES)).json() == []
    assert os.listdir(config.files_directory) == []


async def test_a_full_disk(
    admin: httpx.AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("streamer.studio.files._finish", full)
    answer = await admin.post(FILES, params={"name": "x"}, content=pcm_wav(0.1))
    assert (answer.status_code, slug(answer)) == (507, "disk-full")
    assert os.listdir(config.files_directory) == []


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", None])
async def test_a_bad_file_name(admin: httpx.AsyncClient, name: str | None) -> None:
    params = {} if name is None else {"name": name}
    answer = await admin.post(FILES, params=params, content=pcm_wav(0.1))
    assert (answer.status_code, slug(answer)) == (422, "invalid-request")


# Microphones.

OFFER_WITHOUT_AUDIO = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\n"
)
SDP = "application/sdp"


@pytest.mark.parametrize(
    ("kind", "content", "status", "slug_"),
    [
        ("application/json", b"{}", 415, "unsupported-media-type"),
        ("", b"v=0\r\n", 415, "unsupported-media-type"),
        (SDP, b"", 400, "bad-sdp"),
        (SDP, b"hello", 400, "bad-sdp"),
        (SDP, b"\xff\xfe\x00", 400, "bad-sdp"),
        (SDP, b"v=0\r\n" + b"\x00" * 1000, 400, "bad-sdp"),
        (SDP, OFFER_WITHOUT_AUDIO.encode(), 422, "unacceptable-sdp"),
        (SDP, b"v=0\r\n" + b"a=x\r\n" * 20_000, 413, "body-too-large"),
    ],
)
async def test_a_bad_offer(
    admin: httpx.AsyncClient, kind: str, content: bytes, status: int, slug_: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await admin.post("/whip", content=content, headers=headers)
    assert (answer.status_code, slug(answer)) == (status, slug_)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_bad_aim_is_refused_before_a_session_opens(
    admin: httpx.AsyncClient, server: LoacastServer
) -> None:
    answer = await admin.post(
        "/whip?zone=nowhere", content=b"v=0", headers={"Content-Type": SDP}
    )
    assert (answer.status_code, slug(answer)) == (422, "unknown-zone")


async def test_trickle_is_refused_with_what_is_allowed(
    admin: httpx.AsyncClient,
) -> None:
    answer = await admin.patch("/whip/x", content=b"a=candidate:")
    assert (answer.status_code, slug(answer)) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "DELETE, OPTIONS"


async def test_whip_without_a_token(admin: httpx.AsyncClient) -> None:
    del admin.headers["Authorization"]
    answer = await admin.post("/whip", content=b"v=0", headers={"Content-Type": SDP})
    assert (answer.status_code, slug(answer)) == (401, "missing-token")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_preflight_needs_no_token(admin: httpx.AsyncClient) -> None:
    del admin.headers["Authorization"]
    answer = await admin.options("/whip")
    assert answer.status_code == 204
    assert answer.headers["Accept-Post"] == SDP
    assert answer.headers["Access-Control-Allow-Headers"] == (
        "Authorization, Content-Type"
    )
    assert answer.headers["Access-Control-Expose-Headers"] == "Location, ETag"
