"""What works without a valid token is named here; all else does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from streamer.api.tokens import LOOKUPS_PER_SECOND, TokenRegistry
from streamer.app.server import LoacastServer
from streamer.store.credentials import CredentialKind, issue
from streamer.store.records import Role, Token

pytestmark = pytest.mark.asyncio(loop_scope="module")
ME = "/api/v1/me"
WHEP_SESSION = "/whep/session_id"


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    kind: str = answer.json()["type"]
    assert answer.json()["status"] == answer.status_code
    return kind.removeprefix("urn:loacast:problem:")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def operations(description: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in description["paths"].items()
        for method in methods
    ]


async def test_every_operation_but_healthz_wants_a_token(
    admin: httpx.AsyncClient,
) -> None:
    description = (await admin.get("/api/v1/openapi.json")).json()
    del admin.headers["Authorization"]
    listed = operations(description)
    assert len(listed) > 25
    answers = {
        (method, path): (await admin.request(method, path)).status_code
        for method, path in listed
        if method != "OPTIONS"
    }
    open_to_all = {("GET", "/healthz"): 200, ("GET", "/api/v1/public/zones"): 200}
    # What is guarded by an address that nobody can guess, and what is never done.
    by_address = {("DELETE", WHEP_SESSION): 404, ("PATCH", WHEP_SESSION): 405}
    assert {key: status for key, status in answers.items() if status != 401} == (
        open_to_all | by_address
    )


@pytest.mark.parametrize(
    "path", ["/api/v1/openapi.json", "/docs", "/redoc", "/nowhere", "/metrics"]
)
async def test_what_is_not_a_page_wants_a_token(
    anybody: httpx.AsyncClient, path: str
) -> None:
    answer = await anybody.get(path)
    assert (answer.status_code, slug(answer)) == (401, "missing-token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="loacast"'


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic YTpi", "loat_aaaaaaaaaa_x"]
)
async def test_another_scheme_is_no_token(
    anybody: httpx.AsyncClient, authorization: str
) -> None:
    answer = await anybody.get(ME, headers={"Authorization": authorization})
    assert (answer.status_code, slug(answer)) == (401, "missing-token")


@pytest.mark.parametrize(
    "text",
    ["nonsense", "loat_aaaaaaaaaa_short", str(issue(CredentialKind.TOKEN))],
    ids=["nonsense", "too short", "of nobody"],
)
async def test_a_wrong_token_is_refused(anybody: httpx.AsyncClient, text: str) -> None:
    answer = await anybody.get(ME, headers=bearer(text))
    assert (answer.status_code, slug(answer)) == (401, "invalid-token")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_the_right_id_with_another_secret_is_refused(
    server: LoacastServer, anybody: httpx.AsyncClient
) -> None:
    token = str(server.admin_token)
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    answer = await anybody.get(ME, headers=bearer(forged))
    assert (answer.status_code, slug(answer)) == (401, "invalid-token")


async def test_a_speakers_credential_is_no_token(admin: httpx.AsyncClient) -> None:
    body = {"name": "loa", "zone_id": "a"}
    credential = (await admin.post("/api/v1/speakers", json=body)).json()["credential"]
    answer = await admin.get(ME, headers=bearer(credential))
    assert (answer.status_code, slug(answer)) == (401, "invalid-token")


async def test_an_expired_token_is_told_so(
    anybody: httpx.AsyncClient, tokens: TokenRegistry
) -> None:
    _, text = await tokens.create(
        name="late",
        role="admin",
        expires_utc=datetime.now(UTC) - timedelta(seconds=1),
    )
    answer = await anybody.get(ME, headers=bearer(text))
    assert (answer.status_code, slug(answer)) == (401, "expired-token")


async def test_a_deleted_token_is_refused_at_once(admin: httpx.AsyncClient) -> None:
    body = {"name": "x", "role": "monitor"}
    issued = (await admin.post("/api/v1/tokens", json=body)).json()
    mine = bearer(issued["token"])
    assert (await admin.get(ME, headers=mine)).json()["name"] == "x"
    assert (await admin.delete(f"/api/v1/tokens/{issued['id']}")).status_code == 204
    assert (await admin.get(ME, headers=mine)).status_code == 401


async def test_a_token_that_another_process_stored_is_found(
    server: LoacastServer, anybody: httpx.AsyncClient
) -> None:
    credential = issue(CredentialKind.TOKEN)
    await server.services.store.tokens.create(
        Token(
            id=credential.id,
            name="by command",
            role=Role.MONITOR,
            secret_hash=credential.secret_hash,
            created_utc=datetime.now(UTC),
        )
    )
    answer = await anybody.get(ME, headers=bearer(str(credential)))
    assert answer.json()["name"] == "by command"


async def test_unknown_tokens_do_not_flood_the_database(server: LoacastServer) -> None:
    now_s = 100.0
    registry = TokenRegistry(server.services.store.tokens, monotonic_s=lambda: now_s)
    allowed = [registry._may_look_up() for _ in range(LOOKUPS_PER_SECOND + 5)]
    assert allowed == [True] * LOOKUPS_PER_SECOND + [False] * 5
    now_s = 101.0
    assert registry._may_look_up()


async def test_the_schemes_name_may_have_any_case(
    server: LoacastServer, anybody: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"bEARER {server.admin_token}"}
    assert (await anybody.get(ME, headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/microphone", "/assets/microphone.js"])
async def test_pages_are_open_and_keep_to_themselves(
    anybody: httpx.AsyncClient, path: str
) -> None:
    answer = await anybody.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../pyproject.toml",
        "/assets/..%2f..%2fpyproject.toml",
        "/assets//etc/passwd",
        "/assets/%2e%2e/%2e%2e/pyproject.toml",
        "/assets/",
    ],
)
async def test_pages_show_nothing_else(anybody: httpx.AsyncClient, path: str) -> None:
    answer = await anybody.get(path)
    assert answer.status_code in (401, 404)


async def test_the_front_door_leads_to_the_microphone(
    anybody: httpx.AsyncClient,
) -> None:
    answer = await anybody.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/microphone")


async def test_answers_of_the_api_are_not_kept(admin: httpx.AsyncClient) -> None:
    assert (await admin.get(ME)).headers["Cache-Control"] == "no-store"
