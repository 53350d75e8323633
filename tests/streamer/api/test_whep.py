"""Tests of WHEP's HTTP: who may listen to what, every refusal, what ends a session.

Offers are real, of the bench's light listener; media are tested end to end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bench.webrtc_client import LightListener
from streamer.api.listening import client_of, is_still_allowed
from streamer.app.server import LoacastServer
from streamer.fanout.webrtc.listeners import Limits, WebRtcListeners
from streamer.fanout.webrtc.peer import Admission, Peer, Target
from streamer.fanout.webrtc.port import WebRtcServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
SDP = {"Content-Type": "application/sdp"}


def offer() -> str:
    return LightListener(Random(1)).offer()


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    kind: str = answer.json()["type"]
    return kind.removeprefix("urn:loacast:problem:")


def session_of(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


@pytest.fixture
def port(server: LoacastServer) -> WebRtcServer:
    assert server.webrtc is not None
    return server.webrtc


@pytest.fixture
def listeners(server: LoacastServer) -> WebRtcListeners:
    assert server.services.listeners is not None
    return server.services.listeners


@pytest.fixture(autouse=True)
def _no_session_is_left(port: WebRtcServer) -> Any:
    yield
    for peer in port.endpoint.peers():
        port.remove(peer.id)


@pytest_asyncio.fixture(loop_scope="module")
async def public(admin: httpx.AsyncClient) -> AsyncIterator[None]:
    """Make commune ``a`` public, and with it village ``a1``."""
    await admin.patch("/api/v1/zones/a", json={"public": True})
    yield
    await admin.patch("/api/v1/zones/a", json={"public": False})


@pytest_asyncio.fixture(loop_scope="module")
async def nobody(server: LoacastServer) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client without a token, beside the admin's."""
    async with httpx.AsyncClient(base_url=server.api_url, trust_env=False) as client:
        yield client


async def post(
    client: httpx.AsyncClient, query: str = "?zone=a", **headers: str
) -> httpx.Response:
    return await client.post(f"/whep{query}", content=offer(), headers=SDP | headers)


async def enrol(admin: httpx.AsyncClient, zone_id: str) -> dict[str, Any]:
    body = {"name": "loa", "zone_id": zone_id}
    found: dict[str, Any] = (await admin.post("/api/v1/speakers", json=body)).json()
    return found


def peers(port: WebRtcServer) -> list[Peer]:
    return port.endpoint.peers()


async def test_an_offer_is_answered_and_its_session_deleted(
    admin: httpx.AsyncClient, port: WebRtcServer
) -> None:
    answer = await post(admin)
    location = session_of(answer)
    assert answer.headers["content-type"] == "application/sdp"
    assert f"m=audio {port.port} UDP/TLS/RTP/SAVPF" in answer.text
    assert [peer.target for peer in peers(port)] == [Target(zone_id="a")]
    assert location == f"/whep/{peers(port)[0].id}"
    assert (await admin.delete(location)).status_code == 200
    assert peers(port) == []
    gone = await admin.delete(location)
    assert (gone.status_code, slug(gone)) == (404, "unknown-session")


async def test_the_address_of_a_session_is_the_right_to_end_it(
    admin: httpx.AsyncClient, nobody: httpx.AsyncClient
) -> None:
    location = session_of(await post(admin))
    assert len(location.removeprefix("/whep/")) == 32  # 128 bits
    assert (await nobody.delete(location)).status_code == 200


@pytest.mark.parametrize("path", ["/whep", "/whep/some-session"])
async def test_a_page_from_elsewhere_may_ask(
    nobody: httpx.AsyncClient, path: str
) -> None:
    answer = await nobody.options(path)
    assert answer.status_code == 204
    assert answer.headers["Accept-Post"] == "application/sdp"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    refused = await post(nobody)
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Location" in refused.headers["Access-Control-Expose-Headers"]


async def test_trickle_ice_is_refused(admin: httpx.AsyncClient) -> None:
    answer = await admin.patch(session_of(await post(admin)))
    assert (answer.status_code, slug(answer)) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "DELETE, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_other_methods_are_refused(admin: httpx.AsyncClient, method: str) -> None:
    answer = await admin.request(method, "/whep?zone=a")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/sdpx"])
async def test_another_type_is_refused(admin: httpx.AsyncClient, kind: str) -> None:
    answer = await post(admin, **{"Content-Type": kind})
    assert (answer.status_code, slug(answer)) == (415, "unsupported-media-type")
    assert answer.headers["Accept-Post"] == "application/sdp"


def without(name: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        return "".join(x for x in text.splitlines(True) if name not in x)

    return change


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda _: "", 400),
        (lambda _: "hello", 400),
        (lambda _: "\xff\xfe", 400),
        (lambda text: text.replace("m=audio", "m=audio\r\nm=audio"), 400),
        (lambda text: "v=0\r\n" + "m=audio 9 x 0\r\n" * 1000, 422),
        (lambda text: text.replace("m=audio", "m=video"), 422),
        (lambda text: text.replace("opus/48000/2", "PCMU/8000"), 422),
        (lambda text: text.replace("a=recvonly", "a=sendonly"), 422),
        (lambda text: text.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 422),
        (without("fingerprint"), 422),
        (without("ice-pwd"), 422),
        (without("ice-ufrag"), 422),
        (lambda text: text.replace("sha-256 ", "sha-256 Q"), 422),
        (lambda text: text.replace("a=setup:", "a=setup:holdconn"), 422),
    ],
)
async def test_what_cannot_be_served_is_told_and_takes_no_place(
    admin: httpx.AsyncClient,
    port: WebRtcServer,
    change: Callable[[str], str],
    status: int,
) -> None:
    body = change(offer()).encode("latin-1")
    answer = await admin.post("/whep?zone=a", content=body, headers=SDP)
    expected = {400: "bad-sdp", 422: "unacceptable-sdp"}[status]
    assert (answer.status_code, slug(answer)) == (status, expected)
    assert peers(port) == []


async def test_a_huge_offer_is_refused(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/whep?zone=a", content=b"v=0\r\n" * 20_000, headers=SDP)
    assert (answer.status_code, slug(answer)) == (413, "body-too-large")


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ("", 422, "invalid-request"),
        ("?zone=a&broadcast=b", 422, "invalid-request"),
        ("?zone=", 422, "invalid-request"),
        ("?zone=" + "x" * 65, 422, "invalid-request"),
        ("?zone=nowhere", 404, "unknown-zone"),
        ("?broadcast=none", 404, "unknown-broadcast"),
    ],
)
async def test_what_is_not_there_cannot_be_heard(
    admin: httpx.AsyncClient, query: str, status: int, expected: str
) -> None:
    answer = await post(admin, query)
    assert (answer.status_code, slug(answer)) == (status, expected)


@pytest.mark.parametrize("query", ["?zone=b", "?zone=nowhere", "?broadcast=x", ""])
@pytest.mark.usefixtures("public")
async def test_without_a_token_nothing_else_is_even_said_to_be_there(
    nobody: httpx.AsyncClient, query: str
) -> None:
    answer = await post(nobody, query)
    assert (answer.status_code, slug(answer)) == (401, "missing-token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "shown", ["nonsense", "loat_aaaaaaaaaa_x", "loas_aaaaaaaaaa_x"]
)
@pytest.mark.usefixtures("public")
async def test_a_wrong_token_is_refused_even_where_none_is_needed(
    nobody: httpx.AsyncClient, shown: str
) -> None:
    answer = await post(nobody, Authorization=f"Bearer {shown}")
    assert (answer.status_code, slug(answer)) == (401, "invalid-token")


@pytest.mark.usefixtures("public")
async def test_a_public_zone_and_what_is_below_it_is_for_anybody(
    nobody: httpx.AsyncClient, port: WebRtcServer
) -> None:
    for zone_id in ("a", "a1"):
        session_of(await post(nobody, f"?zone={zone_id}"))
    assert all(peer.admission.is_public for peer in peers(port))


@pytest.mark.parametrize("role", ["admin", "operator", "broadcaster", "monitor"])
async def test_a_token_hears_its_zone_and_below(client_of: Any, role: str) -> None:
    client = await client_of(role, "a")
    for zone_id in ("a", "a1"):
        session_of(await post(client, f"?zone={zone_id}"))
    for zone_id in ("p", "b"):
        answer = await post(client, f"?zone={zone_id}")
        assert (answer.status_code, slug(answer)) == (403, "forbidden")


@pytest.mark.usefixtures("public")
async def test_a_token_of_another_zone_hears_what_anybody_does(client_of: Any) -> None:
    session_of(await post(await client_of("monitor", "b"), "?zone=a"))


async def test_a_broadcast_is_heard_by_those_for_whom_it_is(
    client_of: Any, start: Any, port: WebRtcServer, nobody: httpx.AsyncClient
) -> None:
    broadcast = await start("a")
    query = f"?broadcast={broadcast['id']}"
    session_of(await post(await client_of("monitor", "a"), query))
    assert [peer.target for peer in peers(port)] == [
        Target(broadcast_id=broadcast["id"])
    ]
    assert (await post(await client_of("monitor", "a1"), query)).status_code == 403
    assert (await post(nobody, query)).status_code == 401


async def test_a_broadcasts_sessions_end_with_it(
    admin: httpx.AsyncClient,
    start: Any,
    port: WebRtcServer,
    server: LoacastServer,
) -> None:
    broadcast = await start("a")
    query = f"?broadcast={broadcast['id']}"
    session_of(await post(admin, query))
    session_of(await post(admin, "?zone=a"))
    await admin.post(f"/api/v1/broadcasts/{broadcast['id']}/stop")
    live = server.services.studio.find(broadcast["id"])
    assert live is not None
    await live.ended.wait()
    assert [peer.target for peer in peers(port)] == [Target(zone_id="a")]
    late = await post(admin, query)
    assert (late.status_code, slug(late)) == (404, "unknown-broadcast")


async def test_a_broadcasts_sessions_stay_while_it_is_held(
    admin: httpx.AsyncClient, start: Any, port: WebRtcServer
) -> None:
    broadcast = await start("a", comeback="resume")
    query = f"?broadcast={broadcast['id']}"
    wanted = Target(broadcast_id=broadcast["id"])
    session_of(await post(admin, query))
    for held in (1, 2):
        warning = await start("p", **{"class": "emergency"})
        found = (await admin.get(f"/api/v1/broadcasts/{broadcast['id']}")).json()
        assert found["state"] == "held"
        session_of(await post(admin, query))  # one may come while it stands still
        assert [peer.target for peer in peers(port)] == [wanted] * (held + 1)
        await admin.post(f"/api/v1/broadcasts/{warning['id']}/stop")
    assert [peer.target for peer in peers(port)] == [wanted] * 3


# Speakers.


@pytest.mark.parametrize("query", ["", "?zone=a"])
async def test_a_speaker_hears_its_own_zone_on_the_servers_clock(
    admin: httpx.AsyncClient,
    nobody: httpx.AsyncClient,
    port: WebRtcServer,
    query: str,
) -> None:
    speaker = await enrol(admin, "a")
    authorization = f"Bearer {speaker['credential']}"
    session_of(await post(nobody, query, Authorization=authorization))
    (peer,) = peers(port)
    assert peer.keeps_clock
    assert peer.target == Target(zone_id="a")
    assert peer.admission.speaker_id == speaker["id"]


@pytest.mark.parametrize("query", ["?zone=b", "?zone=nowhere", "?broadcast=x"])
@pytest.mark.usefixtures("public")
async def test_a_speaker_hears_nothing_else(
    admin: httpx.AsyncClient, nobody: httpx.AsyncClient, query: str
) -> None:
    credential = (await enrol(admin, "a"))["credential"]
    answer = await post(nobody, query, Authorization=f"Bearer {credential}")
    assert (answer.status_code, slug(answer)) == (403, "forbidden")


async def test_a_speakers_session_follows_it_and_ends_with_its_credential(
    admin: httpx.AsyncClient, nobody: httpx.AsyncClient, port: WebRtcServer
) -> None:
    speaker = await enrol(admin, "a")
    url = f"/api/v1/speakers/{speaker['id']}"
    shown = {"Authorization": f"Bearer {speaker['credential']}"}
    session_of(await post(nobody, "", **shown))
    await admin.patch(url, json={"zone_id": "b"})
    assert [peer.target for peer in peers(port)] == [Target(zone_id="b")]
    renewed = (await admin.post(f"{url}/credential")).json()["credential"]
    assert peers(port) == []
    assert (await post(nobody, "", **shown)).status_code == 401
    session_of(await post(nobody, "", Authorization=f"Bearer {renewed}"))
    await admin.delete(url)
    assert peers(port) == []


async def test_a_speaker_has_two_sessions_at_most(
    admin: httpx.AsyncClient, nobody: httpx.AsyncClient, port: WebRtcServer
) -> None:
    shown = {"Authorization": f"Bearer {(await enrol(admin, 'a'))['credential']}"}
    opened = [session_of(await post(nobody, "", **shown)) for _ in range(4)]
    assert [f"/whep/{peer.id}" for peer in peers(port)] == opened[2:]


# What takes the right away.


async def test_a_zone_that_is_no_longer_public_is_silent_for_the_public(
    admin: httpx.AsyncClient, nobody: httpx.AsyncClient, port: WebRtcServer
) -> None:
    await admin.patch("/api/v1/zones/a", json={"public": True})
    session_of(await post(nobody, "?zone=a1"))
    mine = session_of(await post(admin, "?zone=a1"))
    await admin.patch("/api/v1/zones/a", json={"public": False})
    assert [f"/whep/{peer.id}" for peer in peers(port)] == [mine]


async def test_a_zone_that_moves_leaves_those_whom_its_new_place_does_not_allow(
    admin: httpx.AsyncClient, client_of: Any, port: WebRtcServer
) -> None:
    session_of(await post(await client_of("monitor", "a"), "?zone=a1"))
    await admin.patch("/api/v1/zones/a1", json={"parent_id": "b"})
    assert peers(port) == []
    await admin.patch("/api/v1/zones/a1", json={"parent_id": "a"})


async def test_a_deleted_zone_is_heard_by_nobody(
    admin: httpx.AsyncClient, port: WebRtcServer
) -> None:
    zone = {"id": "short-lived", "name": "x", "level": "village", "parent_id": "a"}
    await admin.post("/api/v1/zones", json=zone)
    session_of(await post(admin, "?zone=short-lived"))
    await admin.delete("/api/v1/zones/short-lived")
    assert peers(port) == []


async def test_a_deleted_token_ends_what_it_opened(
    admin: httpx.AsyncClient, port: WebRtcServer
) -> None:
    body = {"name": "x", "role": "monitor"}
    issued = (await admin.post("/api/v1/tokens", json=body)).json()
    shown = {"Authorization": f"Bearer {issued['token']}"}
    session_of(await post(admin, **shown))
    mine = session_of(await post(admin))
    await admin.delete(f"/api/v1/tokens/{issued['id']}")
    assert [f"/whep/{peer.id}" for peer in peers(port)] == [mine]


async def test_an_expired_token_ends_what_it_opened(
    server: LoacastServer,
    nobody: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    listeners: WebRtcListeners,
    port: WebRtcServer,
) -> None:
    def allowed(admission: Admission, target: Target) -> bool:
        return is_still_allowed(admission, target, server.services)

    tokens = server.services.tokens
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    token, text = await tokens.create(name="x", role="monitor", expires_utc=tomorrow)
    session_of(await post(nobody, Authorization=f"Bearer {text}"))
    mine = session_of(await post(admin))
    await listeners.review(allowed)
    assert len(peers(port)) == 2
    past = datetime.now(UTC) - timedelta(seconds=1)
    tokens._tokens[token.id] = replace(token, expires_utc=past)
    await listeners.review(allowed)
    assert [f"/whep/{peer.id}" for peer in peers(port)] == [mine]


# Bounds.


@pytest.mark.usefixtures("public")
async def test_joins_under_way_from_one_address_are_bounded(
    nobody: httpx.AsyncClient, admin: httpx.AsyncClient, port: WebRtcServer
) -> None:
    limit = Limits(public=0).joining_per_client
    for _ in range(limit):
        session_of(await post(nobody))
    refused = await post(nobody)
    assert (refused.status_code, slug(refused)) == (429, "too-many-joins")
    assert int(refused.headers["Retry-After"]) > 0
    session_of(await post(admin))  # a token is not held up
    from_elsewhere = {"X-Forwarded-For": "203.0.113.1, 198.51.100.7"}
    session_of(await post(nobody, **from_elsewhere))  # through a proxy of ours
    port.remove(peers(port)[0].id)
    session_of(await post(nobody))


@pytest.mark.usefixtures("public")
async def test_a_full_port_says_when_to_come_back(
    nobody: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    server: LoacastServer,
    listeners: WebRtcListeners,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listeners, "_limits", Limits(public=2))
    for _ in range(2):
        session_of(await post(nobody))
    refused = await post(nobody)
    assert (refused.status_code, slug(refused)) == (503, "too-many-listeners")
    assert int(refused.headers["Retry-After"]) > 0
    session_of(await post(admin))
    found = (await admin.get("/metrics")).text
    assert (
        "loacast_listener_rejections_total"
        '{reason="too-many-listeners",transport="webrtc"} 1.0'
    ) in found


@pytest.mark.parametrize(
    ("host", "forwarded", "client"),
    [
        ("203.0.113.1", "", "203.0.113.1"),
        ("203.0.113.1", "198.51.100.7", "203.0.113.1"),  # anybody can write that
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::1", "192.0.2.9, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("127.0.0.1", "2001:db8:1:2:9::1", "2001:db8:1:2::/64"),
        ("", "", "None"),
    ],
)
async def test_clients_are_told_apart_by_what_cannot_be_forged(
    host: str, forwarded: str, client: str
) -> None:
    assert client_of(host, forwarded) == client


# What anybody may know.


async def test_public_zones_and_their_programmes_are_shown_and_nothing_else(
    server: LoacastServer,
    admin: httpx.AsyncClient,
    nobody: httpx.AsyncClient,
    start: Any,
) -> None:
    await start("p", title="Bí mật", **{"class": "background"})
    await start("a1", title="Bản tin")
    url = "/api/v1/public/zones"
    server.services.public_zones._made_s = float("-inf")
    assert (await nobody.get(url)).json() == []
    await admin.patch("/api/v1/zones/a", json={"public": True})
    assert (await nobody.get(url)).json() == []  # a second old at most
    server.services.public_zones._made_s = float("-inf")
    answer = await nobody.get(url)
    assert answer.json() == [
        {
            "id": "a",
            "name": "a",
            "parent_id": None,
            "level": "commune",
            "on_air": {"title": "Bí mật", "class": "background"},
        },
        {
            "id": "a1",
            "name": "a1",
            "parent_id": "a",
            "level": "village",
            "on_air": {"title": "Bản tin", "class": "normal"},
        },
    ]
    assert answer.headers["Cache-Control"] == "public, max-age=1"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    await admin.patch("/api/v1/zones/a", json={"public": False})


async def test_the_server_tells_where_webrtc_is(
    admin: httpx.AsyncClient, port: WebRtcServer
) -> None:
    info = (await admin.get("/api/v1/server")).json()
    assert info["webrtc_port"] == port.port
